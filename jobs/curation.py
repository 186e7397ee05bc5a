"""``filmstock curate SRC... --out DIR``: raw videos to training shards in one command: ingest, select, caption, pack.

Each stage is the command of the same name and leaves its own table in DIR, so a run that stopped goes on where it
was, and a changed recipe redoes only what depends on the change.
"""

from __future__ import annotations

import os
import shlex
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Annotated, Any

import tyro

from jobs.core.args import Folder, parse_args
from jobs.core.console import say, warn
from jobs.core.errors import EXIT_OK, EXIT_PARTIAL, UserError
from jobs.core.recipe import Recipe, parse_overrides
from jobs.core.run import RunFolder, dropped_line, open_run
from jobs.core.writable import check_run_folder
from pipeline.bounds import Bounded, Count
from pipeline.source.listing import check_apart
from pipeline.store.paths import Location, location, typed

NAMED = 5
"""Sources that cannot be read of which ``--dry-run`` says the name."""


@dataclass(frozen=True, kw_only=True)
class Args(Bounded):
    """Ingest, select, caption and pack: raw videos to training shards."""

    sources: Annotated[tuple[str, ...], tyro.conf.Positional, tyro.conf.arg(metavar="SRC ...")]
    """Video files, folders, or .txt files with one path a line; also s3://, gs:// and http(s):// URIs."""
    out: Folder
    """Run folder to write, also s3://bucket/prefix; a rerun goes on where an earlier one stopped."""
    recipe: str | None = None
    """Recipe file, or name of one of ours. Default: the folder's own recipe; for a new folder laptop, or demo for
    footage of `filmstock film`."""
    set: Annotated[tuple[str, ...], tyro.conf.UseAppendAction] = ()
    """Override a setting: --set ingest.max_clip_s=6; may be repeated."""
    limit: Count | None = None
    """Take only the first N sources, in order; without it a later run takes the rest."""
    dry_run: bool = False
    """Write nothing: say how many sources there are, by which recipe and models they would go, and what is done."""


@dataclass(frozen=True, kw_only=True)
class CurateResult:
    """What a curation run came to."""

    folder: Location
    """The run folder; ``folder / "shards"`` holds the training shards."""
    sources: int
    """Sources that were brought to an end."""
    quarantined: int
    """Sources that cannot be used; ``sources.parquet`` says why."""
    clips: int
    """Clips that the sources were cut into."""
    packed: int = 0
    """Clips in the shards."""
    hours: float = 0.0
    """Length of the clips in the shards, hours."""
    complete: bool = False
    """False when a source was quarantined, or a kept clip has no caption or could not be read."""


def main(argv: list[str]) -> int:
    """Parse the command line and run."""
    args = parse_args(Args, argv, "curate")
    overrides = parse_overrides(args.set)
    from jobs.report.data import without_queries

    recipe = chosen_recipe(list(args.sources), args.out, args.recipe, overrides)
    command = without_queries(shlex.join(["filmstock", "curate", *argv]))
    if args.dry_run:
        look(recipe, list(args.sources), args.out, args.limit)
        return EXIT_OK
    result = run(recipe, list(args.sources), args.out, command, args.limit)
    return EXIT_OK if result.complete and result.packed else EXIT_PARTIAL


def curate(
    sources: str | os.PathLike[str] | Sequence[str | os.PathLike[str]],
    out: str | os.PathLike[str] | Location,
    recipe: str | os.PathLike[str] | Recipe | None = None,
    overrides: Mapping[str, Any] | None = None,
) -> CurateResult:
    """Make training shards of raw videos: ingest, select, caption, pack, report. Runs on Ray, local by default.

    Args:
        sources: Video files, folders, .txt files with one path a line, or s3://, gs:// and http(s):// URIs.
        out: Run folder to write, local or ``s3://bucket/prefix``. A rerun goes on where an earlier one stopped.
        recipe: A recipe file, the name of a shipped one, or a loaded ``Recipe``.
            Default: the folder's own recipe; for a new folder ``laptop`` (without its models, what can be
            measured), or ``demo`` for footage of ``filmstock film``.
        overrides: ``{"ingest.max_clip_s": 6}`` and the like, applied to the recipe.

    Returns:
        Counts of sources and clips, and the folder.

    Raises:
        UserError: an input, a setting or a model is missing or wrong; the message says how to mend it.
    """
    folder = location(os.fspath(out) if isinstance(out, os.PathLike) else out)
    listed = [sources] if isinstance(sources, str | os.PathLike) else sources
    named_sources = [os.fspath(each) for each in listed]
    if not isinstance(recipe, Recipe):
        named = os.fspath(recipe) if recipe is not None else None
        recipe = chosen_recipe(named_sources, folder, named, overrides)
    elif overrides:
        raise UserError("overrides apply to a recipe by name; change the Recipe object itself")
    return run(recipe, named_sources, folder)


def chosen_recipe(
    sources: list[str],
    folder: Location,
    named: str | None,
    overrides: Mapping[str, Any] | None,
) -> Recipe:
    """The recipe of a run (``jobs.models.default.choose``); says why, and refuses one whose models are not here."""
    from jobs.models.default import choose
    from jobs.models.needs import require_models

    check_run_folder(folder)
    check_apart(sources, folder)  # before any footage is looked at, or a line said
    chosen = choose(sources, folder, named, overrides)
    require_models(chosen.recipe, chosen.named)
    if chosen.note:
        say(f"curate: {chosen.note}")
    return chosen.recipe


