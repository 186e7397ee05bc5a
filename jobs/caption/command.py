"""``filmstock caption DIR``: describe the kept clips of a run folder with a vision-language model, on Ray Data."""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import tyro

from jobs.caption import truth
from jobs.caption.domain import HELP, foreign_clips, is_narrow, refuse
from jobs.caption.facts import measured_captions, measured_row
from jobs.caption.originals import (
    imported_captions,
    original_captions,
    original_row,
    withdrawn,
)
from jobs.caption.rows import (
    KINDS,
    Key,
    Made,
    answered,
    made_with,
    recover,
    row_made,
    stored,
    tidy,
    work_clips,
    write_missing,
)
from jobs.caption.show import show_clip
from jobs.caption.worker import CAUSE, COUNTS, CaptionWorker
from jobs.core.args import Folder, parse_args
from jobs.core.console import Progress, say, warn
from jobs.core.errors import EXIT_OK, EXIT_PARTIAL, UserError
from jobs.core.run import RunFolder, open_with_recipe
from jobs.core.stage import Stage
from jobs.core.systemic import Failures
from jobs.edits.fresh import open_stage
from pipeline import schema as s
from pipeline.store.paths import Location

if TYPE_CHECKING:
    from captioner.config import CaptionConfig

STAGE = "caption"
BLOCK_CLIPS = 4096
"""Most clips that a worker takes at a time; their captions become one part."""


@dataclass(frozen=True, kw_only=True)
class Args:
    """Describe every kept clip, once per kind; rerunning asks only for what is missing or has changed."""

    folder: tyro.conf.Positional[Folder]
    """Run folder that `filmstock ingest` and `filmstock select` wrote."""
    recipe: str | None = None
    """Recipe file or name; its [caption] section is used. Default: the folder's own recipe."""
    set: Annotated[tuple[str, ...], tyro.conf.UseAppendAction] = ()
    """Override a setting: --set caption.model=HuggingFaceTB/SmolVLM2-500M-Video-Instruct; may be repeated."""
    show: str | None = None
    """Id of a kept clip, or its opening: write what the model is sent of it (frames, prompt, tokens); ask nothing."""
    show_to: Path | None = None
    """Folder for what --show writes. Default: show-CLIP in this directory."""


@dataclass(frozen=True, kw_only=True)
class CaptionResult:
    """What ``captions/`` holds after a run."""

    clips: int = 0
    """Kept clips."""
    rows: int = 0
    """Captions wanted: clips times kinds."""
    asked: int = 0
    """Captions asked for by this run."""
    ok: int = 0
    """Wanted captions whose outcome is ok."""
    errors: int = 0
    """Wanted captions without an answer; the next run asks again."""
    repaired: int = 0
    """Wanted captions whose stored text is not the first that the model gave, or not as it gave it."""
    originals: int = 0
    """Captions that came with the sources; not counted above."""


def main(argv: list[str]) -> int:
    """Parse the command line and run."""
    args = parse_args(Args, argv, STAGE)
    folder, recipe = open_with_recipe(args.folder, args.recipe, args.set)
    if args.show is not None:
        show_clip(recipe.caption, folder, args.show, args.show_to or Path(f"show-{args.show}"))
        return EXIT_OK
    result = run(recipe.caption, folder)
    if recipe.caption.check and result.ok:
        truth.run(recipe.caption, folder, recipe.openclip.model)
    folder.save_recipe(recipe)
    return EXIT_PARTIAL if result.errors or not result.ok else EXIT_OK


