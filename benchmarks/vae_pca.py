"""The VAE against PCA at equal latent size, on held-out scenes of the synthetic world.

    python benchmarks/vae_pca.py --vae embedded --clips 64

Renders its own clips (no MP4 in between), fits PCA on training scenes, and prints PSNR in dB: mean and worst clip,
and of the first frames alone. 1x8x8 patches of first frames and 4x8x8 patches of later groups of frames get as
many components as the VAE has latent channels.
"""

from __future__ import annotations

import argparse

import numpy as np

from pipeline.world.render import render
from pipeline.world.scene import random_scene
from vae.baseline_pca import fit_pca, pca_psnr
from vae.checkpoint import load_vae
from vae.evaluate import clip_psnrs, noisy_psnr


def clips(n: int, split: str, seed: int, *, frames: int = 17) -> list[np.ndarray]:
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


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--vae", default="embedded")
    parser.add_argument("--clips", type=int, default=64)
    parser.add_argument("--fit", type=int, default=300)
    args = parser.parse_args()
    vae = load_vae(args.vae)
    config = vae.config
    heldout = clips(args.clips, "heldout", 500_000)
    train = clips(args.fit, "train", 500_000)
    kind = {
        "components": config.latent_channels,
        "time": config.time_factor,
        "space": config.space_factor,
    }
    code, oracle = fit_pca(train, **kind), fit_pca(heldout, **kind)
    values = clip_psnrs(vae, heldout)
    first = clip_psnrs(vae, [clip[:1] for clip in heldout])
    print(f"{len(heldout)} held-out clips, {config.latent_channels} numbers per latent cell")
    print(
        f"VAE {vae.id}: {np.mean(values):.2f} dB, worst {min(values):.2f}, images {np.mean(first):.2f}"
    )
    print(f"PCA on {len(train)} training clips: {pca_psnr(code, heldout):.2f} dB")
    print(f"PCA on the held-out clips themselves: {pca_psnr(oracle, heldout):.2f} dB")
    for sigma in (0.1, 0.2, 0.4):
        print(
            f"VAE with latent noise of {sigma} deviations: {noisy_psnr(vae, heldout, sigma):.2f} dB"
        )


if __name__ == "__main__":
    main()
