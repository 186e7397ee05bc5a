"""``filmstock retry DIR --only TYPE``: ingest one class of quarantined sources again, with the run's own recipe.

The old record of a source stands until its new one replaces it, so a retry that is killed loses nothing, and the
same command goes on with what is left.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import tyro

from jobs.args import parse_args
from jobs.console import say
from jobs.errors import EXIT_OK, EXIT_PARTIAL, UserError, unknown
from jobs.ingest_commit import HIDDEN, Ledger
from jobs.ingest_report import failure_of, is_quarantined
from jobs.recipe import RESOLVED, Recipe, load_recipe, parse_override
from pipeline import schema as s

STAGE = "retry"
MAY_CHANGE = ("ingest.deadline_s", "ingest.memory_bytes")
"""Settings a retry may override: they decide whether a source goes through, never what its rows are."""


@dataclass(frozen=True, kw_only=True)
class Args:
    """Ingest quarantined sources again: all that failed with one type of error."""

    folder: tyro.conf.Positional[Path]
    """Run folder that `filmstock ingest` or `filmstock curate` wrote."""
    only: str | None = None
    """Type of failure to retry, e.g. timeout; --list shows the types that are there."""
    stage: str | None = None
    """Retry only failures of this stage, e.g. decode."""
    list: bool = False
    """Show how many sources failed in which way, and change nothing."""
    set: Annotated[tuple[str, ...], tyro.conf.UseAppendAction] = ()
    """More patience than the run had: --set ingest.deadline_s=600 or --set ingest.memory_bytes=8589934592."""


def main(argv: list[str]) -> int:
    """Parse the command line and run."""
    args = parse_args(Args, argv, "retry")
    bad = quarantined(args.folder)
    if args.list:
        show(bad, args.folder)
        return EXIT_OK
    if args.only is None:
        raise UserError(f"name a type of failure with --only; {present(bad)}")
    chosen = choose(bad, args.only, args.stage)
    return run(args.folder, chosen, recipe_of(args.folder, args.set))


def run(folder: Path, chosen: list[dict[str, Any]], recipe: Recipe) -> int:
    """Ingest the ``chosen`` records' sources again; the exit code says whether all went through."""
    from jobs import ingest

    say(f"retry: {len(chosen)} sources back to ingest: {tally(chosen)}")
    uris = [str(record[s.SOURCE_URI]) for record in chosen]
    ingest.run_files(recipe.ingest, recipe.clip, uris, folder, frozenset(uris))
    ledger = Ledger(folder)
    ends = [record for uri in uris if (record := ledger.read(uri)) is not None]
    still = [record for record in ends if is_quarantined(record)]
    say(f"retry: {len(ends) - len(still)} done now, {len(still)} still quarantined{because(still)}")
    if len(still) < len(ends) and (folder / "selection.parquet").exists():
        say(f"retry: filmstock select, caption and pack {folder} take the new clips in")
    return EXIT_PARTIAL if still else EXIT_OK


def quarantined(folder: Path) -> list[dict[str, Any]]:
    """Records of the quarantined sources of a run folder, in order of their names."""
    if not (folder / HIDDEN).is_dir():
        raise UserError(f"{folder} holds no ingest; give a folder that filmstock ingest wrote")
    bad = [record for record in Ledger(folder).all() if is_quarantined(record)]
    return sorted(bad, key=lambda record: str(record[s.SOURCE_URI]))


def choose(bad: list[dict[str, Any]], only: str, stage: str | None) -> list[dict[str, Any]]:
    """Records with this type of failure (and stage); an error that names those there are when none has."""
    types = {failure_of(record)[1] for record in bad}
    if only not in types:
        hint = unknown("type", only, types) if types else f"no source failed with {only!r}"
        raise UserError(f"--only: {hint}; {present(bad)}")
    of_type = [record for record in bad if failure_of(record)[1] == only]
    chosen = [record for record in of_type if stage in (None, failure_of(record)[0])]
    if not chosen:
        raise UserError(f"--stage: no source failed with {stage}/{only}; {present(bad)}")
    return chosen


def recipe_of(folder: Path, overrides: Iterable[str]) -> Recipe:
    """The run's own recipe; only a deadline and a memory cap may differ from it."""
    path = folder / RESOLVED
    if not path.is_file():
        raise UserError(f"{folder} has no {RESOLVED}: let filmstock ingest come to its end first")
    changes = dict(parse_override(text) for text in overrides)
    for name in changes:
        if name not in MAY_CHANGE:
            allowed = " and ".join(MAY_CHANGE)
            raise UserError(f"--set {name}: it would change the rows; a retry may set {allowed}")
    return load_recipe(path, changes)


def show(bad: list[dict[str, Any]], folder: Path) -> None:
    """Print one line for each kind of failure, the most frequent first."""
    if not bad:
        say(f"retry: no source of {folder} is quarantined")
        return
    say(f"{'sources':>7}  stage/type")
    for (stage, kind), count in Counter(map(failure_of, bad)).most_common():
        say(f"{count:>7}  {stage}/{kind}")


def present(bad: Iterable[dict[str, Any]]) -> str:
    """What failed, in a few words: ``there are 2 decode/timeout, 1 open/invalid_data``."""
    words = tally(bad)
    return f"there are {words}" if words else "no source is quarantined"


def because(still: list[dict[str, Any]]) -> str:
    """The failures that are left, as the end of a sentence."""
    return f": {tally(still)}" if still else ""


def tally(records: Iterable[dict[str, Any]]) -> str:
    """``2 decode/timeout, 1 probe/timeout``, the most frequent first."""
    counts = Counter("/".join(failure_of(record)) for record in records)
    return ", ".join(f"{count} {name}" for name, count in counts.most_common())
