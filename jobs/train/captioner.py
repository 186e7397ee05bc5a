"""``filmstock train-captioner``: fine-tune a vision-language model on the captions of a dataset, one kind a run."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import tyro

from captioner.train.finetune import TuneConfig
from jobs.core.args import Folder, parse_args
from jobs.core.console import Progress, say, warn
from jobs.core.errors import EXIT_OK, UserError, user_errors
from jobs.core.keys import config_key
from jobs.core.lock import leave_nothing
from jobs.core.run import open_run, run_of
from jobs.core.stage import Stage
from jobs.core.uses import note_use
from jobs.edits.apply import correct, run_edits
from jobs.train.checkpoints import check_out, going_on
from jobs.train.local_args import LocalArgs
from pipeline.groups import DATA, OUTPUT
from pipeline.store.paths import Location

if TYPE_CHECKING:
    from captioner.train.examples import TrainingExample

STAGE = "train-captioner"
EDITS = "edits"
"""Value of ``--captions`` for what people corrected."""


@dataclass(frozen=True, kw_only=True)
class Args(LocalArgs):
    """Fine-tune a captioner on one kind of caption. OUT/weights is what `[caption] model = ` takes.

    As in the DALL-E 3 paper, run it twice from one base: once with --kind short, once with --kind dense. All weights
    are trained (but the vision tower's), or with --lora-rank low-rank matrices, which are merged into OUT/weights and
    kept by themselves in OUT/adapter. The same command goes on with a run that was stopped; Ctrl-C saves the step in
    hand.
    """

    data: tyro.conf.Positional[Folder]
    """Run folder with clips/ and captions/, or shards (of `filmstock pack` or `filmstock world`)."""
    out: Annotated[Path, OUTPUT]
    """Folder of the run: weights/, adapter/ with LoRA, state.pt, metrics.jsonl."""
    captions: Annotated[Path | None, DATA] = None
    """Words to learn instead of the data's own: .parquet, .jsonl or .csv with clip_id and text (and kind); or `edits`,
    the captions that people corrected in `filmstock view`."""
    train: tyro.conf.OmitArgPrefixes[TuneConfig] = TuneConfig()
    """The fine-tuning."""


def main(argv: list[str]) -> int:
    """Parse the command line and run."""
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    run(parse_args(Args, argv, STAGE))
    return EXIT_OK


def run(args: Args) -> dict[str, Any]:
    """Fine-tune as asked; returns the held-out losses, empty when it was done already."""
    from captioner.backends.find import find_captioner
    from captioner.config import ASKED_KINDS
    from captioner.train.examples import examples_hash, split
    from captioner.train.finetune import MOST_HELD_OUT, STATE_NAME, base_of, read_state
    from captioner.train.tuned_model import check_targets
    from pipeline.training.facts import read_facts

    config = args.train.settled()
    if config.kind not in ASKED_KINDS:
        raise UserError(
            f"caption kind {config.kind!r} cannot be learned; use one of {', '.join(ASKED_KINDS)}"
        )
    with user_errors():
        check_targets(find_captioner(config.model), config.lora_targets)
        examples = find_examples(args.data, config.kind, args.captions)
    key = config_key(config, examples_hash(examples), base_of(config))
    weights = args.out / "weights"
    stage = Stage(args.out, STAGE, key)
    if stage.info:
        say(f"train-captioner: nothing to do, {weights} was trained with these settings on these")
        return {}
    path = check_out(args.out, STATE_NAME, resume=args.resume, stage=STAGE)
    with user_errors():
        state = read_state(path, config, examples, read_facts)
    left_out = split(examples, config.held_out_share, MOST_HELD_OUT)[1]
    if state is not None:
        say(going_on(STAGE, path, state["step"], config.steps))
    stage.begin()

    def begun() -> None:
        """The model is there and takes the settings: nothing is refused any more."""
        note_use(run_of(args.data).path, STAGE, args.out)
        if not left_out:
            warn(
                f"0 of {len(examples)} clips are held out, so no held-out loss is measured; raise --held-out-share"
            )

    try:
        figures = train(args, examples, begun)
    except ValueError as error:
        leave_nothing(args.out)
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
        f"--set 'caption.kinds=[\"{config.kind}\"]' --set caption.frames={config.frames} "
        f"--set caption.frame_side={config.frame_side}"
    )
    if figures["skipped"]:
        warn(f"{figures['skipped']} steps had no finite gradient and were skipped; lower --lr")
    return figures


def find_examples(data: Location, kind: str, captions: Path | None) -> list[TrainingExample]:
    """The clips at ``data`` that have words of ``kind``: a run folder's captions, else those of shards.

    ``captions`` is a file of words that are taken instead, or ``edits``: what people corrected. Raises ValueError where
    there are none.
    """
    from captioner.train.examples import examples_of, read_texts, shard_texts
    from pipeline import schema as s
    from pipeline.shards.read import open_manifest

    columns = list(s.READ_COLUMNS)
    run = open_run(data)
    texts: dict[str, str] | None = None
    if captions == Path(EDITS) and not captions.exists():
        found = run_edits(run).captions()
        texts = {clip: kinds[kind] for clip, kinds in found.items() if kind in kinds}
    elif captions:
        texts = read_texts(captions, kind)
    if run.selection.exists() and (texts or run.captions.exists()):
        if texts is None:
            usable = correct(run.usable_captions((kind,)), run_edits(run), (kind,))
            texts = {clip_id: row[kind] for clip_id, row in usable.items()}
        rows = run.kept_clips().select(columns).to_pylist()
        examples = examples_of(rows, texts, lambda row: run.clip_root(row[s.SHARD]))
    else:
        manifest = open_manifest(data)
        texts = shard_texts(manifest, kind) if texts is None else texts
        rows = manifest.table.select(columns).to_pylist()
        examples = examples_of(rows, texts, lambda row: manifest.root)
    if not examples:
        where = captions or data
        raise ValueError(
            f"{where} has no {kind} caption of a clip in {data}; nothing to learn from"
        )
    return examples


def train(args: Args, examples: list[TrainingExample], begun: Callable[[], None]) -> dict[str, Any]:
    """The training loop, with a line of progress; ``begun`` is called before the first one."""
    waiting = [begun]
    from captioner.train.finetune import base_of, finetune

    config = args.train
    how = f"LoRA of rank {config.lora_rank}" if config.lora_rank else "all weights"
    say(
        f"train-captioner: {base_of(config)}, {how}, learns {config.kind} captions of "
        f"{len(examples)} clips in {config.steps} steps of {config.batch}"
    )
    import torch

    torch.set_num_threads(args.threads)
    with Progress(STAGE, config.steps, "steps") as progress:

        def report(row: dict[str, Any]) -> None:
            while waiting:
                waiting.pop()()
            parts = [
                f"{name.replace('_', ' ')} {row[name]:.3f}"
                for name in ("loss", "held_out", "held_out_blind", "clips_per_s")
                if name in row
            ]
            if progress.done == 0 and row["step"] > config.log_every:
                progress.skip(row["step"])  # a resumed run
            else:
                progress.update(row["step"] - progress.done, ", ".join(parts))

        return finetune(config, examples, args.out, resume=True, report=report)
