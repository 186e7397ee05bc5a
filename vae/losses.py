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
from vae.model import kl_divergence


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


def pyramid_l1(error: Tensor, levels: int) -> Tensor:
    """Mean absolute Laplacian pyramid of ``error`` = x - y (B,3,T,H,W), summed over its bands.

    The pyramid is linear, so that of the difference is the difference of the two pyramids.
    """
    bands = laplacian_pyramid(error.transpose(1, 2).flatten(0, 1), levels)
    return torch.stack([band.abs().mean() for band in bands]).sum()


MOTION_FRAMES = 3
"""Frames to either side within which a pixel that changes counts as moving: all that share a latent of four frames."""


def motion_weight(x: Tensor, strength: float) -> Tensor:
    """Weight of each pixel (B,1,T,H,W), from 1 where nothing changes to 1 + ``strength`` where black meets white.

    x is (B,3,T,H,W) in [-1,1]. What counts is the range of the pixel's values over ``MOTION_FRAMES`` frames before and
    after, so the ghost that an object leaves where it was is weighed like the object.
    """
    most = F.max_pool3d(x, (2 * MOTION_FRAMES + 1, 1, 1), 1, (MOTION_FRAMES, 0, 0))
    least = -F.max_pool3d(-x, (2 * MOTION_FRAMES + 1, 1, 1), 1, (MOTION_FRAMES, 0, 0))
    return 1 + strength * 0.5 * (most - least).amax(1, keepdim=True)


def vae_loss(
    x: Tensor, recon: Tensor, mean: Tensor, logvar: Tensor, config: LossConfig
) -> tuple[Tensor, dict[str, Tensor]]:
    """Total loss and its parts (detached, unweighted)."""
    x, recon = x.float(), recon.float()
    error = x - recon
    weight = motion_weight(x, config.motion) if config.motion else 1
    parts = {"l1": (weight * error.abs()).mean(), "kl": kl_divergence(mean, logvar)}
    total = parts["l1"] + config.kl * parts["kl"]
    if config.pyramid:
        parts["pyramid"] = pyramid_l1(error, config.pyramid_levels)
        total = total + config.pyramid * parts["pyramid"]
    if config.mse:
        parts["mse"] = (weight * error.square()).mean()
        total = total + config.mse * parts["mse"]
    return total, {key: value.detach() for key, value in parts.items()}


def psnr(x: Tensor, y: Tensor) -> Tensor:
    """Peak signal-to-noise ratio in dB per clip: frames (B,3,T,H,W) in [-1,1], clamped."""
    error = (x.clamp(-1, 1) - y.clamp(-1, 1)).float().square().flatten(1).mean(1)
    return 10 * torch.log10(4.0 / error.clamp_min(1e-12))
