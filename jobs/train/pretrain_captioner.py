"""``filmstock pretrain-captioner``: rebuild the embedded captioner from the synthetic world, on one CPU core."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jobs.core.args import parse_args
from jobs.core.console import say
from jobs.core.errors import EXIT_OK, UserError
from jobs.core.keys import config_key
from jobs.core.stage import Stage

STAGE = "pretrain-captioner"


@dataclass(frozen=True, kw_only=True)
class PretrainCaptionerArgs:
    """Train the small captioner on rendered scenes and write a Hugging Face model folder to OUT/weights.

    The run ends at --steps or --minutes, whichever comes first. Copy OUT/weights over captioner/weights to ship it.
    """

    out: Path
    """Folder of the run: weights/, state.pt, metrics.jsonl, and the pool of rendered scenes."""
    minutes: float | None = 60.0
    """Processor time to spend, minutes of one core; time of a resumed run is added up. None: no limit."""
    steps: int | None = None
    """Optimiser steps; with --minutes None a run is reproducible to the bit on one machine."""
    pool: int = 8000
    """Scenes rendered to train on."""
    seed: int = 0
    """Of weights, order and augmentation."""
    threads: int = 1
    """CPU threads for the arithmetic."""
    resume: bool = False
    """Go on from OUT/state.pt; a larger --minutes prolongs the last phases."""


def run(args: PretrainCaptionerArgs) -> dict[str, Any]:
    """Train, evaluate on held-out scenes, export ``OUT/weights``; returns the figures."""
    import torch

    from captioner.train.pretrain import TrainConfig, train

    if args.minutes is None and args.steps is None:
        raise UserError("training needs a limit; give --minutes, --steps or both")
    config = TrainConfig(minutes=args.minutes, steps=args.steps, pool=args.pool, seed=args.seed)
    key = config_key(config, "pretrain-captioner 1")
    stage = Stage(args.out, STAGE, key)
    if stage.info:
        say(f"{args.out / 'weights'} is trained already; nothing to do")
        return {}
    if (args.out / "state.pt").exists() and not args.resume:
        raise UserError(
            f"{args.out / 'state.pt'} is from another run; add --resume to go on with it, or give another --out"
        )
    torch.set_num_threads(args.threads)
    figures = train(config, args.out, resume=args.resume, note=_say_row)
    stage.log(figures)
    stage.finish({"outputs": ["weights"], **figures})
    say(
        f"pretrain-captioner: {figures['steps']} steps in {figures['elapsed_s'] / 60:.1f} processor minutes, "
        f"held-out attribute F1 {figures['f1']:.3f}; model in {args.out / 'weights'}"
    )
    return figures


def _say_row(row: dict[str, Any]) -> None:
    head = f"{100 * row.pop('progress'):.0f}% step {row.pop('step')} {row.pop('phase', 'held-out')}"
    row.pop("elapsed_s", None)
    say(f"{head}: " + ", ".join(f"{name} {value:.3f}" for name, value in row.items()))


def main(argv: list[str]) -> int:
    """Parse the command line and run."""
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    run(parse_args(PretrainCaptionerArgs, argv, STAGE))
    return EXIT_OK
