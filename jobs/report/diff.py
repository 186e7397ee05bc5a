"""``filmstock diff A B``: what entered, left and changed between two runs, two recipes, or two captioners.

A and B are run folders, or recipes that are tried on the clips of one run (``--on``). Clips are the same when their id
is; of sources that were cut otherwise, those are compared that share most of their time.
"""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tyro

from jobs.core.args import Folder, parse_args
from jobs.core.console import say
from jobs.core.errors import EXIT_OK, UserError
from jobs.core.recipe import load_recipe
from jobs.core.run import open_run
from jobs.core.writable import check_file
from jobs.report.compare import Changed, Diff, compare
from jobs.report.data import Run, read_run, steps_of
from jobs.report.diff_page import write_page
from pipeline import schema as s
from pipeline.store.paths import location

SHOWN = 12
"""Clips of each kind that are listed as text."""


@dataclass(frozen=True, kw_only=True)
class Args:
    """Compare two runs, two recipes on one run, or two captioners: clips, funnels, scores, captions."""

    a: tyro.conf.Positional[str]
    """Run folder; or a recipe, with --on."""
    b: tyro.conf.Positional[str]
    """Another."""
    on: Folder | None = None
    """Run folder whose clips two recipes decide on; nothing is written there."""
    html: Path | None = None
    """Write a page with pictures of the clips."""
    clips: int = SHOWN
    """Most clips of each kind that are listed."""
    json: bool = False
    """Print one JSON object instead, with every clip."""


def main(argv: list[str]) -> int:
    """Parse the command line and run."""
    args = parse_args(Args, argv, "diff")
    if args.clips < 1:
        raise UserError(f"--clips {args.clips}: list at least one")
    if args.html is not None:
        check_file(args.html, "--html")
    first, second = sides(args)
    diff = compare(first, second, args.a, args.b, same_manifest=args.on is not None)
    if args.json:
        say(json.dumps(dataclasses.asdict(diff), indent=2))
    else:
        for line in text_lines(diff, args.clips):
            say(line)
    if args.html is not None:
        write_page(args.html, diff, first, second)
        say(f"diff: pictures in {args.html}")
    return EXIT_OK


def sides(args: Args) -> tuple[Run, Run]:
    """The two runs, or one run as two recipes decide on it."""
    folders = [location(name).is_dir() for name in (args.a, args.b)]
    if args.on is None and all(folders):
        return read_run(open_run(args.a)), read_run(open_run(args.b))
    if args.on is None:
        name = args.a if not folders[0] else args.b
        what = "a recipe" if name.endswith(".toml") or location(name).is_file() else "no run folder"
        raise UserError(f"{name} is {what}; to compare recipes, say on which run: --on DIR")
    if any(folders):
        raise UserError("with --on, give two recipes; without it, two run folders")
    run = open_run(args.on)
    run.need("manifest")
    base = read_run(run)
    return by_recipe(base, args.a), by_recipe(base, args.b)


def by_recipe(run: Run, recipe: str) -> Run:
    """The run as a recipe's [select] would decide on it; its clips are not decoded, and nothing is written."""
    from jobs.core.recipe import to_toml
    from jobs.edits.apply import run_edits
    from jobs.select.command import decide

    loaded = load_recipe(recipe)
    (found,) = decide(run.folder, [loaded.select], run_edits(run.folder))
    rows = {row[s.CLIP_ID]: row for row in found.table.to_pylist()}
    mine = [rows[clip] for clip in run.column(s.CLIP_ID)]
    reasons = [row[s.REASONS] or [] for row in mine]
    return dataclasses.replace(
        run,
        decisions=_array([row[s.DECISION] for row in mine]),
        reasons=reasons,
        duplicate_of=[row[s.DUPLICATE_OF] for row in mine],
        steps=steps_of(loaded.select, reasons),
        select=loaded.select,
        recipe=to_toml(loaded),
    )


def _array(values: list[str]) -> Any:
    import numpy as np

    return np.array(values, dtype=str)


def text_lines(diff: Diff, most: int) -> list[str]:
    """The comparison as lines of text."""
    lines = [f"A {diff.a}: {diff.kept_a} of {diff.clips_a} clips kept, {diff.hours_a:.3f} hours"]
    lines += [f"B {diff.b}: {diff.kept_b} of {diff.clips_b} clips kept, {diff.hours_b:.3f} hours"]
    if diff.settings:
        lines += ["", "settings that differ"]
        lines += [f"  {key}: {a} -> {b}" for key, a, b in diff.settings]
    if diff.funnel:
        width = max(len(row.step) for row in diff.funnel)
        lines += ["", f"{'funnel':<{width}}  {'A left':>9}  {'B left':>9}  {'B - A':>8}"]
        for row in diff.funnel:
            change = "" if None in (row.a, row.b) else f"{(row.b or 0) - (row.a or 0):+,}"
            a, b = ("" if v is None else f"{v:,}" for v in (row.a, row.b))
            lines.append(f"{row.step:<{width}}  {a:>9}  {b:>9}  {change:>8}")
    for title, found in (
        ("entered (kept in B alone)", diff.entered),
        ("left (kept in A alone)", diff.left),
        ("decided otherwise, kept in neither", diff.otherwise),
    ):
        lines += ["", f"{title}: {len(found)}"]
        lines += [f"  {changed_line(clip)}" for clip in found[:most]]
        if len(found) > most:
            lines.append(f"  and {len(found) - most} more (--clips, --json, --html)")
    lines.append("")
    lines.append(f"kept in both: {diff.both}; cut otherwise, same stretch: {diff.recut}")
    for score in diff.scores:
        lines.append(
            f"  {score.name}: mean {score.a:.4g} -> {score.b:.4g} over {score.clips} clips of both"
        )
    for kind in diff.captions:
        lines += ["", f"captions, {kind.kind}: {kind.ok_a} -> {kind.ok_b} usable"]
        lines.append(f"  model {kind.model_a or '-'} -> {kind.model_b or '-'}")
        lines.append(
            f"  words, mean {kind.words_a:.1f} -> {kind.words_b:.1f}; {kind.changed} texts differ"
        )
        for clip, a, b in kind.examples[: max(1, most // 3)]:
            lines += [f"  {clip}", f"    A {a}", f"    B {b}"]
    if diff.same:
        lines += ["", "no difference"]
    return lines


def changed_line(clip: Changed) -> str:
    """One clip: where it is from, and why it is in or out on either side."""
    where = f"{clip.clip_id}  {clip.source} {clip.start_s:.1f}-{clip.end_s:.1f} s"
    return f"{where}  A: {clip.why_a}; B: {clip.why_b}"
