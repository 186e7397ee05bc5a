"""``filmstock train-captioner``: fine-tune a vision-language model on the captions of a dataset, one kind a run."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import tyro

from jobs.core.args import Folder, parse_args
from jobs.core.console import Progress, say, warn
from jobs.core.errors import EXIT_OK, UserError
from jobs.core.keys import config_key
from jobs.core.run import open_run
from jobs.core.stage import Stage
from pipeline.store.paths import Location

if TYPE_CHECKING:
    from captioner.train.examples import Lesson
    from captioner.train.finetune import TuneConfig

STAGE = "train-captioner"
FULL_LR, LORA_LR = 1e-5, 2e-4
"""Usual peak learning rates of models with billions of weights; the embedded captioner takes 1e-3."""


@dataclass(frozen=True, kw_only=True)
class Args:
    """Fine-tune a captioner on one kind of caption. OUT/weights is what `[caption] model = ` takes.

    As in the DALL-E 3 paper, run it twice from one base: once with --kind short, once with --kind dense. All weights
    are trained (but the vision tower's), or with --lora RANK low-rank matrices, which are merged into OUT/weights and
    kept by themselves in OUT/adapter.
    """

    data: tyro.conf.Positional[Folder]
    """Run folder with clips/ and captions/, or shards (of `filmstock pack` or `filmstock world`)."""
    out: Path
    """Folder of the run: weights/, adapter/ with LoRA, state.pt, metrics.jsonl."""
    kind: str
    """Caption kind to learn: short, dense or structured."""
    model: str = "embedded"
    """Base: embedded, a local folder, or a Hugging Face id of any AutoModelForImageTextToText."""
    captions: Path | None = None
    """Words to learn instead of the data's own: .parquet, .jsonl or .csv with clip_id and text (and kind)."""
    prompt: str | None = None
    """Question that the words answer, with {frames} and {seconds}. Default: what `caption` asks the base."""
    frames: int = 8
    """Frames shown of each clip; caption with as many (caption.frames)."""
    frame_side: int = 384
    """Longer side that larger frames are scaled down to, pixels (caption.frame_side)."""
    steps: int = 500
    """Optimiser steps."""
    batch: int = 8
    """Clips per step."""
    micro_batch: int = 4
    """Clips that go through the model at once: less memory, same result."""
    lr: float | None = None
    """Peak learning rate. Default: 1e-5, with LoRA 2e-4."""
    lora: int = 0
    """Rank of LoRA's matrices, such as 16; 0 trains the weights themselves. Needs filmstock[lora]."""
    lora_targets: Annotated[tuple[str, ...], tyro.conf.UseAppendAction] = ()
    """Last name of linear layers that get LoRA, such as q_proj; may be repeated. Default: all but the output."""
    train_vision: bool = False
    """Train the vision tower too."""
    recompute: bool = False
    """Gradient checkpointing: less memory for a third more time."""
    held_out_share: float = 0.05
    """Share of the clips, at most 64, that are measured and not learned."""
    save_every: int = 100
    """Steps between checkpoints."""
    eval_every: int = 200
    """Steps between held-out losses."""
    log_every: int = 10
    """Steps between rows of metrics.jsonl."""
    seed: int = 0
    """Of order, LoRA and dropout."""
    threads: int = 1
    """CPU threads for the arithmetic."""
    resume: bool = False
    """Go on from OUT/state.pt."""


def main(argv: list[str]) -> int:
    """Parse the command line and run."""
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    run(parse_args(Args, argv, STAGE))
    return EXIT_OK


def run(args: Args) -> dict[str, Any]:
    """Fine-tune as asked; returns the held-out losses, empty when it was done already."""
    from captioner.backends.transformers import check_model
    from captioner.config import ASKED_KINDS
    from captioner.train.examples import lessons_hash
    from captioner.train.finetune import STATE_NAME

    if args.kind not in ASKED_KINDS:
        raise UserError(
            f"caption kind {args.kind!r} cannot be learned; use one of {', '.join(ASKED_KINDS)}"
        )
    try:
        config = tune_config(args)
        check_model(args.model)
        lessons = find_lessons(args.data, args.kind, args.captions)
    except ValueError as error:
        raise UserError(str(error)) from error
    key = config_key(config, lessons_hash(lessons), base_identity(args.model))
    weights = args.out / "weights"
    stage = Stage(args.out, STAGE, key)
    if stage.info:
        say(f"train-captioner: nothing to do, {weights} was trained with these settings on these")
        return {}
    if (args.out / STATE_NAME).exists() and not args.resume:
        raise UserError(
            f"{args.out / STATE_NAME} is from another run; add --resume to go on with it, or give another --out"
        )
    stage.clear()
    try:
        figures = train(args, config, lessons)
    except ValueError as error:
        raise UserError(str(error)) from error
    stage.log(figures)
    stage.finish({"outputs": ["weights"], **figures})
    held = (
        f"held-out loss {figures['held_out']:.3f} nats a token, {figures['held_out_blind']:.3f} over grey frames"
        if "held_out" in figures
        else "nothing was held out"
    )
    say(f"train-captioner: {weights}, {figures['steps']} steps; {held}")
    say(
        f"use it: filmstock caption DIR --set caption.model={weights} "
        f"--set 'caption.kinds=[\"{args.kind}\"]' --set caption.frames={args.frames} "
        f"--set caption.frame_side={args.frame_side}"
    )
    if figures["skipped"]:
        warn(f"{figures['skipped']} steps had no finite gradient and were skipped; lower --lr")
    return figures


def tune_config(args: Args) -> TuneConfig:
    """The library's settings from the command line's."""
    from dataclasses import fields

    from captioner.train.finetune import TuneConfig

    chosen = {f.name: getattr(args, f.name) for f in fields(TuneConfig) if f.name != "lr"}
    usual = LORA_LR if args.lora else FULL_LR
    return TuneConfig(lr=usual if args.lr is None else args.lr, **chosen)


def base_identity(model: str) -> str:
    """Name of the base, for a folder with a hash of its files."""
    from captioner.backends.base import model_id
    from captioner.config import CaptionConfig

    return model_id(CaptionConfig(model=model))


def find_lessons(data: Location, kind: str, captions: Path | None) -> list[Lesson]:
    """The clips at ``data`` that have words of ``kind``: a run folder's captions, else those of shards.

    ``captions`` is a file of words that are taken instead. Raises ValueError where there are none.
    """
    from captioner.train.examples import lessons_of, read_texts, shard_texts
    from pipeline import schema as s
    from pipeline.shards.read import open_manifest

    texts = read_texts(captions, kind) if captions else None
    columns = list(s.READ_COLUMNS)
    run = open_run(data)
    if run.selection.exists() and (texts or run.captions.exists()):
        if texts is None:
            found = run.usable_captions((kind,))
            texts = {clip_id: row[kind] for clip_id, row in found.items()}
        rows = run.kept_clips().select(columns).to_pylist()
        lessons = lessons_of(rows, texts, lambda row: run.clip_root(row[s.SHARD]))
    else:
        manifest = open_manifest(data)
        texts = shard_texts(manifest, kind) if texts is None else texts
        rows = manifest.table.select(columns).to_pylist()
        lessons = lessons_of(rows, texts, lambda row: manifest.root)
    if not lessons:
        where = captions or data
        raise ValueError(
            f"{where} has no {kind} caption of a clip in {data}; nothing to learn from"
        )
    return lessons


def train(args: Args, config: TuneConfig, lessons: list[Lesson]) -> dict[str, Any]:
    """The training loop, with a line of progress."""
    import torch

    from captioner.train.finetune import finetune

    torch.set_num_threads(args.threads)
    how = f"LoRA of rank {args.lora}" if args.lora else "all weights"
    say(
        f"train-captioner: {base_identity(args.model)}, {how}, learns {args.kind} captions of "
        f"{len(lessons)} clips in {config.steps} steps of {config.batch}"
    )
    with Progress(STAGE, config.steps, "steps") as progress:

        def report(row: dict[str, Any]) -> None:
            parts = [
                f"{name.replace('_', ' ')} {row[name]:.3f}"
                for name in ("loss", "held_out", "held_out_blind", "clips_per_s")
                if name in row
            ]
            if progress.done == 0 and row["step"] > config.log_every:
                progress.skip(row["step"])  # a resumed run
            else:
                progress.update(row["step"] - progress.done, ", ".join(parts))

        return finetune(config, lessons, args.out, resume=args.resume, report=report)
