"""The three models that make videos, checked to belong together, and one sampling with them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from dit.checkpoint import Loaded
from dit.conditioning import Condition
from dit.config import SampleConfig
from dit.generation import ToSample, check_text_encoder, check_vae, sample_latents, text_features

if TYPE_CHECKING:
    from pipeline.contracts import TextEncoder, Vae


@dataclass(frozen=True, kw_only=True)
class VideoModels:
    """A DiT with the VAE and the text encoder it was trained with; ``ValueError`` for others."""

    dit: Loaded
    """The transformer, see ``dit.load``."""
    vae: Vae
    """See ``vae.load``."""
    text_encoder: TextEncoder
    """See ``pipeline.load_text_encoder``."""

    def __post_init__(self) -> None:
        check_vae(self.dit.latents, self.vae)
        check_text_encoder(self.dit.latents, self.text_encoder)

    @property
    def step(self) -> int:
        """Frames of a latent frame, the first excepted."""
        return self.vae.time_factor

    def latent_frames(self, frames: int) -> int:
        """Latent frames of that many frames; ``ValueError`` where they are not 1 + k times ``step``."""
        if frames < 1 or (frames - 1) % self.step:
            low = 1 + max(0, frames - 1) // self.step * self.step
            raise ValueError(
                f"{frames} frames do not fit the VAE, which takes 1 + {self.step}k; "
                f"use {low} or {low + self.step}"
            )
        return 1 + (frames - 1) // self.step

    def encode(self, video: np.ndarray) -> Tensor:
        """Normalised latents (C, T, H, W) of frames uint8 (N, H, W, 3): the posterior's mean."""
        return self.dit.latents.normalise(self.vae.encode(video[None])[0][0])

    def decode(self, latent: Tensor) -> np.ndarray:
        """Frames uint8 (N, H, W, 3) of normalised latents (C, T, H, W)."""
        return self.vae.decode(self.dit.latents.denormalise(latent))

    def sample(self, prompt: str, condition: Condition, config: SampleConfig, seed: int) -> Tensor:
        """Normalised latents (C, T, H, W) of one clip. An empty prompt is no caption."""
        (text,) = text_features(self.text_encoder, [prompt]) if prompt.strip() else (None,)
        shape = condition.clean.shape[1:]
        asked = ToSample(
            texts=[text],
            shapes=[(shape[0], shape[1], shape[2])],
            seeds=[seed],
            conditions=[condition],
        )
        (made,) = sample_latents(self.dit, asked, config)
        return made[0]

    def check_video(self, video: np.ndarray, least: int, what: str) -> None:
        """See ``check_video``."""
        check_video(video, self.vae, least, what)


def check_video(video: np.ndarray, vae: Vae, least: int, what: str) -> None:
    """Raise ``ValueError`` unless ``video`` is uint8 RGB of a size for the VAE, with ``least`` frames or more."""
    if video.dtype != np.uint8 or video.ndim != 4 or video.shape[-1] != 3:
        raise ValueError(f"a video must be uint8 (T, H, W, 3), got {video.dtype} {video.shape}")
    frames, height, width = video.shape[:3]
    side = vae.space_factor
    if height % side or width % side:
        fit = f"{max(side, width // side * side)}x{max(side, height // side * side)}"
        raise ValueError(
            f"the video is {width}x{height}; the VAE needs sides that {side} divides, such as {fit}"
        )
    if frames < least:
        raise ValueError(f"the video has {frames} frames; to {what} it needs at least {least}")


def padded(video: np.ndarray, step: int) -> np.ndarray:
    """The video with its last frame repeated until it has 1 + k ``step`` frames."""
    return np.concatenate([video, video[-1:].repeat(-(len(video) - 1) % step, axis=0)])


def empty_like(latents: Tensor, frames: int) -> Tensor:
    """Zeros (C, frames, H, W) of the size of latents (C, T, H, W)."""
    return torch.zeros(latents.shape[0], frames, *latents.shape[2:])
