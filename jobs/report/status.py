"""``filmstock status DIR``: what is done in a folder, stale, missing, incomplete or locked, and what to run next."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any

import tyro

from jobs.core.args import Folder, parse_args
from jobs.core.console import say
from jobs.core.errors import EXIT_OK, UserError
from jobs.core.lock import lock_holder
from jobs.core.run import MADE_BY, RunFolder, open_run
from jobs.core.writable import trainer_of
from jobs.edits.fresh import Inputs
from jobs.ingest.retry import IMPORTS
from jobs.report.progress import read_watched, watched_lines
from jobs.report.status_page import serve_status
from jobs.web.server import WebArgs
from pipeline.bounds import Positive, check_bounds
from pipeline.store.paths import typed

TRAINERS = ("train-dit", "train-vae", "train-captioner", "train-clip", "pretrain-captioner")
"""Commands whose --out may be the folder."""
STATES = ("state.pt", "checkpoint.pt", "checkpoints")
"""Files, or a folder of them, that a trainer goes on from."""
NAMED = 3
"""Changed files that are named."""
COUNTS = {
    "ingest": "{clips} clips",
    "select": "{kept} clips kept",
    "caption": "{ok} of {rows} captions of {clips} clips",
    "truth": "{rows} captions checked, {flagged} with a fault",
    "pack": "{packed} clips, {hours:.3f} hours",
    "encode": "{clips} clips with {captions} captions",
}
"""What the marker of a finished stage says."""


class State(StrEnum):
    """How a stage stands."""

    DONE = "done"
    STALE = "stale"
    MISSING = "missing"
    INCOMPLETE = "incomplete"
    LOCKED = "locked"


@dataclass(frozen=True, kw_only=True)
class Args(WebArgs):
    """One line a stage: done, stale, missing, incomplete or locked, and the command to run. Changes nothing.

    Then what runs, with rate and time left, failures by type, and losses of trainings that use the folder.
    """

    folder: tyro.conf.Positional[Folder]
    """Run folder of curate or of its stages, or the --out of a trainer."""
    json: bool = False
    """Print one JSON object instead."""
    watch: bool = False
    """Print it again every few seconds, until Ctrl-C."""
    every: Positive = 3.0
    """Seconds between two looks of --watch."""
    web: bool = False
    """Show it as a page in the browser, with curves and samples of trainings; --host and --port as for view."""

    def __post_init__(self) -> None:
        super().__post_init__()
        check_bounds(self)
        if self.web and (self.json or self.watch):
            other = "--json" if self.json else "--watch"
            raise ValueError(f"{other} and --web are two ways to show it; give one of them")


@dataclass(frozen=True, kw_only=True)
class Line:
    """One stage."""

    stage: str
    """Name of its command."""
    state: State
    """How it stands."""
    note: str
    """What there is, or what is wrong."""
    command: str = ""
    """What brings it up to date; empty when it is done."""


def main(argv: list[str]) -> int:
    """Parse the command line and run."""
    args = parse_args(Args, argv, "status")
    run = open_run(args.folder)
    if args.web:
        serve_status(run, status_body, args)
        return EXIT_OK
    while True:
        if args.json:
            say(json.dumps(status_body(run), indent=None if args.watch else 2))
        else:
            lines = list(text_lines(run))
            clear = "\x1b[2J\x1b[H" if args.watch and sys.stdout.isatty() else ""
            say(clear + "\n".join(lines))
        if not args.watch:
            return EXIT_OK
        time.sleep(args.every)


def text_lines(run: RunFolder) -> Iterator[str]:
    """The lines of the stages, what runs, what failed, trainings, and what comes next."""
    lines = read_status(run)
    for line in lines:
        end = f"; {line.command}" if line.command else ""
        yield f"{line.stage:<10} {line.state:<10} {line.note}{end}".rstrip()
    yield from watched_lines(read_watched(run))
    then = next_command(lines)
    if any(line.state == State.LOCKED for line in lines):
        yield "next: wait for what is running"
    else:
        yield f"next: {then}" if then else "nothing is left to do"


def status_body(run: RunFolder) -> dict[str, Any]:
    """What the page and ``status --json`` have."""
    lines, found = read_status(run), read_watched(run)
    return {
        "folder": str(run),
        "stages": [asdict(line) for line in lines],
        "next": next_command(lines),
        "progress_of": [[each.stage, asdict(each)] for each in found.stages],
        "failures": found.failures,
        "trainings": [asdict(each) for each in found.trainings],
    }


def read_status(run: RunFolder) -> list[Line]:
    """A line for each stage that the folder can have, in the order of the data flow; UserError for no such folder."""
    if not run.path.is_dir():
        raise UserError(f"{run} is no folder; give a run folder, or the --out of a trainer")
    if trained := [line for name in TRAINERS for line in _trainer(run, name)]:
        return trained
    if not any((run / name).exists() for name in (*MADE_BY, ".ingest")):
        raise UserError(
            f"{run} holds neither a run nor a training; filmstock curate SRC... --out {typed(run)} makes one"
        )
    return list(_stages(run))


def next_command(lines: list[Line]) -> str:
    """What to run next: the command of the first stage that is not done; empty while one is running, or at the end."""
    if any(line.state == State.LOCKED for line in lines):
        return ""
    return next((line.command for line in lines if line.command), "")


def incomplete(run: RunFolder) -> str | None:
    """One line for who looks at a run of which something is not up to date, None when all that there is is."""
    lines = [line for line in _stages(run) if line.state not in (State.DONE, State.MISSING)]
    if not lines:
        return None
    told = "; ".join(f"{line.stage} is {line.state}: {line.note}" for line in lines)
    return f"{told} (filmstock status {typed(run)} says what to run)"


def _stages(run: RunFolder) -> Iterator[Line]:
    """The stages of curate, and encode."""
    seen = Inputs(run)
    holder = lock_holder(run.path)
    outputs: dict[str, list[str]] = {}
    for table, stage in MADE_BY.items():
        outputs.setdefault(stage, []).append(table)
    if run.done_info("world") is not None:  # shards that were rendered have nothing before them
        yield Line(stage="world", state=State.DONE, note="shards of the synthetic world")
        outputs = {"encode": outputs["encode"]}
    for stage, tables in outputs.items():
        if stage == "truth" and not (run / "truth").exists():
            continue
        command = f"filmstock {_COMMANDS.get(stage, stage + ' {run}')}".format(run=typed(run))
        if holder is not None and holder.get("command", stage) == stage:
            who = f"process {holder.get('pid', '?')} on {holder.get('host', '?')} is writing"
            yield Line(stage=stage, state=State.LOCKED, note=who)
            continue
        state, note = _state(run, stage, tables, seen)
        if stage == "encode" and state == State.MISSING and _none_packed(run):
            note, command = "no clip was packed", f"filmstock select {typed(run)} --what-if RULE"
        yield Line(
            stage=stage, state=state, note=note, command="" if state == State.DONE else command
        )


_COMMANDS = {"ingest": "ingest SRC... --out {run}", "truth": "caption {run}"}
"""Stages whose command takes more than the folder, or is another's."""


