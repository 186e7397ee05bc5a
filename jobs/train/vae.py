"""``filmstock train-vae``: train the video VAE on shards; one process, or Ray Train with more workers."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import tyro

from jobs.core.args import Data, parse_args
from jobs.core.console import Progress, say
from jobs.core.errors import EXIT_OK, UserError
from jobs.core.run import config_key, files_key, mark_done, stage_is_done
from jobs.train.run_json import write_run
from jobs.train.vae_results import EVALUATED, VaeRun, finish, sheet
from pipeline.store.paths import absolute, location
from vae.config import PRESETS, LossConfig, TrainConfig, VAEConfig

STAGE = "train-vae"


@dataclass(frozen=True, kw_only=True)
class TrainVaeArgs:
    """Train the causal video VAE on video shards; writes vae.safetensors, CARD.md and a contact sheet to OUT."""

    shards: tyro.conf.Positional[Data]
    """Folder of video shards, or a run folder that holds shards/."""
    out: Path
    """Folder for the run."""
    preset: str = "tiny"
    """tiny, 4x8x8 or 4x16x16 (time x height x width compression)."""
    init: str | None = None
    """VAE to start from: embedded, a vae.safetensors or the folder of one."""
    decoder_only: bool = False
    """Train only the decoder; encoder, latent statistics and so the VAE's id stay those of --init."""
    heldout: Data | None = None
    """Shards to measure on; without them the figures are of training clips, and the card says so."""
    steps: int = 2400
    """Optimiser steps of the whole run."""
    batch: int = 8
    """Clips per step, over all workers."""
    lr: float = 5e-3
    """Peak learning rate."""
    seed: int = 0
    """Of weights, order and noise."""
    max_frames: int = 17
    """Longest clip in frames; longer ones are cut."""
    max_pixels: int = 256 * 256
    """Area that larger frames are scaled down to."""
    image_share: float = 0.1
    """Share of steps that train on single frames."""
    latent_noise: float = 0.3
    """Most extra noise on latents while training; half of the clips get none."""
    kl: float = 1e-3
    """Weight of the KL term."""
    pyramid: float = 0.5
    """Weight of the perceptual term, an L1 of Laplacian pyramids."""
    mse: float = 3.0
    """Weight of the squared error."""
    gan: float = 0.0
    """Weight of an adversarial term (0.1 is mild), for sharper detail; 0 is none."""
    gan_start: float = 0.5
    """Share of the run before the discriminator joins."""
    save_every: int = 100
    """Steps between checkpoints."""
    sheet_every: int = 400
    """Steps between held-out figures and contact sheets."""
    workers: int = 1
    """Processes; more than one runs under Ray Train (DistributedDataParallel over gloo or NCCL)."""
    readers: int = 0
    """Processes per worker that decode clips ahead of it; they change nothing but the time."""
    threads: int = 1
    """CPU threads per process."""
    stop_at: int | None = None
    """Stop after this step, with a checkpoint, as if interrupted."""
    resume: bool = False
    """Go on from OUT's last checkpoint."""


