"""A VAE and a text encoder that need no weights, named in settings as ``tests.helpers.tiny_codecs:MeanVae``."""

from __future__ import annotations

import numpy as np
import torch


class MeanVae:
    """Latents are mean colours of 8x8 cells of every fourth frame."""

    id, time_factor, space_factor = "mean-8x8-test", 4, 8
    channel_mean, channel_std = (0.0,) * 3, (0.5,) * 3

    def latent_shape(self, n_frames: int, height: int, width: int) -> tuple[int, int, int, int]:
        if (n_frames - 1) % 4 or height % 8 or width % 8:
            raise ValueError(f"{n_frames} frames of {width}x{height} do not fit")
        return 3, 1 + (n_frames - 1) // 4, height // 8, width // 8

    def encode(self, videos: np.ndarray) -> tuple[torch.Tensor, torch.Tensor]:
        frames = torch.from_numpy(videos[:, ::4]).permute(0, 4, 1, 2, 3) / 127.5 - 1
        mean = torch.nn.functional.avg_pool3d(frames, (1, 8, 8))
        return mean, torch.full_like(mean, -10.0)

    def decode(self, latent: torch.Tensor) -> np.ndarray:
        cells = (latent.permute(1, 2, 3, 0).clamp(-1, 1) + 1) * 127.5
        frames = cells.round().byte().numpy().repeat(8, axis=1).repeat(8, axis=2)
        return np.concatenate([frames[:1], frames[1:].repeat(4, axis=0)])


class ByteEncoder:
    """Each byte of a text as a fixed random vector."""

    id, text_width = "bytes-test", 16

    def text_tokens(self, texts: list[str]) -> list[np.ndarray]:
        table = np.random.default_rng(0).normal(size=(256, self.text_width)).astype(np.float16)
        return [table[np.frombuffer(text.encode()[:24] or b" ", np.uint8)] for text in texts]
