"""What ``train-vae`` measures and writes: contact sheets while it trains, then weights, figures and the card."""

from __future__ import annotations

import math
import platform
import shlex
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vae.config import TrainConfig, VAEConfig

if TYPE_CHECKING:
    import numpy as np

    from vae.state import RunState

EVALUATED = 48
"""Most held-out clips that figures are measured on."""
FITTED = 400
"""Most training clips that latent statistics and PCA are fitted on."""


@dataclass(frozen=True, kw_only=True)
class VaeRun:
    """Everything a worker needs, in plain data."""

    shards: str
    out: Path
    preset: str
    train: TrainConfig
    init: str | None = None
    heldout: str | None = None
    workers: int = 1
    readers: int = 0
    threads: int = 1
    resume: bool = False
    stop_at: int | None = None
    command: list[str] = field(default_factory=list)
    """Words of the command line, for the card."""


def sheet(out: Path, state: RunState, clips: list[np.ndarray]) -> dict[str, Any]:
    """Held-out PSNR of the average, and its contact sheet."""
    from vae.evaluate import clip_psnrs, contact_sheet

    values = clip_psnrs(state.ema, clips[:16])
    contact_sheet(state.ema, clips[:6], out / "reconstructions.png")
    return {"heldout_psnr": sum(values) / len(values)}


def finish(config: VaeRun) -> tuple[int, dict[str, Any]]:
    """Statistics, weights, contact sheet and card from the finished ``state.pt``; ({} while unfinished)."""
    import torch

    from pipeline.training.state import write_atomic
    from vae.baseline_pca import fit_pca, pca_psnr
    from vae.card import card_text
    from vae.checkpoint import WEIGHTS_NAME, load_vae, save_vae
    from vae.data import TrainData, sample_clips
    from vae.evaluate import (
        clip_psnrs,
        contact_sheet,
        latent_statistics,
        noisy_psnr,
        set_statistics,
    )
    from vae.state import fresh_state, resume_run

    model = VAEConfig.preset(config.preset)
    state = fresh_state(model, config.train, load_vae(config.init) if config.init else None)
    resume_run(state, config.train, config.out)
    if state.step < config.train.steps:
        return state.step, {}
    data = TrainData(config.shards, model, config.train)
    fitted = sample_clips(config.shards, data.view, FITTED, seed=config.train.seed)
    clips = sample_clips(config.heldout or config.shards, data.view, EVALUATED)
    if not config.train.decoder_only:
        set_statistics(state.ema, fitted)
    weights = config.out / WEIGHTS_NAME
    save_vae(state.ema, weights, info={"command": config.command, "step": state.step})
    vae = load_vae(weights)  # figures are of the stored weights, not of those in memory
    values, images = clip_psnrs(vae, clips), clip_psnrs(vae, [clip[:1] for clip in clips])
    _, _, noise = latent_statistics(vae, fitted[:64])
    code = fit_pca(
        fitted, components=model.latent_channels, time=model.time_factor, space=model.space_factor
    )
    contact_sheet(vae, clips[:6], config.out / "reconstructions.png")
    figures = {
        "id": vae.id,
        "preset": config.preset,
        "compression": f"{model.time_factor}x{model.space_factor}x{model.space_factor}",
        "latent_channels": model.latent_channels,
        "parameters": sum(p.numel() for p in vae.parameters()),
        "file_bytes": weights.stat().st_size,
        "stored_as": "float16",
        "clips": len(data.clips.manifest),
        "shards": _label(config.shards),
        "manifest_hash": data.clips.manifest.hash,
        "heldout": _label(config.heldout) if config.heldout else "the training shards",
        "heldout_clips": len(clips),
        "init": config.init or "PCA of training clips",
        "trained": "decoder only" if config.train.decoder_only else "encoder and decoder",
        "command": shlex.join(
            ["filmstock", "train-vae", *(c for c in config.command if c != "--resume")]
        ),
        "seconds": state.seconds,
        "workers": config.workers,
        "hardware": f"{config.threads} thread(s) each, {platform.machine()}, torch {torch.__version__}",
        "steps": state.step,
        "batch": config.train.batch,
        "seed": config.train.seed,
        "skipped": state.skipped,
        "psnr": _mean(values),
        "psnr_min": min(values),
        "psnr_image": _mean(images),
        "psnr_pca": pca_psnr(code, clips),
        "pca_clips": len(fitted),
        "psnr_noise_01": noisy_psnr(vae, clips, 0.1),
        "psnr_noise_03": noisy_psnr(vae, clips, 0.3),
        "latent_mean": vae.latent_mean.tolist(),
        "latent_std": vae.latent_std.tolist(),
        "posterior_share": (noise / vae.latent_std).tolist(),
    }
    write_atomic(config.out / "CARD.md", card_text(figures).encode())
    return state.step, figures


def _mean(values: list[float]) -> float:
    return math.fsum(values) / len(values)


def _label(folder: str) -> str:
    """The last two parts of a path: enough to tell folders apart, nothing of the machine."""
    return "/".join(str(folder).rstrip("/").split("/")[-2:])
