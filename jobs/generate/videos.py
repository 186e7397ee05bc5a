"""Generate videos from prompts with models that are given by name."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Unpack

import numpy as np

from dit.config import WeightFormat
from jobs.core.errors import user_errors
from jobs.core.models import load_dit_at, load_text_for, load_vae_for

if TYPE_CHECKING:
    from dit.generation import VideoOptions
    from dit.video_models import VideoModels


def open_models(
    dit: str = "embedded",
    vae: str = "embedded",
    text: str = "embedded",
    device: str = "auto",
    weights: WeightFormat = "float",
) -> VideoModels:
    """The three models by name, fitting one another; ``UserError`` says which does not."""
    from dit.video_models import VideoModels

    loaded = load_dit_at(dit, device, weights)
    return VideoModels(
        dit=loaded,
        vae=load_vae_for(loaded.latents, vae, device),
        text_encoder=load_text_for(loaded.latents, text, device),
    )


def generate_videos(
    prompts: Sequence[str],
    *,
    dit: str = "embedded",
    vae: str = "embedded",
    text: str = "embedded",
    device: str = "auto",
    models: VideoModels | None = None,
    **options: Unpack[VideoOptions],
) -> list[np.ndarray]:
    """Load the three models by name and generate one video per prompt, see ``dit.generate``.

    Args:
        prompts: Captions. Dense ones, like those of the training set, work best.
        dit: ``embedded``, a ``dit.safetensors``, or a folder of ``train-dit``.
        vae: The VAE that the DiT was trained with: ``embedded``, or what ``train-vae`` wrote.
        text: The text encoder that the DiT was trained with: ``embedded``, or what ``[encode] text_encoder`` takes.
        device: ``cpu``, ``cuda``, ``cuda:N``, or ``auto``: a GPU where there is one.
        models: Models that are open already, in place of those named.
        options: Size, ``config``, ``seed`` and all else that ``dit.generate`` takes.

    Returns:
        One uint8 RGB array (T, height, width, 3) per prompt.

    Raises:
        UserError: a model is missing or is not the one the DiT was trained with, or a size does not fit.
    """
    from dit.generation import generate

    opened = models or open_models(dit, vae, text, device)
    with user_errors():
        return generate(
            prompts,
            dit=opened.dit,
            vae=opened.vae,
            text_encoder=opened.text_encoder,
            **options,
        )
