"""The contracts between filmstock and what extends it. Any object with these methods fits; nothing is registered.

A recipe or an option names an extension as ``module:object``, see ``pipeline.extensions``.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    import numpy as np
    import torch


class TextEncoder(Protocol):
    """Turns captions into the token features that condition the DiT."""

    id: str
    """Identity of the weights and the tokenizer. Latents and checkpoints store it, and refuse another encoder's."""

    @property
    def text_width(self) -> int:
        """Numbers in the feature of one token."""
        ...

    def text_tokens(self, texts: Sequence[str]) -> list[np.ndarray]:
        """Features of each text: float16 (L, text_width), one row per real token, without padding."""
        ...


class Vae(Protocol):
    """Turns frames into latents and back. One latent frame stands for ``time_factor`` frames, the first for one."""

    id: str
    """Identity of the latent space. Latents and checkpoints store it, and refuse another space's."""
    time_factor: int
    """Frames per latent frame; a video has 1 + k * time_factor frames."""
    space_factor: int
    """Pixels per side of a latent cell; sides of frames are multiples of it."""
    channel_mean: tuple[float, ...]
    """Mean of each latent channel over the data that the VAE was trained on."""
    channel_std: tuple[float, ...]
    """Standard deviation of each latent channel over the same data."""

    def latent_shape(self, n_frames: int, height: int, width: int) -> tuple[int, int, int, int]:
        """Shape (C, T, H, W) of the latents of one video. Raises ``ValueError`` for a size that does not fit."""
        ...

    def encode(self, videos: np.ndarray) -> tuple[torch.Tensor, torch.Tensor]:
        """Mean and log-variance of the posterior, each float32 (B, C, T, H, W) on the CPU.

        ``videos`` are uint8 RGB (B, T, H, W, 3), all of one shape.
        """
        ...

    def decode(self, latent: torch.Tensor) -> np.ndarray:
        """Frames uint8 RGB (T, H, W, 3) of one video's latents (C, T, H, W), which are not normalised."""
        ...
