"""``filmstock curate SRC... --out DIR``: raw videos to training shards in one command: ingest, select, caption, pack.

Each stage is the command of the same name and leaves its own table in DIR, so a run that stopped goes on where it
was, and a changed recipe redoes only what depends on the change.
"""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from typing import Annotated

import tyro

from jobs.core.args import Folder, parse_args
from jobs.core.console import say, warn
from jobs.core.errors import EXIT_OK, EXIT_PARTIAL, UserError
from jobs.core.recipe import RESOLVED, Recipe, load_recipe, parse_override
from jobs.core.run import open_run
from pipeline.store.paths import Location

DEFAULT_RECIPE = "demo"
"""Recipe of a new folder when none is named: embedded models, nothing to download."""


@dataclass(frozen=True, kw_only=True)
class Args:
    """Ingest, select, caption and pack: raw videos to training shards."""

    sources: tyro.conf.Positional[tuple[str, ...]]
    """Video files, folders, or .txt files with one path a line; also s3://, gs:// and http(s):// URIs."""
    out: Folder
    """Run folder to write, also s3://bucket/prefix; a rerun goes on where an earlier one stopped."""
    recipe: str | None = None
    """Recipe file, or name of one of ours. Default: the folder's own recipe, or demo for a new folder."""
    set: Annotated[tuple[str, ...], tyro.conf.UseAppendAction] = ()
    """Override a setting: --set ingest.max_clip_s=6; may be repeated."""


@dataclass(frozen=True, kw_only=True)
class CurateResult:
    """What a curation run came to."""

    packed: int
    """Clips in the shards."""
    complete: bool
    """False when a source was quarantined, or a kept clip has no caption or could not be read."""


def main(argv: list[str]) -> int:
    """Parse the command line and run."""
    args = parse_args(Args, argv, "curate")
    overrides = dict(parse_override(text) for text in args.set)
    own = args.out / RESOLVED
    named = args.recipe or (own if own.is_file() else DEFAULT_RECIPE)
    recipe = load_recipe(named, overrides)
    from jobs.report.data import without_queries

    command = without_queries(shlex.join(["filmstock", "curate", *argv]))
    result = run(recipe, list(args.sources), args.out, command)
    return EXIT_OK if result.complete and result.packed else EXIT_PARTIAL


def run(recipe: Recipe, sources: list[str], out: Location | str, command: str = "") -> CurateResult:
    """Bring the run folder up to date with the sources and the recipe, and write its report with ``command``."""
    from jobs.caption import command as caption
    from jobs.caption import truth
    from jobs.ingest import command as ingest
    from jobs.report import page as report
    from jobs.select import command as select
    from jobs.shards import pack

    folder = open_run(out)
    if folder.path.is_file():
        raise UserError(f"--out {folder} is a file; name a folder")
    before = {stage: folder.stage_key(stage) for stage in report.STAGES}
    ingested = ingest.run(recipe.ingest, recipe.clip, sources, folder.path)
    folder.save_recipe(recipe)
    if ingested.clips == 0:
        raise UserError(
            f"no clip came out of {ingested.done + ingested.quarantined} sources; "
            f"{folder / 'sources.parquet'} says why (filmstock inspect {folder} shows it)"
        )
    if select.run(recipe.select, folder) == 0:
        report.update(folder, command)
        return CurateResult(packed=0, complete=False)
    captioned = caption.run(recipe.caption, folder)
    if recipe.caption.check and captioned.ok:
        truth.run(recipe.caption, folder, recipe.clip.model)
    packed = pack.run(recipe.pack, folder)
    report.update(folder, command)
    if before == {stage: folder.stage_key(stage) for stage in report.STAGES}:
        say(f"curate: nothing to do, {packed.packed} clips are in {folder.shards}")
    else:
        say(f"curate: {packed.packed} clips, {packed.hours:.3f} hours in {folder.shards}")
        say(f"curate: see {folder / report.REPORT}, or filmstock inspect {folder}")
    if ingested.quarantined:
        warn(
            f"{ingested.quarantined} sources are quarantined; {folder / 'sources.parquet'} says why"
        )
    failed = ingested.quarantined or captioned.errors or packed.uncaptioned or packed.unreadable
    return CurateResult(packed=packed.packed, complete=not failed)
