"""The card that lies beside trained weights: what they are, from what, and how good."""

from __future__ import annotations

from typing import Any


def card_text(figures: dict[str, Any]) -> str:
    """``CARD.md`` from the figures that ``train-vae`` collects; every number is measured by it."""
    f = figures
    before = (
        [f"| the same, before training | {f['psnr_before']:.2f} dB |"] if "psnr_before" in f else []
    )
    what = "preset " if "psnr_before" not in f else "decoder of "
    size = f"{f['parameters'] / 1e6:.2f} M parameters, {f['file_bytes'] / 1e6:.2f} MB ({f['stored_as']})"
    lines = [
        "# Video VAE",
        "",
        f"Causal video VAE, {what}`{f['preset']}`: {f['compression']} (time x height x width), "
        f"{f['latent_channels']} latent channels; {size}. Id of its latent space `{f['id']}`.",
        "",
        "| | |",
        "|---|---|",
        f"| data | {f['clips']} clips of `{f['shards']}` (manifest {f['manifest_hash'][:12]}) |",
        f"| measured on | {f['heldout_clips']} {f['measured_on']} clips of `{f['heldout']}` |",
        f"| command | `{f['command']}` |",
        f"| trained | {f['trained']}, starting from {f['init']} |",
        f"| wall time | {f['seconds'] / 60:.1f} min, {f['workers']} process(es), {f['hardware']} |",
        f"| steps, batch, seed | {f['steps']}, {f['batch']}, {f['seed']} ({f['skipped']} steps skipped) |",
        f"| PSNR of {f['measured_on']} clips | **{f['psnr']:.2f} dB** (mean of clips; worst {f['psnr_min']:.2f}) |",
        *before,
        f"| first frames only | {f['psnr_image']:.2f} dB |",
        f"| PCA at the same latent size | {f['psnr_pca']:.2f} dB, fitted on {f['pca_clips']} training clips |",
        f"| PSNR with latent noise of 0.1 / 0.3 deviations | {f['psnr_noise_01']:.2f} / {f['psnr_noise_03']:.2f} dB |",
        f"| latent mean | {_row(f['latent_mean'])} |",
        f"| latent deviation | {_row(f['latent_std'])} |",
        f"| posterior deviation / latent deviation | {_row(f['posterior_share'])} |",
        "",
        "PSNR is of the posterior mean decoded, over all frames and colours of a clip, on the frames as",
        "the shard's MP4 decodes to them. PCA has one linear code for first frames and one for later",
        f"groups of frames, {f['latent_channels']} components per patch each (`vae/baseline_pca.py`).",
        "Footage unlike the training clips is outside this model's domain.",
        "",
    ]
    return "\n".join(lines)


def _row(values: list[float]) -> str:
    return ", ".join(f"{value:.3f}" for value in values)
