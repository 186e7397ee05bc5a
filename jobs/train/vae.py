"""``filmstock train-vae``: train the video VAE on shards; one process, or Ray Train with more workers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any

from jobs.core.args import parse_args
from jobs.core.console import Progress, say, warn
from jobs.core.errors import EXIT_OK, UserError, user_errors
from jobs.core.keys import config_key, files_key
from jobs.core.run import run_of
from jobs.core.stage import Stage
from jobs.core.uses import note_use
from jobs.train.checkpoints import check_out, going_on
from jobs.train.run_json import write_run
from jobs.train.seen import view_line
from jobs.train.vae_args import Args
from jobs.train.vae_results import EVALUATED, finish, sheet
from jobs.train.vae_start import check_start, load_start, own_start
from pipeline.autoencoder.names import is_foreign
from pipeline.shards.layout import manifest_of
from pipeline.store.paths import absolute, location
from pipeline.training.device import check_device, pick_device

if TYPE_CHECKING:
    from vae.foreign import AnyConfig

STAGE = "train-vae"


def main(argv: list[str]) -> int:
    """Command line of ``filmstock train-vae``."""
    run(parse_args(Args, argv, STAGE), command=argv)
    return EXIT_OK


def run(args: Args, *, command: Sequence[str] = ()) -> dict[str, Any]:
    """Train, measure, write ``vae.safetensors`` and ``CARD.md``; returns the figures of the card, {} when stopped.

    ``command`` are the words of the command line, for the card. Everything is checked before anything is written.
    """
    with user_errors():
        check_device(args.device)
    args = check_start(args)
    if args.train.batch % args.workers:
        raise UserError(
            f"--batch {args.train.batch} does not divide over --workers {args.workers}; give a multiple of it"
        )
    shards = shards_folder(args.shards)
    heldout = shards_folder(args.heldout) if args.heldout else None
    args = replace(args, shards=shards, heldout=heldout)
    manifests = [manifest_of(location(folder)) for folder in (shards, heldout) if folder]
    key = config_key(args.preset, args.init, asdict(args.train), files_key(manifests))
    stage = Stage(args.out, STAGE, key)
    if stage.info:
        say(f"train-vae: {args.out} holds this VAE already; nothing to do")
        return {}
    with user_errors():
        check_run(args)
        stage.begin()
        args.out.mkdir(parents=True, exist_ok=True)
        note_use(run_of(shards).path, STAGE, args.out)
        write_run(args.out, STAGE, replace(args, shards=absolute(shards)))
        if args.workers > 1:
            _train_on_ray(args)
        else:
            train_worker(args)
        step, figures = finish(args, command)
    if not figures:
        say(f"train-vae: stopped after step {step}; the same command goes on")
        return {}
    weights = figures["weights"]
    stage.finish({"outputs": [weights, "CARD.md"], **figures})
    say(
        f"train-vae: {args.out / weights}, PSNR {figures['psnr']:.2f} dB on {figures['heldout_clips']} "
        f"{args.measured_on} clips of {figures['heldout']}, PCA {figures['psnr_pca']:.2f} dB"
    )
    if (before := figures.get("psnr_before")) is not None and before > figures["psnr"]:
        warn(
            f"the decoder was better before ({before:.2f} dB): train longer, or at a lower --lr with --optimizer adamw"
        )
    return figures


def check_run(args: Args) -> None:
    """Raise ValueError where the data, the VAE to start from, or a checkpoint in OUT do not fit; writes nothing."""
    from pipeline.shards.read import open_manifest
    from pipeline.training.facts import read_facts
    from vae.files import STATE_NAME
    from vae.refusals import refuse_other

    path = check_out(args.out, STATE_NAME, resume=args.resume, stage=STAGE)
    clips = len(open_manifest(args.shards))
    say(
        f"train-vae: {clips} clips, {args.train.steps} steps of {args.train.batch}, "
        + (f"decoder of {args.init}" if is_foreign(args.init or "") else f"preset {args.preset}")
    )
    check_memory(args)
    model, start = _start_of(args)
    saved = read_facts(path) if path.is_file() else None
    if saved is not None:
        refuse_other(saved, model, args.train, path=path, started_from=start)
    # from here on torch is needed
    from vae.data import TrainData

    data = TrainData(args.shards, model, args.train)
    if saved is not None:
        data.seek(saved["data"])
        say(going_on(STAGE, path, saved["step"], args.train.steps))
    say(f"train-vae: {view_line(data.clips.manifest, data.view)}")
    if not args.heldout:
        warn(
            "nothing is held out: figures are of training clips; give --heldout SHARDS to measure on others"
        )


def _start_of(args: Args) -> tuple[AnyConfig, str]:
    """The shape that is trained, and the id of the VAE that it begins with; one of diffusers is loaded for it."""
    if not is_foreign(args.init or ""):
        return own_start(args)
    model, init = load_start(args)
    return model, init.id if init else ""


def check_memory(args: Args) -> None:
    """UserError for a batch whose frames alone are more than this machine's free memory."""
    from pipeline.store.machine import free_memory

    train, free = args.train, free_memory()
    if free is None or train.max_pixels is None:
        return
    needs = train.batch // args.workers * train.max_frames * train.max_pixels * 3 * 4
    if needs > free:
        raise UserError(
            f"--batch {train.batch} of {train.max_frames} frames of {train.max_pixels} pixels needs "
            f"{needs / 1e9:.0f} GB for its frames alone, and {free / 1e9:.0f} GB are free here; give less of one"
        )


