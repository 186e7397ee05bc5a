"""``filmstock retry DIR --only TYPE``: ingest one class of quarantined sources again, with the run's own recipe.

The old record of a source stands until its new one replaces it, so a retry that is killed loses nothing, and the
same command goes on with what is left.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from tempfile import TemporaryFile
from typing import IO, Annotated, Any

import tyro

from jobs.core.args import Folder, parse_args
from jobs.core.console import say
from jobs.core.errors import EXIT_OK, EXIT_PARTIAL, UserError, unknown
from jobs.core.recipe import RESOLVED, Recipe, load_recipe, parse_overrides
from jobs.ingest.ledger import HIDDEN, Ledger
from jobs.ingest.summary import failure_of, is_quarantined
from pipeline import schema as s
from pipeline.store.paths import Location, typed

STAGE = "retry"
IMPORTS = "imports.parquet"
"""Table of a run folder that was imported: only its dataset says which clips a source has."""
MAY_CHANGE = ("ingest.deadline_s", "ingest.memory_bytes")
"""Settings a retry may override: they decide whether a source goes through, never what its rows are."""


Failures = Counter[tuple[str, str]]
"""How many sources failed in which way, (stage, type)."""


@dataclass(frozen=True, kw_only=True)
class Args:
    """Ingest quarantined sources again: all that failed with one type of error."""

    folder: tyro.conf.Positional[Folder]
    """Run folder that `filmstock ingest` or `filmstock curate` wrote."""
    only: str | None = None
    """Type of failure to retry, e.g. timeout; --list shows the types that are there."""
    stage: str | None = None
    """Retry only failures of this stage, e.g. decode."""
    list: bool = False
    """Show how many sources failed in which way (those of --only and --stage), and change nothing."""
    set: Annotated[tuple[str, ...], tyro.conf.UseAppendAction] = ()
    """More patience than the run had: --set ingest.deadline_s=600 or --set ingest.memory_bytes=8589934592."""


def main(argv: list[str]) -> int:
    """Parse the command line and run."""
    args = parse_args(Args, argv, "retry")
    bad = failures(args.folder)
    if args.only is None and not args.list:
        raise UserError(f"name a type of failure with --only; {present(bad)}")
    chosen = choose(bad, args.only, args.stage)
    if args.list:
        show(chosen, args.folder)
        return EXIT_OK
    return run(args.folder, chosen, recipe_of(args.folder, args.set))


def run(folder: Location, chosen: Failures, recipe: Recipe) -> int:
    """Ingest the sources that failed in a ``chosen`` way again; the exit code says whether all went through."""
    from jobs.ingest import command as ingest

    ingest.check_config(recipe.ingest)
    say(f"retry: {chosen.total()} sources back to ingest: {tally(chosen)}")
    with TemporaryFile() as names:  # their records change while they are retried
        for record in quarantined(folder):
            if failure_of(record) in chosen:
                names.write(json.dumps(record[s.SOURCE_URI]).encode() + b"\n")
        names.seek(0)
        ingest.run_files(recipe.ingest, recipe.openclip, in_order(names), folder, again=True)
        names.seek(0)
        ledger, still, count = Ledger(folder), Failures(), 0
        for _, _, uri in in_order(names):
            if end := ledger.read(uri):
                count += 1
                still.update([failure_of(end)] if is_quarantined(end) else [])
    left = still.total()
    say(f"retry: {count - left} done now, {left} still quarantined{because(still)}")
    if left < count and (folder / "selection.parquet").exists():
        say(f"retry: filmstock select, caption and pack {typed(folder)} take the new clips in")
    return EXIT_PARTIAL if left else EXIT_OK


def in_order(names: IO[bytes]) -> Iterator[tuple[int, bytes, str]]:
    """Sources of a file with one JSON text a line, as ``list_sources`` finds them."""
    for number, line in enumerate(names):
        yield 0, number.to_bytes(8, "big"), json.loads(line)


def failures(folder: Location) -> Failures:
    """How many sources of a run folder failed in which way."""
    if not (folder / HIDDEN).is_dir():
        raise UserError(f"{folder} holds no ingest; give a folder that filmstock ingest wrote")
    if (folder / IMPORTS).is_file():
        raise UserError(
            f"{folder} was imported: run the same filmstock import again, with --retry TYPE"
        )
    return Failures(map(failure_of, quarantined(folder)))


def quarantined(folder: Location) -> Iterator[dict[str, Any]]:
    """Records of the quarantined sources of a run folder, in order of their names."""
    return filter(is_quarantined, Ledger(folder).all())


def choose(bad: Failures, only: str | None, stage: str | None) -> Failures:
    """Those with this type of failure and stage, all where none is asked for; an error that names those there are
    when none has it."""
    types = {kind for _, kind in bad}
    if only is not None and only not in types:
        hint = unknown("type", only, types) if types else f"no source failed with {only!r}"
        raise UserError(f"--only: {hint}; {present(bad)}")
    chosen = {
        way: n for way, n in bad.items() if only in (None, way[1]) and stage in (None, way[0])
    }
    if not chosen and stage is not None:
        way = f"{stage}/{only}" if only else f"stage {stage!r}"
        raise UserError(f"--stage: no source failed with {way}; {present(bad)}")
    return Failures(chosen)


def recipe_of(folder: Location, overrides: Iterable[str]) -> Recipe:
    """The run's own recipe; only a deadline and a memory cap may differ from it."""
    path = folder / RESOLVED
    if not path.is_file():
        raise UserError(f"{folder} has no {RESOLVED}: let filmstock ingest come to its end first")
    changes = parse_overrides(overrides)
    for name in changes:
        if name not in MAY_CHANGE:
            allowed = " and ".join(MAY_CHANGE)
            raise UserError(f"--set {name}: it would change the rows; a retry may set {allowed}")
    return load_recipe(path, changes)


def show(bad: Failures, folder: Location) -> None:
    """Print one line for each kind of failure, the most frequent first."""
    if not bad:
        say(f"retry: no source of {folder} is quarantined")
        return
    say(f"{'sources':>7}  stage/type")
    for (stage, kind), count in bad.most_common():
        say(f"{count:>7}  {stage}/{kind}")


def present(bad: Failures) -> str:
    """What failed, in a few words: ``there are 2 decode/timeout, 1 open/invalid_data``."""
    return f"there are {tally(bad)}" if bad else "no source is quarantined, so leave it"


def because(still: Failures) -> str:
    """The failures that are left, as the end of a sentence."""
    return f": {tally(still)}" if still else ""


def tally(bad: Failures) -> str:
    """``2 decode/timeout, 1 probe/timeout``, the most frequent first."""
    return ", ".join(f"{count} {'/'.join(way)}" for way, count in bad.most_common())