def run(config: CaptionConfig, folder: RunFolder) -> CaptionResult:
    """Bring ``captions/`` in line with the kept clips and the config; what is answered already is not asked again."""
    from captioner.ask.model_note import unlike_training
    from captioner.ask.prompts import prompt_set
    from captioner.backends.base import model_id
    from captioner.backends.open import check_backend
    from captioner.config import FACTS
    from captioner.facts import MODEL

    folder.need("manifest", "selection.parquet")
    if config.asked:
        check_backend(config)
    model = model_id(config) if config.asked else MODEL
    made_by = (config, model, prompt_set(config.model, config.prompts, config.language))
    stage = open_stage(folder, STAGE, *made_by, inputs=("manifest", "selection.parquet"))
    if result := stage.finished(CaptionResult):
        say(
            f"caption: nothing to do, {result.rows} captions of {result.clips} clips are up to date"
        )
        return result
    if FACTS in config.kinds and config.language != "en":
        warn(f"captions of kind {FACTS} are in English, and caption.language is {config.language}")
    if config.asked and (odd := unlike_training(config)):
        warn(odd)
    with stage.working():
        return describe(config, folder, model, stage)


def describe(config: CaptionConfig, folder: RunFolder, model: str, stage: Stage) -> CaptionResult:
    """Ask for what is missing, tidy the table up, and mark the stage as finished when every caption has an answer."""
    from captioner.config import FACTS

    table = folder.captions
    table.mkdir(parents=True, exist_ok=True)
    kept = folder.kept_clips()
    originals = original_captions(kept, config.language)
    measured = measured_captions(kept) if FACTS in config.kinds else {}
    clips = work_clips(kept, config)
    wanted: dict[Key, Made] = {
        (clip[s.CLIP_ID], kind): made
        for clip in clips
        for kind, made in made_with(config, model, clip).items()
    } | {key: facts.made for key, facts in measured.items()}
    if saved := recover(table):
        say(f"caption: {saved} answers of a run that was stopped are kept")
    given = imported_captions(table, wanted)
    wanted |= given
    made = {key: original.made for key, original in originals.items()}
    done = answered(table, wanted | made, foreign=is_narrow(config))
    write_missing(table, originals, done, original_row)
    write_missing(table, measured, done, measured_row)
    done |= measured.keys()
    done &= wanted.keys()
    lacking = {clip for clip, _ in wanted.keys() - given.keys()}
    if foreign := foreign_clips(kept, config) & lacking:
        warn(HELP.format(clips=len(foreign)))
        done |= refuse(table, clips, foreign, wanted, done, config.asked)
    work = missing_work(clips, config.asked, done)
    asked = len(wanted) - len(done)
    counts = dict.fromkeys(COUNTS, 0)
    if work:
        reused = f", {len(done)} are there already" if done else ""
        say(f"caption: asking {model} for {asked} captions of {len(work)} clips{reused}")
        counts = ask(config, folder.path, work)
        check_all_came(table, wanted, model)
    tidy(table, wanted | made, withdrawn(kept, originals))
    outcomes: Counter[str] = Counter()
    repairs: Counter[str] = Counter()
    repaired = 0
    for _, _, row in stored(table):
        if (row[s.CLIP_ID], row[s.KIND]) in wanted:
            outcomes[row[s.OUTCOME]] += 1
            repairs.update(row[s.REPAIRS] or [])
            repaired += bool(row[s.REPAIRS])
    result = CaptionResult(
        clips=len(clips),
        rows=len(wanted),
        asked=asked,
        ok=outcomes[s.CaptionOutcome.OK],
        errors=outcomes[s.CaptionOutcome.ERROR],
        repaired=repaired,
        originals=len(originals),
    )
    if originals:
        ends = Counter(str(original.verdict.outcome) for original in originals.values())
        say(f"caption: {len(originals)} captions came with the sources: {listed(ends)}")
    report(result, outcomes, repairs, counts, table, wanted)
    told = {"outcomes": dict(outcomes), "repairs": dict(repairs), "model": model}
    stage.log({**vars(result), **told, "requests": counts["tries"]})
    if not result.errors:
        stage.finish({**vars(result), "outputs": [table.name]})
    return result


def missing_work(
    clips: list[dict[str, Any]], kinds: tuple[str, ...], done: set[Key]
) -> list[dict[str, Any]]:
    """Work rows: each clip that lacks some kind, with the kinds it lacks."""
    work = []
    for clip in clips:
        lacking = [kind for kind in kinds if (clip[s.CLIP_ID], kind) not in done]
        if lacking:
            work.append({**clip, KINDS: ",".join(lacking)})
    return work