def shards_folder(name: str) -> str:
    """``name`` or ``name/shards``, whichever holds a manifest."""
    from pipeline.shards.read import open_manifest

    with user_errors():
        return open_manifest(name).root


def train_worker(args: Args, *, rank: int = 0, world: int = 1) -> None:
    """The training loop of one process; rank 0 reports and writes."""
    import torch

    from vae.data import TrainData, sample_clips, train_view
    from vae.train import train

    torch.set_num_threads(args.threads)
    with Progress(STAGE, args.train.steps, "steps") as progress:
        progress.inside("reading clips", 0.0, draw=False)
        model, init = load_start(args)
        quarantine = args.out / f"quarantine-{rank}.jsonl"
        data = TrainData(
            args.shards,
            model,
            args.train,
            rank=rank,
            world=world,
            readers=args.readers,
            quarantine=quarantine,
        )
        view = train_view(model, args.train)
        clips = sample_clips(args.heldout or args.shards, view, EVALUATED) if rank == 0 else []

        def report(row: dict[str, Any]) -> None:
            note = (
                f"loss {row['loss']:.4f}, L1 {row['l1']:.4f}, KL {row['kl']:.2f}, "
                f"{row['clips_per_s']:.1f} clips/s"
            )
            progress.update(row["step"] - progress.done, note)

        def step_done(step: int) -> None:
            progress.inside("", 0.0, draw=False)
            progress.update(step - progress.done)

        train(
            model,
            args.train,
            data,
            args.out,
            init=init,
            resume=True,
            report=report,
            on_step=step_done,
            on_sheet=lambda state: sheet(args, state, clips),
            stop_at=args.stop_at,
            device=args.device,
        )


def _train_on_ray(args: Args) -> None:
    """The same loop on ``args.workers`` Ray Train workers; each finds its shards by absolute path."""
    from ray.train import RunConfig, ScalingConfig
    from ray.train.torch import TorchConfig, TorchTrainer

    from jobs.core.ray_runtime import start_ray, stop_ray

    start_ray(num_cpus=max(args.workers, 2), shared=args.out)
    gpu = pick_device(args.device).type == "cuda"
    args = replace(
        args,
        shards=absolute(args.shards),
        heldout=absolute(args.heldout) if args.heldout else None,
        out=args.out.resolve(),
    )
    try:
        TorchTrainer(
            _ray_worker,
            train_loop_config={"run": args},
            scaling_config=ScalingConfig(
                num_workers=args.workers,
                use_gpu=gpu,
                resources_per_worker={"CPU": 1, **({"GPU": 1} if gpu else {})},
            ),
            torch_config=TorchConfig(backend="nccl" if gpu else "gloo"),
            run_config=RunConfig(name="ray", storage_path=str(args.out)),
        ).fit()
    finally:
        stop_ray()


def _ray_worker(loop: dict[str, Any]) -> None:
    from ray import train as ray_train

    context = ray_train.get_context()
    train_worker(loop["run"], rank=context.get_world_rank(), world=context.get_world_size())