def _state(run: RunFolder, stage: str, tables: list[str], seen: Inputs) -> tuple[State, str]:
    there = [table for table in tables if (run / table).exists()]
    begun = there or (stage == "ingest" and (run / ".ingest").exists())
    info = run.done_info(stage)
    if not begun:
        return State.MISSING, ""
    if info is None:
        return State.INCOMPLETE, "it has not come to its end"
    gone = [name for name in info.get("outputs", []) if not (run / name).exists()]
    if gone:
        return State.INCOMPLETE, f"{', '.join(gone)} is gone"
    if stage == "ingest" and (lost := _lost(run)):
        return State.INCOMPLETE, f"files of {lost} sources are gone"
    if changed := seen.changed(tables[-1]):
        return State.STALE, f"{' and '.join(changed)} changed since it ran"
    if stage == "ingest" and (why := _changed_files(run)):
        return State.STALE, why
    if stage == "ingest" and (moved := _moved(run, seen)):
        return State.STALE, f"ends of {moved} clips were moved by hand since it ran"
    if stage == "encode" and (why := _stale_latents(run)):
        return State.STALE, why
    return State.DONE, _counted(stage, info)


def _lost(run: RunFolder) -> int:
    from jobs.ingest.ledger import lost_parts

    return lost_parts(run.path)


def _moved(run: RunFolder, seen: Inputs) -> int:
    """Clips whose ends were moved and not cut anew; a dataset says itself where its clips lie."""
    return 0 if (run / IMPORTS).is_file() else len(seen.edits.cuts())


def _none_packed(run: RunFolder) -> bool:
    return (run.done_info("pack") or {}).get("packed") == 0


def _changed_files(run: RunFolder) -> str:
    from jobs.ingest.changed import changed_files

    sidecars = run.recipe().ingest.sidecars if run.has_recipe() else True
    changed = changed_files(run.path, sidecars=sidecars)
    if not changed:
        return ""
    more = len(changed) - NAMED
    told = ", ".join(changed[:NAMED]) + (f" and {more} more" if more > 0 else "")
    return f"{told} changed since it ran"


def _stale_latents(run: RunFolder) -> str:
    from pipeline.latents.stale import refuse_stale

    try:
        refuse_stale(str(run / "latents"))
    except ValueError:
        return "shards changed since it ran"
    return ""


def _counted(stage: str, info: dict[str, Any]) -> str:
    try:
        told = COUNTS[stage].format(**info)
    except (KeyError, ValueError):  # a marker of another filmstock
        return ""
    left = {"unreadable": "could not be read", "uncaptioned": "have no caption"}
    lacking = [f"{info[name]} {why}" for name, why in left.items() if info.get(name)]
    return ", ".join([told, *lacking])


def _trainer(run: RunFolder, name: str) -> Iterator[Line]:
    """The line of a trainer whose folder this is; nothing when it is not."""
    info = run.done_info(name)
    state = next((run / file for file in STATES if (run / file).exists()), None)
    if info is None and trainer_of(run.path) != name:
        return
    if (holder := lock_holder(run.path)) is not None:
        who = f"process {holder.get('pid', '?')} on {holder.get('host', '?')} is training"
        yield Line(stage=name, state=State.LOCKED, note=who)
    elif info is not None:
        yield Line(stage=name, state=State.DONE, note=", ".join(info.get("outputs", [])))
    else:
        step = run.last_step()
        note = f"stopped after step {step}" if step else "it has not come to its end"
        again = "the command that began it" + ("" if state else ", from its start")
        yield Line(stage=name, state=State.INCOMPLETE, note=note, command=again)