def check_run(recipe: Recipe, sources: list[str], folder: RunFolder) -> None:
    """Refuse what a later stage would refuse, before the first one touches anything."""
    from jobs.ingest import command as ingest
    from jobs.select.rules import check_rules
    from jobs.shards.pack import open_writer

    check_run_folder(folder.path)
    check_apart(sources, folder.path)
    ingest.check_config(recipe.ingest)
    ingest.check_models(recipe.openclip)
    check_rules(recipe.select, recipe.openclip, recipe.ingest)
    open_writer(recipe.pack.writer)


def look(recipe: Recipe, sources: list[str], out: Location | str, limit: int | None = None) -> None:
    """``--dry-run``: check everything and say what would be done; writes nothing."""
    from jobs.report.status import read_status
    from pipeline.source.listing import first_sources, passed_over, told_uri, why_unreadable

    folder = open_run(out)
    check_run(recipe, sources, folder)
    count, unreadable, passed = 0, [], Counter[str]()
    for _, _, uri in first_sources(sources, limit, passed):
        count += 1
        if why := why_unreadable(uri):
            unreadable.append(f"{told_uri(uri)}: {why}")
    say(f"curate: {count} sources by recipe {recipe.name} into {folder}")
    if told := passed_over(passed):
        say(f"curate: {told}")
    for told in unreadable[:NAMED]:
        warn(f"{told}; it would be quarantined")
    if len(unreadable) > NAMED:
        warn(f"{len(unreadable) - NAMED} more sources cannot be read either")
    asked = f"{', '.join(recipe.caption.kinds)} by {recipe.caption.model if recipe.caption.asked else 'measurement'}"
    span = f"{recipe.ingest.min_clip_s:g} to {recipe.ingest.max_clip_s:g} s"
    say(f"curate: clips of {span}; scores by CLIP {recipe.openclip.model}; captions {asked}")
    rules = [*recipe.select.where, *recipe.select.best, *recipe.select.balance]
    say(f"curate: kept by {', '.join(rules) or 'no rule'}")
    if folder.has_recipe():
        for line in read_status(folder):
            say(f"curate: {line.stage} is {line.state} {line.note}".rstrip())
    say("curate: nothing was written; leave --dry-run out to start")


def run(
    recipe: Recipe,
    sources: list[str],
    out: Location | str,
    command: str = "",
    limit: int | None = None,
) -> CurateResult:
    """Bring the run folder up to date with the sources (the first ``limit``) and the recipe, and write its report with
    ``command``."""
    from jobs.caption import command as caption
    from jobs.caption import truth
    from jobs.ingest import command as ingest
    from jobs.report import page as report
    from jobs.select import command as select
    from jobs.shards import pack

    folder = open_run(out)
    check_run(recipe, sources, folder)
    before = {stage: folder.stage_key(stage) for stage in report.STAGES}
    what = ", ".join(sources[:3]) + (" ..." if len(sources) > 3 else "")
    say(f"curate: {what} by recipe {recipe.name} into {folder}: ingest, select, caption, pack")
    ingested = ingest.run(recipe.ingest, recipe.openclip, sources, folder.path, limit)
    folder.save_recipe(recipe)
    if ingested.clips == 0:
        report.update(folder, command)
        dropped = folder.dropped()
        why = f"became no clip: {dropped_line(dropped)}; " if dropped else ""
        short = ", --set ingest.min_clip_s=0.5 keeps shorter shots" if "short" in dropped else ""
        raise UserError(
            f"no clip came out of {ingested.done + ingested.quarantined} sources; {why}"
            f"{folder / 'sources.parquet'}, dropped.parquet and {report.REPORT} beside it say why{short}"
        )
    result = CurateResult(
        folder=folder.path,
        sources=ingested.done + ingested.quarantined,
        quarantined=ingested.quarantined,
        clips=ingested.clips,
    )
    if select.run(recipe.select, folder) == 0:
        report.update(folder, command)
        return result
    captioned = caption.run(recipe.caption, folder)
    if recipe.caption.check and captioned.ok:
        truth.run(recipe.caption, folder, recipe.openclip.model)
    packed = pack.run(recipe.pack, folder)
    report.update(folder, command)
    if before == {stage: folder.stage_key(stage) for stage in report.STAGES}:
        say(f"curate: nothing to do, {packed.packed} clips are in {folder.shards}")
    else:
        say(f"curate: {packed.packed} clips, {packed.hours:.3f} hours in {folder.shards}")
        say(f"curate: see {folder / report.REPORT}, or filmstock inspect {typed(folder)}")
    if ingested.quarantined:
        warn(
            f"{ingested.quarantined} sources are quarantined; {folder / 'sources.parquet'} says why"
        )
    failed = ingested.quarantined or captioned.errors or packed.uncaptioned or packed.unreadable
    return replace(result, packed=packed.packed, hours=packed.hours, complete=not failed)
