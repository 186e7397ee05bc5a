"""``filmstock import SRC --out DIR``: somebody's clips as a run folder of ours, captions and scores included.

The rows of the dataset become the clips that ingest is given beforehand, so reading, sandbox, scores, exactly-once and
resume are those of ingest. A clip that is a whole file keeps its bytes.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Annotated

import tyro

from jobs.core.args import Folder, parse_args
from jobs.core.console import say, warn
from jobs.core.errors import EXIT_OK, EXIT_PARTIAL, UserError
from jobs.core.lock import locked
from jobs.core.recipe import Recipe, folder_recipe, parse_overrides, save_recipe
from jobs.core.stage import done_info, log_metrics, mark_done
from jobs.core.uses import note_import
from jobs.core.writable import check_run_folder
from jobs.imports.formats import reader_of
from jobs.imports.items import ReadOptions, parse_columns
from jobs.imports.plan import ImportPlan
from jobs.imports.results import TABLE, ImportCounts, write_results
from pipeline import schema as s
from pipeline.store.paths import Location, typed

if TYPE_CHECKING:
    from jobs.ingest.ledger import Ledger

STAGE = "import"
SHOWN = 10
"""Kinds of trouble that are printed."""


@dataclass(frozen=True, kw_only=True)
class Args:
    """Take somebody's dataset of clips as a run folder: clips, scores, captions. Whole files keep their bytes.

    Then select, caption, truth, report, pack and the rest work as on footage that `ingest` has cut.
    """

    source: tyro.conf.Positional[Folder]
    """Folder, table or config of the dataset."""
    out: Folder
    """Run folder to write, also s3://bucket/prefix; a rerun goes on where an earlier one stopped."""
    from_: Annotated[str, tyro.conf.arg(name="from")] = "auto"
    """Its format: folder, table, videofolder, or a trainer's name; auto looks at the files."""
    videos: Folder | None = None
    """Folder of the videos that a table names. Default: the table's own."""
    column: Annotated[tuple[str, ...], tyro.conf.UseAppendAction] = ()
    """What a table's column is for: --column dense=long_caption; path, id, start, end, start_frame, end_frame, times,
    original, dense, short, structured or score. May be repeated."""
    split_shots: bool = False
    """Split a clip at the cuts inside it; without, it stays whole, and shots_inside says how many shots it shows."""
    retry: str | None = None
    """Type of failure, such as timeout: read the videos that are quarantined with it again."""
    recipe: str | None = None
    """Recipe file or name; its [ingest], [openclip] and [caption] language are used. Default: the folder's own."""
    set: Annotated[tuple[str, ...], tyro.conf.UseAppendAction] = ()
    """Override a setting: --set ingest.height=480; may be repeated."""


def main(argv: list[str]) -> int:
    """Parse the command line and run."""
    args = parse_args(Args, argv, STAGE)
    recipe = folder_recipe(args.out, args.recipe, parse_overrides(args.set))
    options = ReadOptions(videos=args.videos, columns=parse_columns(args.column))
    split, retry = args.split_shots, args.retry
    counts = run(recipe, args.source, args.out, args.from_, options, split=split, retry=retry)
    return EXIT_OK if counts.imported == counts.rows else EXIT_PARTIAL


def run(
    recipe: Recipe,
    source: Location,
    out: Location,
    form: str = "auto",
    options: ReadOptions | None = None,
    *,
    split: bool = False,
    store: bool = True,
    retry: str | None = None,
) -> ImportCounts:
    """Bring a run folder in line with a dataset; what an earlier run has finished is left alone.

    Without ``store`` the clips are measured, and their bytes are not copied. ``retry`` is a type of failure: videos
    that are quarantined with it are read again.
    """
    from jobs.ingest import command as ingest
    from jobs.ingest.ledger import Ledger
    from pipeline.source.listing import check_apart

    check_run_folder(out)
    if options is not None and options.videos is not None and not options.videos.is_dir():
        why = "is a file" if options.videos.exists() else "does not exist"
        raise UserError(f"--videos {options.videos} {why}; give the folder of the videos")
    check_apart([str(source)], out)
    ingest.check_config(recipe.ingest)
    name, read = reader_of(form, source)
    plan = ImportPlan(read(source, options or ReadOptions()), split=split, store=store)
    if not plan.rows:
        raise UserError(
            f"{source} holds no clip in the format {name}; give another folder or table, or --from FORMAT"
        )
    told = ", ".join(f"{count} {kind}" for kind, count in plan.problems().items())
    if sum(plan.problems().values()) == plan.rows:
        first = next(item.problem for _, item in plan.items() if item.problem)
        raise UserError(
            f"no row of {source} names a clip ({told}): {first[1]}; give a table whose rows do"
        )
    say(f"import: {plan.rows} rows of {source}, format {name}" + (f"; {told}" if told else ""))
    if store:
        note_import(source, out)
    config = replace(recipe.ingest, sidecars=False, crop_bars=False)
    if retry:
        failed = list(failed_with(plan, Ledger(out), retry))
        if not failed:
            raise UserError(
                f"--retry: no video of {source} is quarantined in {out} with {retry!r}; "
                "give one that imports.parquet names, or leave --retry out"
            )
        ingest.run_files(config, recipe.openclip, failed, out, again=True, given=plan)
    ingest.run_files(config, recipe.openclip, plan.sources(), out, given=plan)
    with locked(out, STAGE):
        counts = write_results(plan, Ledger(out), out, recipe.caption.language)
        save_recipe(out, replace(recipe, ingest=config))
        log_metrics(out, STAGE, figures(counts))
        if not counts.uncaptioned and done_info(out, "caption") is None:
            mark_done(out, "caption", STAGE, caption_info(counts))
    if store:
        report(counts, out)
    return counts


def failed_with(plan: ImportPlan, ledger: Ledger, kind: str) -> Iterator[tuple[int, bytes, str]]:
    """Sources of the plan that are quarantined with a type of failure."""
    from jobs.ingest.summary import is_quarantined

    for rank, key, uri in plan.sources():
        record = ledger.read(uri)
        if record and is_quarantined(record) and record[s.ERROR_TYPE] == kind:
            yield rank, key, uri


def caption_info(counts: ImportCounts) -> dict[str, object]:
    """What the marker of captioning says where every clip came with a caption: a later ``caption`` has another key."""
    ok = counts.captions[str(s.CaptionOutcome.OK)]
    return {"clips": counts.imported, "rows": counts.captions.total(), "ok": ok}


def figures(counts: ImportCounts) -> dict[str, object]:
    """What is logged of an import."""
    return {
        "rows": counts.rows,
        "imported": counts.imported,
        "reasons": dict(counts.reasons),
        "captions": dict(counts.captions),
    }


def report(counts: ImportCounts, out: Location) -> None:
    """Print what became of the rows, and of their captions."""
    say(f"import: {counts.imported} of {counts.rows} rows are clips in {out}")
    for kind, count in counts.reasons.most_common(SHOWN):
        warn(f"{count} rows are no clip: {kind}; {out / TABLE} names each")
    bad = {k: n for k, n in counts.captions.items() if k != str(s.CaptionOutcome.OK)}
    if bad:
        told = ", ".join(f"{count} {kind}" for kind, count in sorted(bad.items()))
        warn(f"captions that are not used for training as they are: {told}")
    if counts.uncaptioned:
        warn(
            f"{counts.uncaptioned} clips came without a caption; filmstock caption {typed(out)} writes them"
        )
    say(f"next: filmstock select {typed(out)}")
