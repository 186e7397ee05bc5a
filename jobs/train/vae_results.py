"""What ``train-vae`` measures and writes: contact sheets while it trains, then weights, figures and the card."""

from __future__ import annotations

import math
import platform
import shlex
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from jobs.core.console import Progress, say
from jobs.train.vae_args import Args
from jobs.train.vae_start import load_foreign, load_start, save_foreign
from pipeline.autoencoder.names import is_foreign

if TYPE_CHECKING:
    import numpy as np

    from vae.data import TrainData
    from vae.foreign import AnyVAE
    from vae.state import RunState

EVALUATED = 48
"""Most held-out clips that figures are measured on."""
FITTED = 400
"""Most training clips that latent statistics and PCA are fitted on."""


def sheet(args: Args, state: RunState, clips: list[np.ndarray]) -> dict[str, Any]:
    """PSNR of the averaged weights, named after the clips that it is of, and its contact sheet."""
    from vae.evaluate import clip_psnrs, contact_sheet

    values = clip_psnrs(state.ema.model, clips[:16])
    contact_sheet(state.ema.model, clips[:6], args.out / "reconstructions.png")
    return {f"{args.measured_on.replace('-', '')}_psnr": sum(values) / len(values)}


def finish(args: Args, command: Sequence[str] = ()) -> tuple[int, dict[str, Any]]:
    """Statistics, weights, contact sheet and card from the finished ``state.pt``; ({} while unfinished)."""
    from vae.data import TrainData, sample_clips
    from vae.state import fresh_state, read_state, resume_run

    model, init = load_start(args)
    state = fresh_state(model, args.train, init, args.device)
    saved = read_state(args.out, model, args.train)
    if saved is not None:
        resume_run(state, saved)
    if state.step < args.train.steps:
        return state.step, {}
    data = TrainData(args.shards, model, args.train)
    fitted = sample_clips(args.shards, data.view, FITTED, seed=args.train.seed)
    clips = sample_clips(args.heldout or args.shards, data.view, EVALUATED)
    say(f"train-vae: measuring latents of {len(fitted)} clips, then PSNR and PCA on {len(clips)}")
    with Progress("train-vae: measuring", 5, "parts") as progress:
        return state.step, _measure(args, command, state, init, data, fitted, clips, progress)


def _measure(
    args: Args,
    command: Sequence[str],
    state: RunState,
    init: AnyVAE | None,
    data: TrainData,
    fitted: list[np.ndarray],
    clips: list[np.ndarray],
    progress: Progress,
) -> dict[str, Any]:
    """Write the weights, measure them, write sheet and card; the figures of the card."""
    import torch

    from pipeline.store.atomic import write_bytes
    from vae.baseline_pca import fit_pca, pca_psnr
    from vae.card import card_text
    from vae.checkpoint import load_vae, save_vae
    from vae.evaluate import (
        clip_psnrs,
        contact_sheet,
        latent_statistics,
        noisy_psnr,
        set_statistics,
    )
    from vae.files import WEIGHTS_NAME

    model = state.vae.config
    if not args.train.decoder_only:
        set_statistics(state.ema.model, fitted)
    progress.update(1, "PSNR")
    vae: AnyVAE  # figures are of the stored weights, not of those in memory
    before: dict[str, float] = {}
    if is_foreign(args.init or ""):
        weights = save_foreign(state.ema.model.model, args.out)
        vae = load_foreign(f"diffusers:{args.out}").to(state.device)
        if init is None or vae.id != init.id:
            raise ValueError(f"the latents of {weights} are not those of {args.init}")
        first = load_foreign(str(args.init)).to(state.device)
        before = {"psnr_before": _mean(clip_psnrs(first, clips))}
    else:
        weights = args.out / WEIGHTS_NAME
        save_vae(state.ema.model, weights, info={"command": list(command), "step": state.step})
        vae = load_vae(weights)
    values, images = clip_psnrs(vae, clips), clip_psnrs(vae, [clip[:1] for clip in clips])
    progress.update(1, "spread of the latents")
    _, _, noise = latent_statistics(vae, fitted[:64])
    progress.update(1, "PCA")
    code = fit_pca(
        fitted, components=model.latent_channels, time=model.time_factor, space=model.space_factor
    )
    pca = pca_psnr(code, clips)
    progress.update(1, "PSNR with noise")
    contact_sheet(vae, clips[:6], args.out / "reconstructions.png")
    figures = {
        "id": vae.id,
        "preset": getattr(model, "name", args.preset),
        "weights": str(weights.relative_to(args.out)),
        **before,
        "compression": f"{model.time_factor}x{model.space_factor}x{model.space_factor}",
        "latent_channels": model.latent_channels,
        "parameters": sum(p.numel() for p in vae.parameters()),
        "file_bytes": weights.stat().st_size,
        "stored_as": "float32" if before else "float16",
        "clips": len(data.clips.manifest),
        "shards": _label(args.shards),
        "manifest_hash": data.clips.manifest.hash,
        "heldout": _label(args.heldout) if args.heldout else "the training shards",
        "heldout_clips": len(clips),
        "measured_on": args.measured_on,
        "init": args.init or "PCA of training clips",
        "trained": "decoder only" if args.train.decoder_only else "encoder and decoder",
        "command": shlex.join(["filmstock", "train-vae", *(c for c in command if c != "--resume")]),
        "seconds": state.seconds,
        "workers": args.workers,
        "hardware": f"{args.threads} thread(s) each, {platform.machine()}, torch {torch.__version__}",
        "steps": state.step,
        "batch": args.train.batch,
        "seed": args.train.seed,
        "skipped": state.skipped,
        "psnr": _mean(values),
        "psnr_min": min(values),
        "psnr_image": _mean(images),
        "psnr_pca": pca,
        "pca_clips": len(fitted),
        "psnr_noise_01": noisy_psnr(vae, clips, 0.1),
        "psnr_noise_03": noisy_psnr(vae, clips, 0.3),
        "latent_mean": vae.latent_mean.tolist(),
        "latent_std": vae.latent_std.tolist(),
        "posterior_share": (noise / vae.latent_std).tolist(),
    }
    write_bytes(args.out / "CARD.md", card_text(figures).encode())
    progress.update(1)
    return figures


def _mean(values: list[float]) -> float:
    return math.fsum(values) / len(values)


def _label(folder: str) -> str:
    """The last two parts of a path: enough to tell folders apart, nothing of the machine."""
    return "/".join(str(folder).rstrip("/").split("/")[-2:])
