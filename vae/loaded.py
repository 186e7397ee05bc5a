"""A VAE that is loaded and ready: pixels in, latents out, and back. It satisfies ``pipeline.contracts.Vae``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from pipeline.contracts import check_videos
from pipeline.extensions import is_extension, make_extension
from pipeline.training.device import pick_device
from vae.checkpoint import load_vae
from vae.tiling import Tiling, decode_tiled, encode_tiled

if TYPE_CHECKING:
    from pipeline.contracts import Vae
    from vae.model import VideoVAE


class LoadedVae:
    """A ``VideoVAE`` behind uint8 frames. Frames larger than a tile go through it in tiles."""

    def __init__(self, model: VideoVAE, tiling: Tiling | None = None) -> None:
        self.model, self.tiling = model, tiling
        self.id = model.id
        self.time_factor = model.config.time_factor
        self.space_factor = model.config.space_factor
        self.channel_mean = tuple(model.latent_mean.tolist())
        self.channel_std = tuple(model.latent_std.tolist())

    def latent_shape(self, n_frames: int, height: int, width: int) -> tuple[int, int, int, int]:
        """Shape (C, T, H, W) of the latents of one video; ``ValueError`` for a size that does not fit."""
        self.model.check_frames((1, 3, n_frames, height, width))
        return self.model.latent_shape(n_frames, height, width)

    def encode(self, videos: np.ndarray) -> tuple[Tensor, Tensor]:
        """Mean and log-variance, each float32 (B, C, T, H, W) on the CPU, of uint8 videos (B, T, H, W, 3)."""
        check_videos(videos)
        frames = torch.from_numpy(videos).to(self._device).permute(0, 4, 1, 2, 3)
        with torch.inference_mode():
            posterior = encode_tiled(self.model, frames.float() / 127.5 - 1.0, self.tiling)
        return posterior.mean.float().cpu(), posterior.logvar.float().cpu()

    def decode(self, latent: Tensor) -> np.ndarray:
        """Frames uint8 (T, H, W, 3) of one video's latents (C, T, H, W), which are not normalised."""
        with torch.inference_mode():
            video = decode_tiled(self.model, latent[None].to(self._device), self.tiling)[0]
            pixels = ((video.permute(1, 2, 3, 0).clamp(-1, 1) + 1) * 127.5).round()
        return pixels.to(torch.uint8).cpu().numpy()

    @property
    def _device(self) -> torch.device:
        return self.model.latent_mean.device


def open_vae(name: str = "embedded", *, device: str = "cpu") -> Vae:
    """The VAE that a recipe or an option names: as ``load`` takes it, or ``module:object``, called with nothing.

    Raises:
        ValueError: there is no such VAE.
    """
    if is_extension(name):
        vae: Vae = make_extension(name, "VAE")
        return vae
    return load(name, device=device)


def load(
    path: str | Path = "embedded", *, tiling: Tiling | None = None, device: str = "cpu"
) -> LoadedVae:
    """Load a VAE of ours to encode and decode with.

    Args:
        path: ``embedded``, a ``vae.safetensors``, or a folder that holds one.
        tiling: Size of the tiles that large frames are taken apart into. Default: 512 pixels.
        device: ``cpu``, ``cuda``, ``cuda:N``, or ``auto``: a GPU where there is one.

    Raises:
        ValueError: there is no VAE of ours at ``path``.
    """
    return LoadedVae(load_vae(path).to(pick_device(device)), tiling)


if TYPE_CHECKING:

    def _fits(vae: LoadedVae) -> Vae:
        return vae
