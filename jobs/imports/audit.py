"""``filmstock audit FOLDER``: what is wrong with a training set, and what would mend it. Nothing of it is touched."""

from __future__ import annotations

import json
import tempfile
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated

import tyro

from jobs.core.args import Folder, parse_args
from jobs.core.console import say
from jobs.core.errors import EXIT_OK, EXIT_PARTIAL, UserError
from jobs.core.recipe import folder_recipe, parse_overrides
from jobs.core.run import open_run
from jobs.core.writable import check_file, check_run_folder
from jobs.imports.findings import Finding, Limits, find_faults
from jobs.imports.items import ReadOptions, parse_columns
from pipeline.config import SelectConfig
from pipeline.store.atomic import write_bytes
from pipeline.store.paths import Location

STAGE = "audit"
EXAMPLES = 3
"""Clips named for each problem."""


@dataclass(frozen=True, kw_only=True)
class Args:
    """Measure and check a training set in place: captions, lengths, duplicates, bars, blur. Changes nothing of it."""

    source: tyro.conf.Positional[Folder]
    """Folder, table or config of the dataset, as `filmstock import` takes it."""
    from_: Annotated[str, tyro.conf.arg(name="from")] = "auto"
    """Its format: folder, table, videofolder, or a trainer's name; auto looks at the files."""
    videos: Folder | None = None
    """Folder of the videos that a table names. Default: the table's own."""
    column: Annotated[tuple[str, ...], tyro.conf.UseAppendAction] = ()
    """What a table's column is for, as for `filmstock import`: --column dense=long_caption."""
    limits: tyro.conf.OmitArgPrefixes[Limits] = Limits()
    """From where on a clip is named."""
    out: Folder | None = None
    """Folder to keep the measurements in, so that another audit measures only what is new. Default: none are kept."""
    json: Path | None = None
    """Write every finding to this file, one JSON object a line."""
    recipe: str | None = None
    """Recipe file or name; its [ingest] and [openclip] are used."""
    set: Annotated[tuple[str, ...], tyro.conf.UseAppendAction] = ()
    """Override a setting: --set ingest.text_frames=0; may be repeated."""


def main(argv: list[str]) -> int:
    """Parse the command line and run; exit code 3 says that something was found."""
    found = run(parse_args(Args, argv, STAGE))
    return EXIT_PARTIAL if found else EXIT_OK


def check_not_inside(out: Path, source: Location) -> None:
    """UserError for a file that is there and is of the dataset: audit changes nothing of it."""
    if isinstance(source, Path) and out.exists():
        there, here = out.resolve(), source.resolve()
        if here == there or here in there.parents:
            raise UserError(
                f"--json {out} is a file of what is audited; choose another, or remove it first"
            )


def run(args: Args) -> list[Finding]:
    """Measure the dataset, print what is wrong with it, and return that."""
    from jobs.imports.command import run as measure
    from jobs.select import command as select

    if args.json is not None:
        check_file(args.json, "--json")
        check_not_inside(args.json, args.source)
    options = ReadOptions(videos=args.videos, columns=parse_columns(args.column))
    with scratch(args.out) as out:
        recipe = folder_recipe(out, args.recipe, parse_overrides(args.set))
        recipe = replace(recipe, openclip=replace(recipe.openclip, model="none"))
        counts = measure(recipe, args.source, out, args.from_, options, store=False)
        folder = open_run(out)
        if counts.imported:
            select.run(SelectConfig(), folder)
        found = find_faults(folder, args.limits, recipe.caption.language)
    if args.json is not None:
        write_bytes(args.json, b"".join(map(finding_line, found)))
    report(found, counts.rows, args)
    return found


@contextmanager
def scratch(out: Location | None) -> Iterator[Location]:
    """The folder that was named, or one that is gone after the block."""
    if out is not None:
        check_run_folder(out)
        yield out
        return
    with tempfile.TemporaryDirectory(prefix="filmstock-audit-") as folder:
        yield Path(folder) / "run"


def finding_line(finding: Finding) -> bytes:
    """A finding as one line of JSON."""
    return (json.dumps({**vars(finding), "fix": finding.fix}) + "\n").encode()


def report(found: list[Finding], rows: int, args: Args) -> None:
    """Print each problem with how many clips have it, examples, and what would mend it."""
    named = {finding.name for finding in found}
    say(
        f"\naudit: {rows - len(named)} of {rows} clips of {args.source} have nothing wrong with them"
    )
    counts = Counter(finding.problem for finding in found)
    for problem, count in counts.most_common():
        some = [f for f in found if f.problem == problem]
        say(f"\n{count:>7}  {problem}: {some[0].fix}")
        for finding in some[:EXAMPLES]:
            say(f"           {finding.name}: {finding.value}")
        if count > EXAMPLES:
            say(
                f"           and {count - EXAMPLES} more"
                + ("" if args.json else "; --json lists all")
            )