def ask(config: CaptionConfig, folder: Location, work: list[dict[str, Any]]) -> Counter[str]:
    """Caption the work rows on ``config.workers`` Ray actors; every answer is stored as it comes. Returns counts."""
    import pyarrow as pa
    import ray

    from jobs.core.ray_runtime import start_ray

    start_ray(shared=folder)
    workers = min(config.workers, len(work))
    # A worker drains its connections at the end of a block, so blocks are large; several per worker even out.
    share = -(-len(work) // workers) if workers == 1 else -(-len(work) // (4 * workers))
    clips = min(BLOCK_CLIPS, share)
    table = pa.Table.from_pylist(work)
    blocks = [table.slice(i, clips) for i in range(0, len(work), clips)]
    in_process = config.backend != "openai"
    gpus = 1 if in_process and ray.cluster_resources().get("GPU", 0) >= workers else 0
    told = ray.data.from_arrow(blocks).map_batches(
        CaptionWorker,
        fn_constructor_args=(
            config,
            str(folder.absolute()),
            max(1, (os.cpu_count() or 1) // workers),
        ),
        batch_size=None,
        compute=ray.data.ActorPoolStrategy(size=workers),
        num_cpus=1,
        num_gpus=gpus,
    )
    told.context.target_max_block_size = 1  # or counts would come at the end of a block
    counts: Counter[str] = Counter()
    rows = sum(len(clip[KINDS].split(",")) for clip in work)
    failures = Failures(STAGE, "captions", budget=config.failure_budget)
    with Progress(STAGE, rows, "captions") as progress:
        for batch in told.iter_batches(batch_size=None, batch_format="numpy"):
            more = {name: int(batch[name].sum()) for name in COUNTS}
            counts.update(more)
            note = f"{counts['errors']} failed" if counts["errors"] else ""
            progress.update(more["rows"], note)
            causes = [cause for told in batch[CAUSE] for cause in json.loads(str(told))]
            failures.add(more["rows"] - more["errors"], causes)
    return counts


def listed(counts: Counter[str]) -> str:
    """``12 ok, 1 refused``."""
    return ", ".join(f"{count} {name}" for name, count in counts.most_common()) or "none"


def check_all_came(table: Location, wanted: dict[Key, Made], model: str) -> None:
    """Refuse to call it done when workers loaded another model than this process named: its files changed meanwhile."""
    came = {
        key
        for _, _, row in stored(table)
        if wanted.get(key := (row[s.CLIP_ID], row[s.KIND])) == row_made(row)
    }
    if missing := len(wanted) - len(came):
        raise UserError(
            f"{missing} captions were not made by {model}, with which this run began: "
            "its files were replaced while it ran; run the same command again"
        )


def report(
    result: CaptionResult,
    outcomes: Counter[str],
    repairs: Counter[str],
    counts: Mapping[str, int],
    table: Location,
    wanted: dict[Key, Made],
) -> None:
    """How the captions ended, what was repaired, and the first errors."""
    say(f"caption: {result.rows} captions of {result.clips} clips in {table}: {listed(outcomes)}")
    if result.repaired:
        say(
            f"caption: {result.repaired} of them repaired: {listed(repairs)} (raw_text keeps the original)"
        )
    if (extra := counts["tries"] - counts["rows"]) > 0:
        say(
            f"caption: {extra} requests more than captions, for tries that failed or had to be asked again"
        )
    if counts["strays"]:
        warn(f"{counts['strays']} replies answered nothing that was waiting; they were dropped")
    if not result.clips:
        warn("select kept no clip, so there is nothing to describe")
    if result.errors:
        shown = 0
        for _, _, row in stored(table):
            if (
                row[s.OUTCOME] == s.CaptionOutcome.ERROR
                and (row[s.CLIP_ID], row[s.KIND]) in wanted
                and shown < 3
            ):
                warn(f"clip {row[s.CLIP_ID]} {row[s.KIND]}: {row[s.ERROR_MESSAGE]}")
                shown += 1
        warn(f"{result.errors} captions have no answer; run the same command to ask again")
