"""Open the text encoder that a recipe or an option names."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.extensions import is_extension, make_extension

if TYPE_CHECKING:
    from pipeline.contracts import TextEncoder

TRANSFORMERS = "transformers:"
"""Prefix of the name of an encoder that transformers loads."""


def load_text_encoder(name: str = "embedded", *, device: str = "cpu") -> TextEncoder:
    """Load a text encoder.

    Args:
        name: ``embedded``; an open_clip ``architecture/pretrained`` pair or a local folder of open_clip;
            ``transformers:PATH`` for T5, umt5 and other encoders of transformers, or a hidden layer of a language model
            (``transformers:PATH?layer=-3&template=chat``), by folder or by a
            repository in the local cache; or ``module:object`` of an encoder of your own (``pipeline.TextEncoder``),
            called with nothing.
        device: ``cpu``, ``cuda``, ``cuda:N``, or ``auto``: a GPU where there is one.

    Raises:
        ValueError: there is no such model here; the message says how to fetch it.
    """
    from pipeline.training.device import pick_device

    there = str(pick_device(device))
    if name.startswith(TRANSFORMERS):
        from pipeline.textencoder.load import load_transformers_encoder

        return load_transformers_encoder(name.removeprefix(TRANSFORMERS), device=there)
    if is_extension(name):
        encoder: TextEncoder = make_extension(name, "text encoder")
        return encoder
    from pipeline.openclip.model import load_openclip

    return load_openclip(name, device=there)


def text_encoder_file(name: str) -> Path:
    """Local file or folder whose content decides what the encoder gives; it may not exist."""
    if name == "embedded":
        from pipeline.openclip.find import EMBEDDED

        return EMBEDDED
    if name.startswith(TRANSFORMERS):
        name = name.partition("?")[0]
    return Path(name.removeprefix(TRANSFORMERS).removeprefix("local-dir:")).expanduser()
