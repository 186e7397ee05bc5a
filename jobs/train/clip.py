"""``filmstock train-clip``: rebuild the embedded CLIP from the synthetic world, on one CPU core, in minutes."""

from __future__ import annotations

import dataclasses
import os
import shutil
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jobs.core.args import parse_args
from jobs.core.console import Progress, say
from jobs.core.errors import EXIT_OK, UserError
from jobs.core.keys import config_key
from jobs.core.stage import Stage, log_metrics

STAGE = "train-clip"
CHECKPOINT = "checkpoint.pt"
CHECKPOINT_S = 120.0
"""Seconds between checkpoints."""
METRIC_STEPS = 20
"""Steps between lines of metrics.jsonl."""


@dataclass(frozen=True, kw_only=True)
class TrainClipArgs:
    """Train the small CLIP on rendered scenes and write an open_clip folder to OUT/model.

    The run ends at --steps or --minutes, whichever comes first; the learning rate is at zero by then.
    """

    out: Path
    """Folder for the run: model/, checkpoint.pt, metrics.jsonl."""
    steps: int = 3000
    """Most optimiser steps."""
    minutes: float = 24.0
    """Most minutes of training, without rendering; time of a resumed run is added up."""
    scenes: int = 10_000
    """Scenes rendered to train on."""
    seed: int = 0
    """Of scenes, weights and batches."""
    threads: int = 1
    """CPU threads for the arithmetic."""
    resume: bool = False
    """Go on from OUT/checkpoint.pt."""


def run(args: TrainClipArgs) -> dict[str, Any]:
    """Train, evaluate on held-out scenes, write ``OUT/model``; returns the figures."""
    import torch

    from pipeline.openclip.data import build_pool, tokenizer_corpus
    from pipeline.openclip.tokenizer import train_bpe
    from pipeline.openclip.train import ClipTrainConfig, Trainer, save_model

    _check(args)
    config = ClipTrainConfig(batch=min(128, args.scenes))
    key = config_key(config, args.steps, args.minutes, args.scenes, args.seed, "train-clip 1")
    stage = Stage(args.out, STAGE, key)
    if stage.info:
        say(f"{args.out / 'model'} is trained already; nothing to do")
        return {}
    checkpoint = args.out / CHECKPOINT
    if checkpoint.exists() and not args.resume:
        raise UserError(
            f"{checkpoint} is from an unfinished run; add --resume to go on with it, or give another --out"
        )
    args.out.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(args.threads)

    with Progress("render", total=args.scenes, unit="scenes") as bar:
        pool = build_pool(args.scenes, seed=args.seed, note=lambda _: bar.update(1))
    tokenizer = train_bpe(tokenizer_corpus(pool))
    trainer = Trainer(config, pool, tokenizer, seed=args.seed)
    step, spent = 0, 0.0
    if args.resume and checkpoint.exists():
        step, spent = _load(checkpoint, trainer, key)
        say(f"going on from step {step}, {spent / 60:.1f} minutes in")
    step, spent = _train(args, trainer, checkpoint, key, step, spent)

    temporary = args.out / f".model.{os.getpid()}.tmp"
    shutil.rmtree(temporary, ignore_errors=True)
    save_model(temporary, trainer.model, config, tokenizer)
    shutil.rmtree(args.out / "model", ignore_errors=True)
    temporary.replace(args.out / "model")
    figures = _evaluate(args.out / "model") | {"steps": step, "minutes": round(spent / 60, 2)}
    stage.log(figures)
    stage.finish({"outputs": ["model"], **figures})
    checkpoint.unlink(missing_ok=True)
    for name, value in figures.items():
        say(f"{name:<16} {value}")
    say(f"use it as --clip-model {args.out / 'model'}, or copy the folder to pipeline/weights/clip")
    return figures


def _train(
    args: TrainClipArgs, trainer: Any, checkpoint: Path, key: str, step: int, spent: float
) -> tuple[int, float]:
    limit = args.minutes * 60
    last = saved = time.monotonic()
    with Progress(
        "train", unit="steps"
    ) as bar:  # no estimate from steps: the minutes may end it first
        bar.done = step
        while step < args.steps and spent < limit:
            progress = max(step / args.steps, spent / limit)
            losses = trainer.step(step, progress)
            step += 1
            now = time.monotonic()
            spent, last = spent + now - last, now
            note = ", ".join(f"{name} {value:.3f}" for name, value in losses.items())
            bar.update(1, f"{spent / 60:.1f} of {args.minutes:g} min, {note}")
            if step % METRIC_STEPS == 0:
                log_metrics(args.out, STAGE, {"step": step, "minutes": spent / 60, **losses})
            if now - saved > CHECKPOINT_S:
                _save(checkpoint, trainer, key, step, spent)
                saved = last = time.monotonic()
    return step, spent


def _check(args: TrainClipArgs) -> None:
    for name in ("steps", "minutes", "scenes", "threads"):
        if getattr(args, name) <= 0:
            raise UserError(f"--{name} must be positive, got {getattr(args, name)}")
    if args.out.exists() and not args.out.is_dir():
        raise UserError(f"--out {args.out} is a file; give a folder")


def _save(path: Path, trainer: Any, key: str, step: int, spent: float) -> None:
    from pipeline.training.state import save_state

    save_state(path, {**trainer.state(), "key": key, "step": step, "spent_s": spent})


def _load(path: Path, trainer: Any, key: str) -> tuple[int, float]:
    import torch

    state = torch.load(path, map_location="cpu", weights_only=True)
    if state["key"] != key:
        raise UserError(
            f"{path} was made with other settings; give the same ones to --resume, or another --out"
        )
    trainer.load(state)
    return int(state["step"]), float(state["spent_s"])


def _evaluate(folder: Path) -> dict[str, Any]:
    from pipeline.openclip.evaluate import retrieval
    from pipeline.openclip.model import load_clip

    model = load_clip(folder)
    with Progress("evaluate", total=500, unit="held-out clips") as bar:
        top1 = retrieval(model, galleries=5, size=100, note=bar.update)
    return {"id": model.id, **{name: round(value, 4) for name, value in top1.items()}}


def main(argv: list[str]) -> int:
    """Entry point of ``filmstock train-clip``."""
    args = parse_args(TrainClipArgs, argv, STAGE)
    run(dataclasses.replace(args, out=args.out.expanduser()))
    return EXIT_OK
