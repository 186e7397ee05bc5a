"""``filmstock train-clip``: rebuild the embedded CLIP from the synthetic world, on one CPU core, in minutes."""

from __future__ import annotations

import dataclasses
import os
import shutil
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import tyro

from jobs.core.args import parse_args
from jobs.core.console import Progress, say
from jobs.core.errors import EXIT_OK, user_errors
from jobs.core.keys import config_key
from jobs.core.stage import log_metrics
from jobs.train.checkpoints import going_on
from jobs.train.local_args import LocalArgs, open_untrained
from pipeline.groups import OUTPUT
from pipeline.openclip.train import ClipTrainConfig

STAGE = "train-clip"
STATE_NAME = "state.pt"
MAY_CHANGE = {"checkpoint_every", "log_every"}
"""Settings that may differ between a checkpoint and the run that goes on from it."""


@dataclass(frozen=True, kw_only=True)
class Args(LocalArgs):
    """Train the small CLIP on rendered scenes and write an open_clip folder to OUT/model.

    The run ends at --steps or --minutes, whichever comes first; the learning rate is at zero by then. The same command
    goes on with a run that was stopped; Ctrl-C saves the step in hand.
    """

    out: Annotated[Path, OUTPUT]
    """Folder for the run: model/, state.pt, metrics.jsonl."""
    train: tyro.conf.OmitArgPrefixes[ClipTrainConfig] = ClipTrainConfig()
    """The training run."""


def run(args: Args) -> dict[str, Any]:
    """Train, evaluate on held-out scenes, write ``OUT/model``; returns the figures."""
    from pipeline.openclip.data import build_pool, tokenizer_corpus
    from pipeline.openclip.tokenizer import train_bpe
    from pipeline.openclip.train import Trainer, save_model
    from pipeline.training.state import keep_metrics, load_state

    config = args.train
    opened = open_untrained(args, STAGE, config_key(config, "train-clip 2"), "model", STATE_NAME)
    if opened is None:
        return {}
    stage, path = opened
    with user_errors():
        state = read_state(path, config)
    limit = f" or {config.minutes:g} minutes" if config.minutes else ""
    say(
        f"train-clip: {config.steps} steps{limit} of {config.batch} clips from {config.scenes} scenes"
    )
    stage.begin()
    args.out.mkdir(parents=True, exist_ok=True)
    import torch

    torch.set_num_threads(args.threads)

    with Progress("render", total=config.scenes, unit="scenes") as bar:
        pool = build_pool(config.scenes, seed=config.seed, note=lambda _: bar.update(1))
    tokenizer = train_bpe(tokenizer_corpus(pool))
    trainer = Trainer(config, pool, tokenizer)
    step, spent = 0, 0.0
    if state is not None:
        trainer.load(load_state(path))
        step, spent = int(state["step"]), float(state["elapsed_s"])
        say(f"{going_on(STAGE, path, step, config.steps)}, {spent / 60:.1f} minutes in")
    keep_metrics(args.out, step)
    step, spent = _train(args, trainer, path, step, spent)

    temporary = args.out / f".model.{os.getpid()}.tmp"
    shutil.rmtree(temporary, ignore_errors=True)
    save_model(temporary, trainer.model, config, tokenizer)
    shutil.rmtree(args.out / "model", ignore_errors=True)
    temporary.replace(args.out / "model")
    figures = _evaluate(args.out / "model") | {"steps": step, "minutes": round(spent / 60, 2)}
    stage.log(figures)
    stage.finish({"outputs": ["model"], **figures})
    for name, value in figures.items():
        say(f"{name:<16} {value}")
    say(f"use it as --clip-model {args.out / 'model'}, or copy the folder to pipeline/weights/clip")
    return figures


def read_state(path: Path, config: ClipTrainConfig) -> dict[str, Any] | None:
    """Plain values of the checkpoint at ``path``, None where there is none; ValueError when it is of other settings."""
    from pipeline.training.facts import read_facts
    from pipeline.training.resume import read_own, refuse_other_settings

    state = read_own(path, STAGE, read_facts)
    if state is not None:
        trained, wanted = state["train_config"], dataclasses.asdict(config)
        refuse_other_settings(trained, wanted, path=path, may_change=MAY_CHANGE)
    return state


def _train(args: Args, trainer: Any, path: Path, step: int, spent: float) -> tuple[int, float]:
    from pipeline.training.interrupt import Interrupts

    config = args.train
    limit = config.minutes * 60 if config.minutes else float("inf")
    last = time.monotonic()
    # no estimate from steps: the minutes may end it first
    with Progress("train", unit="steps") as bar, Interrupts() as stop:
        bar.done = step
        while step < config.steps and spent < limit:
            losses = trainer.step(step, max(step / config.steps, spent / limit))
            step += 1
            now = time.monotonic()
            spent, last = spent + now - last, now
            note = ", ".join(f"{name} {value:.3f}" for name, value in losses.items())
            of = f" of {config.minutes:g}" if config.minutes else ""
            bar.update(1, f"{spent / 60:.1f}{of} min, {note}")
            if step % config.log_every == 0:
                log_metrics(args.out, STAGE, {"step": step, "minutes": spent / 60, **losses})
            over = step == config.steps or spent >= limit
            if over or stop.asked or step % config.checkpoint_every == 0:
                _save(path, trainer, config, step, spent)
                last = time.monotonic()
            if stop.asked and not over:
                stop.end()
    return step, spent


def _save(path: Path, trainer: Any, config: ClipTrainConfig, step: int, spent: float) -> None:
    from pipeline.training.state import save_state

    settings = dataclasses.asdict(config)
    body = {**trainer.state(), "train_config": settings, "step": step, "elapsed_s": spent}
    save_state(path, body)


def _evaluate(folder: Path) -> dict[str, Any]:
    from pipeline.openclip.evaluate import retrieval
    from pipeline.openclip.model import load_openclip

    model = load_openclip(folder)
    with Progress("evaluate", total=500, unit="held-out clips") as bar:
        top1 = retrieval(model, galleries=5, size=100, note=bar.update)
    return {"id": model.id, **{name: round(value, 4) for name, value in top1.items()}}


def main(argv: list[str]) -> int:
    """Entry point of ``filmstock train-clip``."""
    args = parse_args(Args, argv, STAGE)
    run(dataclasses.replace(args, out=args.out.expanduser()))
    return EXIT_OK
