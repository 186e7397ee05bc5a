"""Thresholds that a selection asked for, and the clips nearest to each on either side.

A predicate may be any SQL; sqlglot reads it. Each ``column < number`` in it is a threshold, whichever stands first,
and so are both ends of ``abs(column) < number`` and ``column BETWEEN number AND number``. In one with several parts,
such as ``blur IS NULL OR blur < 2.5 OR concept_text < 0.5``, most clips near a threshold are settled by another part;
the clips shown are those that this threshold decides: the predicate differs when that part is made TRUE or FALSE.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from jobs.report.data import Run
from pipeline import schema as s
from pipeline.select.predicates import evaluate, mentioned, numbers

if TYPE_CHECKING:
    from sqlglot.expressions import Expression

DIALECT = "duckdb"
"""What evaluates predicates."""
NEAREST = 6
"""Clips shown on each side of a threshold."""
MOST_EDGES = 40
"""Thresholds shown at most."""
_MIRROR = {"<": ">", "<=": ">=", ">": "<", ">=": "<="}
_OPS = {"lt": "<", "lte": "<=", "gt": ">", "gte": ">="}
"""sqlglot's names of the comparisons."""


@dataclass(frozen=True, kw_only=True)
class Bound:
    """One threshold as it stands in a predicate."""

    column: str
    """What is bounded."""
    op: str
    """``<``, ``<=``, ``>`` or ``>=``."""
    threshold: float
    """By what."""
    if_true: str
    """The predicate with TRUE in the place of the part that says so."""
    if_false: str
    """The same with FALSE."""


def bounds(rule: str) -> list[Bound]:
    """Every threshold of a predicate in its order: one of ``x < 5``, two of ``abs(x) < 5`` and ``x BETWEEN 1 AND 5``.

    A predicate that sqlglot cannot read has none.
    """
    import sqlglot

    try:
        tree = sqlglot.parse_one(rule, dialect=DIALECT)
    except sqlglot.errors.SqlglotError:
        return []
    found = []
    for place, node in enumerate(tree.walk(bfs=False)):
        column, ends = _ends(node)
        forms = [_with(tree, place, value) for value in (True, False)] if ends else []
        found += [
            Bound(column=column, op=op, threshold=value, if_true=forms[0], if_false=forms[1])
            for op, value in ends
        ]
    return found


def _ends(node: Expression) -> tuple[str, list[tuple[str, float]]]:
    """Column, and (operator, number) of each end, of one part of a predicate; no ends where it is no such part."""
    from sqlglot import exp

    if isinstance(node, exp.Between):
        low, high = _number(node.args["low"]), _number(node.args["high"])
        if isinstance(node.this, exp.Column) and low is not None and high is not None:
            outside = isinstance(node.parent, exp.Not)
            return node.this.name, [("<", low), (">", high)] if outside else [
                (">=", low),
                ("<=", high),
            ]
    elif node.key in _OPS:
        op, one, other = _OPS[node.key], node.this, node.expression
        if _number(one) is not None:
            op, one, other = _MIRROR[op], other, one
        bound = _number(other)
        if bound is not None and isinstance(one, exp.Column):
            return one.name, [(op, bound)]
        if bound is not None and isinstance(one, exp.Abs) and isinstance(one.this, exp.Column):
            return one.this.name, [(_MIRROR[op], -bound), (op, bound)]
    return "", []


def _number(node: Expression) -> float | None:
    """A number as it is written, signed or cast; None for anything else."""
    from sqlglot import exp

    if isinstance(node, exp.Cast | exp.Paren):
        return _number(node.this)
    if isinstance(node, exp.Neg):
        value = _number(node.this)
        return None if value is None else -value
    return float(node.this) if isinstance(node, exp.Literal) and not node.is_string else None


def _with(tree: Expression, place: int, value: bool) -> str:
    """The predicate with the ``place``-th part of its tree set to a truth value."""
    from sqlglot import exp

    copy = tree.copy()
    part = next(node for i, node in enumerate(copy.walk(bfs=False)) if i == place)
    if isinstance(part, exp.Between) and isinstance(part.parent, exp.Not):
        part = part.parent
    word = exp.true() if value else exp.false()
    if part is copy:
        copy = word
    else:
        part.replace(word)
    return str(copy.sql(dialect=DIALECT, comments=False))


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
            decides = _decides(run, rule, bound)
            if decides is not None:
                edges.append(_around(run, edge, run.numbers(column), decides))
    for reason, best in run.select.best.items():
        edges += _best_edge(run, reason, best.by)
    return edges[:MOST_EDGES]


def _decides(run: Run, rule: str, bound: Bound) -> np.ndarray | None:
    """bool (N,): clips whose verdict hangs on that part of the rule; None when the rule cannot be asked."""
    columns = mentioned(rule, run.clips.column_names)
    forms = {"TRUE": bound.if_true, "FALSE": bound.if_false}
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
    if (
        values[entered & missed] > cut
    ).any():  # no one value divides what met the target from the rest
        return []
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
