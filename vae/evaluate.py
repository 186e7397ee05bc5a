"""How good a VAE is on held-out clips: PSNR, latent statistics, a contact sheet of reconstructions."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from pipeline.store.atomic import write_bytes
from pipeline.video.sheets import enlarged, picks, png_bytes, side_by_side, stacked
from vae.data import to_frames
from vae.foreign import AnyVAE
from vae.losses import psnr


@torch.no_grad()
def reconstruct(vae: AnyVAE, clip: np.ndarray) -> Tensor:
    """uint8 (T,H,W,3) through the posterior mean and back: (1,3,T,H,W) in [-1,1]."""
    return vae.decode(vae.encode(on_device(vae, clip)).mean).clamp(-1, 1)


def on_device(vae: AnyVAE, clip: np.ndarray) -> Tensor:
    """uint8 (T,H,W,3) as (1,3,T,H,W) in [-1,1] where the VAE is."""
    return to_frames(clip[None]).to(vae.latent_mean.device)


def clip_psnrs(vae: AnyVAE, clips: Iterable[np.ndarray]) -> list[float]:
    """PSNR in dB of each uint8 clip (T,H,W,3) after the posterior mean and back."""
    return [float(psnr(on_device(vae, clip), reconstruct(vae, clip))) for clip in clips]


@torch.no_grad()
def noisy_psnr(vae: AnyVAE, clips: Iterable[np.ndarray], sigma: float, seed: int = 0) -> float:
    """Mean PSNR in dB when Gaussian noise of ``sigma`` channel deviations is added to the latents.

    What a generator's small errors in latent space cost in pixels: the flatter, the easier to model.
    """
    generator, values = torch.Generator().manual_seed(seed), []
    for clip in clips:
        x = on_device(vae, clip)
        z = vae.normalise(vae.encode(x).mean)
        z = z + sigma * torch.randn(z.shape, generator=generator).to(z)
        values.append(float(psnr(x, vae.decode(vae.denormalise(z)))))
    return float(np.mean(values))


@torch.no_grad()
def latent_statistics(vae: AnyVAE, clips: Iterable[np.ndarray]) -> tuple[Tensor, Tensor, Tensor]:
    """Per channel over all clips: mean, deviation, and mean posterior deviation of the latents, (C,)."""
    sums = torch.zeros(3, vae.config.latent_channels, dtype=torch.float64)
    count = 0
    for clip in clips:
        posterior = vae.encode(on_device(vae, clip))
        z = posterior.mean.double().transpose(0, 1).flatten(1)
        count += z.shape[1]
        deviation = (0.5 * posterior.logvar.double()).exp().transpose(0, 1).flatten(1)
        sums += torch.stack([z.sum(1), z.square().sum(1), deviation.sum(1)]).cpu()
    if not count:
        raise ValueError("latent statistics need at least one clip")
    mean, square, noise = sums / count
    std = (square - mean.square()).clamp_min(1e-12).sqrt()
    return mean.float(), std.float(), noise.float()


def set_statistics(vae: AnyVAE, clips: Iterable[np.ndarray]) -> None:
    """Store the latent mean and deviation of ``clips`` in the VAE, for ``normalise``."""
    mean, std, _ = latent_statistics(vae, clips)
    vae.latent_mean.copy_(mean)
    vae.latent_std.copy_(std)


def contact_sheet(vae: AnyVAE, clips: list[np.ndarray], path: Path, scale: int = 2) -> None:
    """PNG with two rows per clip: five frames as they are, and reconstructed below."""
    rows = []
    for clip in clips:
        recon = reconstruct(vae, clip)[0].permute(1, 2, 3, 0)
        recon = ((recon + 1) * 127.5).round().to(torch.uint8).cpu().numpy()
        rows += [side_by_side(video[picks(len(clip), 5)]) for video in (clip, recon)]
    write_bytes(path, png_bytes(enlarged(stacked(rows, gap=2, fill=0), scale)))
