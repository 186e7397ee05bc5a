"""Thresholds that a selection asked for, and the clips nearest to each on either side.

A predicate may be any SQL. Each ``column < number`` in it is a threshold, and so are both ends of
``abs(column) < number`` and ``column BETWEEN number AND number``. In one with several parts, such as
``blur IS NULL OR blur < 2.5 OR concept_text < 0.5``, most clips near a threshold are settled by another part; the
clips shown are those that this threshold decides: the predicate differs when that part is made TRUE or FALSE.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

import numpy as np

from jobs.report.data import Run
from pipeline import schema as s
from pipeline.select.predicates import evaluate, mentioned, numbers

NEAREST = 6
"""Clips shown on each side of a threshold."""
MOST_EDGES = 40
"""Thresholds shown at most."""
_NUMBER = r"(?P<{}>[-+]?(?:\d+\.?\d*|\.\d+)(?:e[-+]?\d+)?)"
_TERM = re.compile(
    r"(?:^|\(|\b(?:and|or|not)\b)\s*(?P<part>"
    rf"(?P<column>\w+)\s*(?P<op><=|>=|<|>)\s*{_NUMBER.format('one')}"
    rf"|abs\s*\(\s*(?P<size>\w+)\s*\)\s*(?P<size_op><=|>=|<|>)\s*{_NUMBER.format('most')}"
    rf"|(?P<range>\w+)\s+(?P<outside>not\s+)?between\s+{_NUMBER.format('low')}\s+and\s+{_NUMBER.format('high')}"
    r")\s*(?=$|\)|\b(?:and|or)\b)",
    re.IGNORECASE,
)
"""A part of a predicate that bounds one column, its size, or both of its ends by numbers."""
_MIRROR = {"<": ">", "<=": ">=", ">": "<", ">=": "<="}


@dataclass(frozen=True, kw_only=True)
class Bound:
    """One threshold as it stands in a predicate."""

    column: str
    """What is bounded."""
    op: str
    """``<``, ``<=``, ``>`` or ``>=``."""
    threshold: float
    """By what."""
    start: int
    """Where the part of the predicate that says so begins."""
    stop: int
    """Where it ends."""


def bounds(rule: str) -> list[Bound]:
    """Every threshold of a predicate: one of ``x < 5``, two of ``abs(x) < 5`` and of ``x BETWEEN 1 AND 5``."""
    found = []
    for term in _TERM.finditer(rule):
        one, size, low, high = (float(term[name] or 0) for name in ("one", "most", "low", "high"))
        if term["column"]:
            pairs = [(term["op"], one)]
        elif term["size"]:
            pairs = [(_MIRROR[term["size_op"]], -size), (term["size_op"], size)]
        elif term["outside"]:
            pairs = [("<", low), (">", high)]
        else:
            pairs = [(">=", low), ("<=", high)]
        column = term["column"] or term["size"] or term["range"]
        start, stop = term.span("part")
        found += [
            Bound(column=column, op=op, threshold=value, start=start, stop=stop)
            for op, value in pairs
        ]
    return found


@dataclass(frozen=True, kw_only=True)
class Edge:
    """One threshold, and the clips on both sides of it."""

    reason: str
    """The rule it stands in."""
    rule: str
    """Text of the whole rule."""
    column: str
    """What is bounded."""
    op: str
    """How: ``<``, ``<=``, ``>`` or ``>=``."""
    threshold: float
    """The bound."""
    n_below: int = 0
    """Clips measured below it."""
    n_above: int = 0
    """Clips measured above it."""
    decides: int = 0
    """Clips for which this part of the rule makes the difference."""
    below: tuple[int, ...] = ()
    """Rows of the nearest decided clips below, nearest first."""
    above: tuple[int, ...] = ()
    """Rows of the nearest decided clips above, nearest first."""

    @property
    def keeps_above(self) -> bool:
        """True when the clips above pass."""
        return self.op[0] == ">"

    @property
    def text(self) -> str:
        """``column > number``."""
        return f"{self.column} {self.op} {self.threshold:g}"


def find_edges(run: Run) -> list[Edge]:
    """Every threshold of the selection, in the order of its rules, with the clips around it."""
    import pyarrow as pa

    names = [
        field.name
        for field in run.clips.schema
        if pa.types.is_integer(field.type) or pa.types.is_floating(field.type)
    ]
    edges = []
    for reason, rule in run.select.where.items():
        for bound in bounds(rule):
            column = next((name for name in names if name.lower() == bound.column.lower()), None)
            if column is None:
                continue
            edge = Edge(
                reason=reason, rule=rule, column=column, op=bound.op, threshold=bound.threshold
            )
            decides = _decides(run, rule, bound.start, bound.stop)
            if decides is not None:
                edges.append(_around(run, edge, run.numbers(column), decides))
    for reason, best in run.select.best.items():
        edges += _best_edge(run, reason, best.by)
    return edges[:MOST_EDGES]


def _decides(run: Run, rule: str, start: int, stop: int) -> np.ndarray | None:
    """bool (N,): clips whose verdict hangs on the part rule[start:stop]; None when the rule cannot be asked."""
    columns = mentioned(rule, run.clips.column_names)
    forms = {word: f"{rule[:start]} {word} {rule[stop:]}" for word in ("TRUE", "FALSE")}
    try:
        verdicts = evaluate(run.clips.select(columns), forms)
    except ValueError:  # the recipe and the manifest do not fit: select has said so
        return None
    passes = [~each.failed & ~each.unmeasured for each in verdicts.values()]
    return np.asarray(passes[0] != passes[1])


def _best_edge(run: Run, reason: str, by: str) -> list[Edge]:
    """The cut of a keep-rate target: the least value that passed it."""
    try:
        (values,) = numbers(run.clips, {f"select.best.{reason}.by": by}).values()
    except ValueError:
        return []
    missed = run.hit(reason)
    before = run.steps[: run.steps.index(reason)]
    entered = np.array([not set(before).intersection(each) for each in run.reasons], bool)
    entered &= (run.decisions != str(s.Decision.ERROR)) & ~np.isnan(values)
    if not (passed := entered & ~missed).any():
        return []
    cut = float(values[passed].min())
    edge = Edge(reason=reason, rule=f"best by {by}", column=by, op=">=", threshold=cut)
    return [_around(run, edge, values, entered | missed)]


def _around(run: Run, edge: Edge, values: np.ndarray, decides: np.ndarray) -> Edge:
    """The edge with its counts and its nearest clips; ties in the order of clip_id."""
    measured = ~np.isnan(values)
    with np.errstate(invalid="ignore"):
        # which side a clip exactly on the threshold falls on depends on whether it passes
        below = values <= edge.threshold if edge.op in (">", "<=") else values < edge.threshold
    ids = np.array(run.column(s.CLIP_ID), dtype=str)

    def nearest(rows: np.ndarray) -> tuple[int, ...]:
        distance = np.abs(values[rows] - edge.threshold)
        return tuple(int(i) for i in rows[np.lexsort((ids[rows], distance))][:NEAREST])

    return replace(
        edge,
        n_below=int((below & measured).sum()),
        n_above=int((~below & measured).sum()),
        decides=int((decides & measured).sum()),
        below=nearest(np.flatnonzero(decides & measured & below)),
        above=nearest(np.flatnonzero(decides & measured & ~below)),
    )
