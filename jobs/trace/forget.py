"""``filmstock forget SOURCE|CLIP ... --run DIR``: take a work, and all that came of it, out of a run folder.

The plan is written first, then tombstones, then every table and file is rewritten or removed, and at the end every
byte that is left is searched. Killed at any moment, the same command goes on. Weights cannot be unlearned: the
checkpoints that saw the work are named with their steps.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any

import tyro

from jobs.core.args import Folder, parse_args
from jobs.core.console import say, warn
from jobs.core.errors import EXIT_OK, EXIT_PARTIAL, UserError
from jobs.core.lock import locked
from jobs.core.run import FORGETTING, RunFolder, open_run
from jobs.core.uses import exports_of, imports_of
from jobs.ingest.ledger import HIDDEN
from jobs.ingest.tombstones import FOLDER, add_tombstones, mark
from jobs.trace import rest, tables
from jobs.trace.buckets import kept_by_bucket
from jobs.trace.exports import take_out_of_export
from jobs.trace.plan import Plan, make_plan, read_plan, receipt, save_plan
from jobs.trace.search import remains
from jobs.trace.sightings import check_trained, runs_of_steps
from jobs.trace.targets import Names
from pipeline.source.listing import told_uri
from pipeline.store.atomic import append_line, sweep
from pipeline.store.paths import Location, location, typed

RECEIPTS = "receipts.jsonl"


@dataclass(frozen=True, kw_only=True)
class Args:
    """Take sources or clips out of a run folder, its shards, latents and exports, for good."""

    what: Annotated[
        tuple[str, ...], tyro.conf.Positional, tyro.conf.arg(metavar="SOURCE|CLIP ...")
    ] = ()
    """Sources (id, path, URI or file name) and clips (id); the start of an id will do. None: finish what was killed."""
    run: Folder
    """Run folder."""
    trained: Annotated[tuple[Path, ...], tyro.conf.UseAppendAction] = ()
    """Folder of a training that used it; may be repeated. Those noted in the run folder or beside it are found."""
    dry_run: bool = False
    """Say what would go, and which checkpoints saw it; change nothing."""
    verify: bool = True
    """Search every byte of what is left at the end; reads the whole folder."""
    old_versions: bool = False
    """In a bucket of S3: also remove every old version and unfinished upload below the run folder and its exports."""
    json: bool = False
    """Print one JSON object instead."""


def main(argv: list[str]) -> int:
    """Parse the command line and run."""
    args = parse_args(Args, argv, "forget")
    run = open_run(args.run)
    if not run.path.is_dir():
        raise UserError(f"{run} is no folder; give the run folder that ingest wrote")
    if not any((run / name).exists() for name in ("manifest", "clips", "shards", HIDDEN)):
        raise UserError(f"{run} holds no run; give the run folder that ingest wrote")
    check_trained(args.trained)
    if args.dry_run:
        plan = plan_of(run, args.what, list(args.trained))
        tell(run, plan, would=True, as_json=args.json)
        return EXIT_OK
    with locked(run.path, "forget"):
        return forget(run, args)


def forget(run: RunFolder, args: Args) -> int:
    """Finish what was killed, then do what is asked; the exit code says whether nothing is left."""
    exports = exports_of(run.path)
    if not args.what and not args.old_versions and read_plan(run) is None:
        raise UserError(f"name what to forget: filmstock forget SOURCE|CLIP ... --run {typed(run)}")
    left = take_out(run, args)
    kept = bucket_lines(run, exports, remove=args.old_versions)
    for line in kept:
        warn(line)
    for name, needle in left:
        warn(f"{name} still holds {needle[:80]!r}; remove it, or what it says, by hand")
    return EXIT_PARTIAL if left or kept else EXIT_OK


def take_out(
    run: RunFolder, args: Args, within: tuple[Location, ...] = ()
) -> list[tuple[str, str]]:
    """The same without a word on buckets; returns (file, what it still holds). ``within``: runs this is a part of."""
    left: list[tuple[str, str]] = []
    note = warn if args.json else say
    words = list(args.what)
    if (old := read_plan(run)) is not None:
        note(f"forget: going on with what was cut short in {run}")
        left += carry_out(run, old, args, within)
        if not (args.json and within):
            tell(run, old, would=False, as_json=args.json)
        words = [word for word in words if word not in old.targets.words]
    known = known_marks(run)
    done = [word for word in words if mark(word) in known]
    for word in done:
        note(f"forget: {word} was forgotten before; nothing to do")
    words = [word for word in words if word not in done]
    if words:
        plan = plan_of(run, words, list(args.trained))
        save_plan(run, plan)
        left += carry_out(run, plan, args, within)
        if not (args.json and within):  # one object, of the run that was named
            tell(run, plan, would=False, as_json=args.json)
    return left


def plan_of(run: RunFolder, words: Any, trained: list[Path]) -> Plan:
    """What the words mean and all that came of it."""
    names = Names(run)
    return make_plan(run, names, names.resolve(list(words)), trained)


def carry_out(
    run: RunFolder, plan: Plan, args: Args, within: tuple[Location, ...]
) -> list[tuple[str, str]]:
    """Do what the plan says, from its start or from where a kill left it; returns what still holds something."""
    targets, verify = plan.targets, args.verify
    imports = forget_in_imports(plan, args, (*within, run.path.absolute()))
    add_tombstones(run.path, targets.sources, targets.spans())
    for _ in steps(run, plan):
        pass
    rest.mend_markers(run, plan.fresh)
    needles = plan.needles()
    left = imports + (remains(run.path, needles, skip=(FOLDER,)) if verify else [])
    for folder in {each.folder for each in plan.sightings} if verify else ():
        names = plan.names()
        left += [(f"{folder}/{name}", hit) for name, hit in remains(Path(folder), names)]
    for folder in [each.folder for each in plan.imports] if verify else ():
        found = remains(location(folder), needles, skip=(FOLDER,))
        left += [(f"{folder}/{name}", hit) for name, hit in found]
    for folder in plan.exports if verify else ():
        if location(folder).is_dir():
            found = remains(location(folder), needles)
            left += [(f"{folder}/{name}", hit) for name, hit in found]
    names_of = (*plan.told_names(), *targets.words)
    marks = {name: mark(name) for name in names_of}
    body = {"time_s": round(time.time(), 3), **receipt(plan, marks)}
    if not set(body["marks"]) <= known_marks(run):
        append_line(run / FOLDER / RECEIPTS, json.dumps(body).encode() + b"\n")
    sweep(run.path / FOLDER)  # of a plan, or of what a kill left of one
    (run / FORGETTING).unlink(missing_ok=True)
    return left


def forget_in_imports(
    plan: Plan, args: Args, within: tuple[Location, ...]
) -> list[tuple[str, str]]:
    """Take the work out of the run folders that imported it, each with all that came of it there; what is left."""
    left: list[tuple[str, str]] = []
    for each in plan.imports:
        run = open_run(each.folder)
        if run.path.is_dir() and run.path.absolute() not in within:
            there = replace(args, what=each.words, run=run.path, trained=())
            with locked(run.path, "forget"):
                left += [(f"{run}/{name}", hit) for name, hit in take_out(run, there, within)]
    return left


def steps(run: RunFolder, plan: Plan) -> Iterator[str]:
    """Every file that changes, in the order in which it does: what is farthest from the source goes first."""
    gone = tables.Gone(clips=list(plan.targets.clips), sources=plan.targets.sources)
    names = plan.names()
    for each in plan.sightings:
        folder = Path(each.folder)
        if folder.is_dir():
            drawn = bool(each.held_out) or each.command == "train-vae"
            yield from rest.take_out_of_training(folder, drawn, names)
    for export in plan.exports:
        if location(export).is_dir():
            yield from take_out_of_export(location(export), gone, plan.needles())
    yield from tables.take_out_shards(run, gone)
    yield from tables.take_out_latents(run, gone, in_line=plan.latents_in_line)
    yield from tables.take_out_clips(run, gone)
    yield from rest.take_out_records(run, gone, plan.targets.clips)
    yield from rest.take_out_rest(run, gone, plan.needles())


def bucket_lines(run: RunFolder, exports: list[str], *, remove: bool) -> list[str]:
    """What buckets keep besides the objects of a run folder and its exports, a line for each folder."""
    folders = [run.path, *(location(export) for export in exports)]
    found = {str(folder): kept_by_bucket(folder, remove=remove) for folder in folders}
    return [kept.told(name) for name, kept in found.items() if kept]


def known_marks(run: RunFolder) -> set[str]:
    """Marks of everything that was forgotten here before."""
    path = run / FOLDER / RECEIPTS
    lines = path.read_text().splitlines() if path.is_file() else []
    return {name for line in lines for name in json.loads(line)["marks"]}


def tell(run: RunFolder, plan: Plan, *, would: bool, as_json: bool) -> None:
    """Print what goes or went, which checkpoints saw it, and what to do next."""
    targets = plan.targets
    if as_json:
        names = {name: name for name in plan.told_names()}
        body = {"run": str(run), "dry_run": would, **receipt(plan, names)}
        say(json.dumps(body | {"uris": list(targets.uris)}, indent=2))
        return
    verb = "would take out" if would else "took out"
    rows = ", ".join(f"{name} {count}" for name, count in plan.counts.items()) or "none"
    sources = f"{len(targets.sources)} sources and " if targets.sources else ""
    say(f"forget: {verb} {sources}{len(targets.clips)} clips; rows: {rows}")
    for uri in targets.uris:
        say(f"  {told_uri(uri)}")
    for imported in plan.imports:
        count = len(imported.words)
        say(f"  import {imported.folder}: {verb} {count} of its sources and clips")
    direct = {imported.folder for imported in plan.imports}
    for each in plan.elsewhere if would else ():
        if each.folder not in direct:
            say(f"  import {each.folder}, of an import: {verb} {len(each.clips)} clips")
    lost = ": no such folder any more; a copy elsewhere stays"
    for folder in imports_of(run.path):
        if not location(folder).is_dir():
            say(f"  import {folder}{lost}")
    for folder in plan.exports:
        say(f"  export {folder}" + ("" if location(folder).is_dir() else lost))
    for seen in plan.sightings:
        for line in sighting_lines(seen):
            say(f"  {line}")
    if not plan.sightings:
        say("  no training that is known of saw them (name others with --trained DIR)")
    if plan.orphans:
        say(f"  {plan.orphans} clips were rejected as duplicates of these; select may take them in")
    if would:
        say("forget: nothing was changed (--dry-run)")
    else:
        say(
            f"next: filmstock select {typed(run)}, then caption, pack and encode; filmstock report {typed(run)}"
        )


def sighting_lines(each: Any) -> Iterator[str]:
    """What a training saw, in words."""
    files = ", ".join(each.checkpoints) or "no checkpoint"
    done = "" if each.steps_done is None else f", {each.steps_done} steps"
    yield f"{each.command} {each.folder} ({files}{done})"
    for clip, found in sorted(each.seen.items()):
        yield f"  saw {clip} at steps {runs_of_steps(found)}"
    if each.held_out:
        yield f"  measured on {', '.join(each.held_out)} (held out, never trained on)"
    if each.from_weights_of:
        yield f"  began with the weights of {each.from_weights_of}, which saw some of them"
    if each.note:
        yield f"  {each.note}"
