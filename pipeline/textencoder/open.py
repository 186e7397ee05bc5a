"""Open the text encoder that a recipe or an option names."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pipeline.contracts import TextEncoder


def load_text_encoder(name: str = "embedded") -> TextEncoder:
    """Load a text encoder.

    Args:
        name: ``embedded``, an open_clip ``architecture/pretrained`` pair or a local folder of open_clip.

    Raises:
        ValueError: there is no such model here; the message says how to fetch it.
    """
    from pipeline.openclip.model import load_clip

    return load_clip(name)
