"""``filmstock pretrain-captioner``: rebuild the embedded captioner from the synthetic world, on one CPU core."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import tyro

from captioner.train.pretrain import TrainConfig
from jobs.core.args import parse_args
from jobs.core.console import say
from jobs.core.errors import EXIT_OK, user_errors
from jobs.core.keys import config_key
from jobs.train.checkpoints import going_on
from jobs.train.local_args import LocalArgs, open_untrained
from pipeline.groups import OUTPUT

STAGE = "pretrain-captioner"


@dataclass(frozen=True, kw_only=True)
class Args(LocalArgs):
    """Train the small captioner on rendered scenes and write a Hugging Face model folder to OUT/weights.

    The run ends at --steps or --minutes, whichever comes first. The same command goes on with a run that was stopped;
    Ctrl-C saves the step in hand. Copy OUT/weights over captioner/weights to ship it.
    """

    out: Annotated[Path, OUTPUT]
    """Folder of the run: weights/, state.pt, metrics.jsonl, and the pool of rendered scenes."""
    train: tyro.conf.OmitArgPrefixes[TrainConfig] = TrainConfig()
    """The training run."""


def run(args: Args) -> dict[str, Any]:
    """Train, evaluate on held-out scenes, export ``OUT/weights``; returns the figures."""
    from captioner.train.pretrain import STATE_NAME, read_state, train
    from pipeline.training.facts import read_facts

    config = args.train
    key = config_key(config, "pretrain-captioner 2")
    opened = open_untrained(args, STAGE, key, "weights", STATE_NAME)
    if opened is None:
        return {}
    stage, path = opened
    with user_errors():
        state = read_state(path, config, read_facts)
    if state is not None:
        say(going_on(STAGE, path, state["step"], config.steps))
    ends = [
        f"{n:g} {unit}" for n, unit in ((config.steps, "steps"), (config.minutes, "minutes")) if n
    ]
    say(f"pretrain-captioner: {' or '.join(ends)} on {config.pool} rendered scenes")
    stage.begin()
    import torch

    torch.set_num_threads(args.threads)
    figures = train(config, args.out, resume=True, note=_say_row)
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
    run(parse_args(Args, argv, STAGE))
    return EXIT_OK
