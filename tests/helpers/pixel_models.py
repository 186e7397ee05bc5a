"""A VAE, a text encoder and a DiT so small and plain that what becomes of a pixel can be worked out by hand."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from dit.checkpoint import Loaded
from dit.config import DiTConfig
from dit.latents import LatentSpec
from dit.model import DiT

CHANNELS, WIDTH = 3, 6


class PixelVae:
    """A VAE whose latents are the frames themselves, every fourth, in [-1, 1]."""

    id = "pixels"
    time_factor, space_factor = 4, 1
    channel_mean, channel_std = (0.0,) * CHANNELS, (1.0,) * CHANNELS

    def latent_shape(self, n_frames: int, height: int, width: int) -> tuple[int, int, int, int]:
        if (n_frames - 1) % 4:
            raise ValueError(f"{n_frames} frames do not fit")
        return CHANNELS, 1 + (n_frames - 1) // 4, height, width

    def encode(self, videos: np.ndarray) -> tuple[torch.Tensor, torch.Tensor]:
        mean = torch.from_numpy(videos[:, ::4]).permute(0, 4, 1, 2, 3).float() / 127.5 - 1
        return mean, torch.full_like(mean, -20.0)

    def decode(self, latent: torch.Tensor) -> np.ndarray:
        frames = ((latent.permute(1, 2, 3, 0).clamp(-1, 1) + 1) * 127.5).round().byte().numpy()
        return np.concatenate([frames[:1], frames[1:].repeat(4, axis=0)])


class LetterEncoder:
    """Token features from letters alone."""

    id = "letters"
    text_width = WIDTH

    def text_tokens(self, texts: Sequence[str]) -> list[np.ndarray]:
        return [
            np.array([[ord(c) % k for k in range(2, 2 + WIDTH)] for c in t], np.float16)
            for t in texts
        ]


def pixel_dit() -> Loaded:
    """A DiT of random weights over such latents and letters."""
    torch.manual_seed(0)
    net = DiT(DiTConfig(width=24, depth=1, heads=2, latent_channels=CHANNELS, text_dim=WIDTH))
    for parameter in net.parameters():  # a fresh DiT predicts zero whatever it is shown
        torch.nn.init.normal_(parameter, std=0.2)
    spec = LatentSpec(
        vae_id="pixels", text_encoder_id="letters", mean=(0.0,) * CHANNELS, std=(1.0,) * CHANNELS
    )
    return Loaded(model=net.eval().requires_grad_(False), latents=spec, id="x", info={})
