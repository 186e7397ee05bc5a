"""Losses of the VAE: L1, a perceptual pyramid term that needs no downloaded network, and KL.

The perceptual term is an L1 between Laplacian pyramids: each level holds what a 2x coarser copy of
the frame does not explain, so edges and texture at several scales count as much as flat areas do.
It stands where published systems put LPIPS; it weighs structure over exact colour but knows nothing of
semantics.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from vae.config import LossConfig
from vae.model import Posterior


def laplacian_pyramid(frames: Tensor, levels: int) -> list[Tensor]:
    """Band-pass images of (N,C,H,W): ``levels`` bands, each half the size of the one before."""
    bands = []
    for _ in range(levels):
        if min(frames.shape[-2:]) < 2:
            break
        small = F.avg_pool2d(frames, 2, ceil_mode=True)
        back = F.interpolate(small, scale_factor=2, mode="nearest")
        bands.append(frames - back[..., : frames.shape[-2], : frames.shape[-1]])
        frames = small
    return bands


def pyramid_l1(x: Tensor, y: Tensor, levels: int) -> Tensor:
    """Mean absolute difference of the Laplacian pyramids of two videos (B,3,T,H,W)."""
    error = (x - y).transpose(1, 2).flatten(0, 1)
    bands = laplacian_pyramid(error, levels)  # the pyramid is linear: its error is that of the error
    return torch.stack([band.abs().mean() for band in bands]).sum()


def vae_loss(
    x: Tensor, recon: Tensor, posterior: Posterior, config: LossConfig
) -> tuple[Tensor, dict[str, Tensor]]:
    """Total loss and its parts (detached, unweighted)."""
    x, recon = x.float(), recon.float()
    parts = {"l1": (x - recon).abs().mean(), "kl": posterior.kl()}
    total = parts["l1"] + config.kl * parts["kl"]
    if config.pyramid:
        parts["pyramid"] = pyramid_l1(x, recon, config.pyramid_levels)
        total = total + config.pyramid * parts["pyramid"]
    parts["mse"] = (x - recon).square().mean()
    if config.mse:
        total = total + config.mse * parts["mse"]
    return total, {key: value.detach() for key, value in parts.items()}


def psnr(x: Tensor, y: Tensor) -> Tensor:
    """Peak signal-to-noise ratio in dB per clip: frames (B,3,T,H,W) in [-1,1], clamped."""
    error = (x.clamp(-1, 1) - y.clamp(-1, 1)).float().square().flatten(1).mean(1)
    return 10 * torch.log10(4.0 / error.clamp_min(1e-12))
