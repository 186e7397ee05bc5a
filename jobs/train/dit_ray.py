"""``train-dit --workers N``: the same loop in N processes of Ray Train."""

from __future__ import annotations

import dataclasses
from typing import Any

from dit.parallel.context import data_place
from jobs.core.console import warn
from jobs.core.ray_runtime import start_ray
from jobs.train.dit_args import Args
from jobs.train.dit_setup import open_data, train_here
from jobs.train.waiting import why_stuck
from pipeline.store.paths import absolute
from pipeline.training.device import pick_device


def fit(args: Args) -> None:
    """Run ``args.workers`` training processes and wait for them."""
    from ray.train import FailureConfig, RunConfig, ScalingConfig
    from ray.train.torch import TorchConfig, TorchTrainer

    there = dataclasses.replace(args, latents=absolute(args.latents), out=args.out.resolve())
    start_ray(max(args.workers, 1), shared=there.out)
    cuda = pick_device(args.device).type == "cuda"
    trainer = TorchTrainer(
        _worker,
        train_loop_config={"args": there},
        scaling_config=ScalingConfig(num_workers=args.workers, use_gpu=cuda),
        torch_config=TorchConfig(backend="nccl" if cuda else "gloo"),
        run_config=RunConfig(
            name="ray",
            storage_path=str(there.out / ".ray"),
            failure_config=FailureConfig(max_failures=2),
        ),
    )
    try:
        trainer.fit()
    except Exception as error:
        if why := why_stuck(str(error)):
            warn(f"train-dit: {why}")
        raise


def _worker(config: dict[str, Any]) -> None:
    """One process: its slice of every global step; after a failure it goes on from the last checkpoint."""
    import torch
    from ray import train
    from ray.train.torch import get_device

    context = train.get_context()
    rank, world = context.get_world_rank(), context.get_world_size()
    args: Args = config["args"]
    if args.threads is None:
        torch.set_num_threads(max(1, torch.get_num_threads() // world))
    device = get_device() if args.device == "auto" else torch.device(args.device)
    place = data_place(args.train.context_parallel, rank, world)
    train_here(args, open_data(args, *place), leader=rank == 0, device=device)