def main(argv: list[str]) -> int:
    """Command line of ``filmstock train-vae``."""
    args = parse_args(TrainVaeArgs, argv, "train-vae")
    if args.preset not in PRESETS:
        raise UserError(f"no VAE preset {args.preset!r}; choose one of {', '.join(PRESETS)}")
    if args.decoder_only and not args.init:
        raise UserError("--decoder-only needs a VAE to start from; add --init embedded, or a path")
    loss = LossConfig(kl=args.kl, pyramid=args.pyramid, mse=args.mse, gan=args.gan)
    own = {k: v for k, v in vars(args).items() if k in TrainConfig.__dataclass_fields__}
    config = VaeRun(
        shards=args.shards,
        out=args.out,
        preset=args.preset,
        init=args.init,
        train=TrainConfig(**own, warmup=min(100, args.steps // 10), loss=loss),
        heldout=args.heldout,
        workers=args.workers,
        readers=args.readers,
        threads=args.threads,
        resume=args.resume,
        stop_at=args.stop_at,
        command=argv,
    )
    run(config)
    return EXIT_OK


def run(config: VaeRun) -> dict[str, Any]:
    """Train, measure, write ``vae.safetensors`` and ``CARD.md``; returns the figures of the card."""
    from vae.checkpoint import STATE_NAME

    shards = shards_folder(config.shards)
    heldout = shards_folder(config.heldout) if config.heldout else None
    config = replace(config, shards=shards, heldout=heldout)
    manifests = [f"{folder}/manifest.parquet" for folder in (shards, heldout) if folder]
    key = config_key(config.preset, config.init, asdict(config.train), files_key(manifests))
    if stage_is_done(config.out, STAGE, key):
        say(f"train-vae: {config.out} holds this VAE already; nothing to do")
        return {}
    if (config.out / STATE_NAME).is_file() and not config.resume:
        raise UserError(
            f"{config.out / STATE_NAME} is of an unfinished run; add --resume, or use another --out"
        )
    if config.train.batch % config.workers:
        raise UserError(
            f"--batch {config.train.batch} does not divide over --workers {config.workers}"
        )
    config.out.mkdir(parents=True, exist_ok=True)
    write_run(config.out, STAGE, replace(config, shards=absolute(shards)))
    try:
        if config.workers > 1:
            _train_on_ray(config)
        else:
            train_worker(config)
        step, figures = finish(config)
    except ValueError as error:
        raise UserError(str(error)) from error
    if not figures:
        say(f"train-vae: stopped after step {step}; go on with --resume")
        return {}
    mark_done(config.out, STAGE, key, {"outputs": ["vae.safetensors", "CARD.md"], **figures})
    say(
        f"train-vae: {config.out / 'vae.safetensors'}, PSNR {figures['psnr']:.2f} dB on "
        f"{figures['heldout']}, PCA {figures['psnr_pca']:.2f} dB"
    )
    return figures


def shards_folder(name: str) -> str:
    """``name`` or ``name/shards``, whichever holds a manifest."""
    from pipeline.shards.layout import MANIFEST_NAME

    path = location(name)
    for folder in (path, path / "shards"):
        if (folder / MANIFEST_NAME).is_file():
            return str(folder)
    raise UserError(
        f"{name} holds no {MANIFEST_NAME}; give shards of `filmstock pack` or `filmstock world`"
    )


def train_worker(config: VaeRun, *, rank: int = 0, world: int = 1) -> None:
    """The training loop of one process; rank 0 reports and writes."""
    import torch

    from vae.checkpoint import load_vae
    from vae.data import TrainData, sample_clips, train_view
    from vae.train import train

    torch.set_num_threads(config.threads)
    model = VAEConfig.preset(config.preset)
    quarantine = config.out / f"quarantine-{rank}.jsonl"
    data = TrainData(
        config.shards,
        model,
        config.train,
        rank=rank,
        world=world,
        readers=config.readers,
        quarantine=quarantine,
    )
    view = train_view(model, config.train)
    clips = sample_clips(config.heldout or config.shards, view, EVALUATED) if rank == 0 else []
    init = load_vae(config.init) if config.init else None
    with Progress(STAGE, config.train.steps, "steps") as progress:

        def report(row: dict[str, Any]) -> None:
            note = (
                f"loss {row['loss']:.4f}, L1 {row['l1']:.4f}, KL {row['kl']:.2f}, "
                f"{row['clips_per_s']:.1f} clips/s"
            )
            progress.update(row["step"] - progress.done, note)

        train(
            model,
            config.train,
            data,
            config.out,
            init=init,
            resume=config.resume,
            report=report,
            on_sheet=lambda state: sheet(config.out, state, clips),
            stop_at=config.stop_at,
        )


def _train_on_ray(config: VaeRun) -> None:
    """The same loop on ``config.workers`` Ray Train workers; each finds its shards by absolute path."""
    from ray.train import RunConfig, ScalingConfig
    from ray.train.torch import TorchConfig, TorchTrainer

    from jobs.core.ray_runtime import start_ray, stop_ray

    start_ray(num_cpus=max(config.workers, 2))
    import torch

    gpu = torch.cuda.is_available()
    config = replace(
        config,
        shards=absolute(config.shards),
        heldout=absolute(config.heldout) if config.heldout else None,
        out=config.out.resolve(),
    )
    try:
        TorchTrainer(
            _ray_worker,
            train_loop_config={"run": config},
            scaling_config=ScalingConfig(
                num_workers=config.workers,
                use_gpu=gpu,
                resources_per_worker={"CPU": 1, **({"GPU": 1} if gpu else {})},
            ),
            torch_config=TorchConfig(backend="nccl" if gpu else "gloo"),
            run_config=RunConfig(name="ray", storage_path=str(config.out)),
        ).fit()
    finally:
        stop_ray()


def _ray_worker(loop: dict[str, Any]) -> None:
    from ray import train as ray_train

    context = ray_train.get_context()
    train_worker(loop["run"], rank=context.get_world_rank(), world=context.get_world_size())
