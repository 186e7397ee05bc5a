"""``filmstock select DIR --what-if PREDICATE``: what another predicate would change, without writing anything."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

import numpy as np

from jobs.core.errors import UserError
from pipeline import schema
from pipeline.select.predicates import mentioned
from pipeline.select.select import Selection

BOUND = re.compile(r"\s*(\w+)\s*(<=|>=|<|>)\s*[-+0-9.eE]+\s*")
"""A bound on one column, such as ``motion_mean > 0.3``."""
NAMED = re.compile(r"\s*([a-z][a-z0-9_]*)\s*:(?!:)\s*(.+)", re.DOTALL)
"""``REASON: predicate``; two colons are a cast."""
ADDED = "what_if"
"""Reason of a predicate that replaces none."""


def apply_what_if(
    where: Mapping[str, str], texts: Sequence[str], columns: list[str]
) -> tuple[dict[str, str], list[str]]:
    """The recipe's predicates with ``texts`` in place, and a line for each on what it replaces or adds.

    ``REASON: predicate`` replaces, or adds, that reason. A bound on a column replaces the recipe's bound from the
    same side on that column. Any other predicate replaces the only one that reads the same columns, or is added.

    Raises:
        UserError: several of the recipe's predicates could be meant.
    """
    changed = dict(where)
    lines = []
    for text in texts:
        named = NAMED.fullmatch(text)
        reason, predicate = (named[1], named[2]) if named else (None, text)
        if reason is None:
            reason = _replaced(changed, predicate, columns) or _free(changed)
        before = changed.get(reason)
        changed[reason] = predicate.strip()
        was = f"now {before}" if before is not None else "a new predicate"
        lines.append(f"what if {reason}: {changed[reason]} ({was})")
    return changed, lines


def what_if_lines(now: Selection, then: Selection) -> list[str]:
    """Clips and hours kept by both selections of the same clips, and the steps that differ."""
    ends = (now.funnel[-1], then.funnel[-1])
    lines = [f"{'':<10}{'kept':>10}  {'hours':>10}"]
    for name, row in zip(("now", "then"), ends, strict=True):
        lines.append(f"{name:<10}{row.clips:>10,}  {row.hours:>10.4f}")
    clips, hours = ends[1].clips - ends[0].clips, ends[1].hours - ends[0].hours
    lines.append(f"{'change':<10}{clips:>+10,}  {hours:>+10.4f}")
    kept = [np.asarray(s.table[schema.DECISION]) == str(schema.Decision.KEEP) for s in (now, then)]
    gone, back = int((kept[0] & ~kept[1]).sum()), int((kept[1] & ~kept[0]).sum())
    lines.append(f"{gone:,} kept clips would go, {back:,} would come back; nothing was written")
    return lines + _steps(now, then)


def _steps(now: Selection, then: Selection) -> list[str]:
    """A table of the steps whose counts differ."""
    counts = [
        {row.step: (row.removes, row.only) for row in each.funnel[1:-1]} for each in (now, then)
    ]
    steps = [
        step
        for step in {**counts[0], **counts[1]}
        if counts[0].get(step, (0, 0)) != counts[1].get(step, (0, 0))
    ]
    if not steps:
        return []
    width = max(len("step"), *(len(step) for step in steps))
    lines = [
        f"{'step':<{width}}  {'removes now':>12}  {'then':>9}  {'only it now':>12}  {'then':>9}"
    ]
    for step in steps:
        (removes, only), (removes_then, only_then) = (c.get(step, (0, 0)) for c in counts)
        lines.append(
            f"{step:<{width}}  {removes:>12,}  {removes_then:>9,}  {only:>12,}  {only_then:>9,}"
        )
    return lines


def _replaced(where: Mapping[str, str], predicate: str, columns: list[str]) -> str | None:
    """Reason of the predicate that ``predicate`` takes the place of; None when there is none."""
    bound = BOUND.fullmatch(predicate)
    found = []
    for reason, text in where.items():
        other = BOUND.fullmatch(text)
        if bound and other:
            if bound[1].lower() == other[1].lower() and bound[2][0] == other[2][0]:
                found.append(reason)
        elif mentioned(predicate, columns) == mentioned(text, columns) != []:
            found.append(reason)
    if len(found) > 1:
        raise UserError(
            f"--what-if {predicate!r} could replace {', '.join(found)}; "
            f"say which, e.g. --what-if '{found[0]}: {predicate}'"
        )
    return found[0] if found else None


def _free(where: Mapping[str, str]) -> str:
    name, number = ADDED, 2
    while name in where:
        name, number = f"{ADDED}_{number}", number + 1
    return name
