"""Generate videos from prompts with models that are given by name."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from dit.config import REFERENCE_SCALE, SampleConfig, WeightFormat
from jobs.core.errors import user_errors
from jobs.core.models import load_dit_at, load_text_for, load_vae_for

if TYPE_CHECKING:
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
    width: int = 64,
    height: int = 64,
    config: SampleConfig | None = None,
    seed: int = 0,
    first_frame: np.ndarray | None = None,
    references: Sequence[Sequence[np.ndarray]] | None = None,
    reference_scale: float = REFERENCE_SCALE,
    on_done: Callable[[int], object] | None = None,
    models: VideoModels | None = None,
) -> list[np.ndarray]:
    """Load the three models by name and generate one video per prompt, see ``dit.generate``.

    Args:
        prompts: Captions. Dense ones, like those of the training set, work best.
        dit: ``embedded``, a ``dit.safetensors``, or a folder of ``train-dit``.
        vae: The VAE that the DiT was trained with: ``embedded``, or what ``train-vae`` wrote.
        text: The text encoder that the DiT was trained with: ``embedded``, or what ``[encode] text_encoder`` takes.
        device: ``cpu``, ``cuda``, ``cuda:N``, or ``auto``: a GPU where there is one.
        width, height: Size in pixels; multiples of the VAE's patch (8).
        config: Length, frame rate, steps, guidance. Default: ``SampleConfig()``.
        seed: Seed of the first video's noise; the next ones count up.
        first_frame: uint8 RGB (height, width, 3) that every video starts from.
        references, reference_scale: What each video is shown beside its prompt, see ``dit.generate``.
        on_done: Called with the number of videos that were just finished.
        models: Models that are open already, in place of those named.

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
            width=width,
            height=height,
            config=config,
            seed=seed,
            first_frame=first_frame,
            references=references,
            reference_scale=reference_scale,
            on_done=on_done,
        )
