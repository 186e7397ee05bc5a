"""Scores on the page: a histogram of each with its thresholds, and the clips nearest to every threshold.

A predicate may be any SQL. Each ``column < number`` in it is a threshold, and so are both ends of
``abs(column) < number`` and ``column BETWEEN number AND number``. In one with several parts, such as
``blur IS NULL OR blur < 2.5 OR concept_text < 0.5``, most clips near a threshold are settled by another part; the
clips shown are those that this threshold decides: the predicate differs when that part is made TRUE or FALSE.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, replace

import numpy as np

from jobs.report_data import Run
from pipeline import schema as s
from pipeline.predicates import evaluate, mentioned, numbers

NEAREST = 6
"""Clips shown on each side of a threshold."""
BINS = 48
WIDTH, HEIGHT = 336, 84
"""Size of a histogram in its own units; a bin is 7 wide."""
LETTER = 6.2
"""Width of a letter of a threshold's name on a histogram."""
MOST_EDGES = 40
"""Thresholds shown at most."""
MOST_HISTOGRAMS = 60
"""Histograms shown at most; those with a threshold come first."""
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


@dataclass(frozen=True, kw_only=True)
class Line:
    """A threshold drawn on a histogram."""

    x: float
    """Where, in the histogram's units."""
    y: int
    """Baseline of its name."""
    edge: Edge
    """The threshold."""

    @property
    def anchor(self) -> str:
        """Side of the line that its name stands on, so that it stays inside the picture."""
        return "end" if self.x > WIDTH * 0.6 else "start"


@dataclass(frozen=True, kw_only=True)
class Histogram:
    """One score over all clips and over the kept ones."""

    name: str
    """Column."""
    low: str
    """Label of the left end."""
    high: str
    """Label of the right end."""
    median: str
    """Median of all clips."""
    missing: int
    """Clips without this score."""
    log: bool
    """True for a logarithmic axis."""
    all_path: str
    """SVG path of the bars of all clips."""
    kept_path: str
    """SVG path of the bars of the kept clips."""
    lines: tuple[Line, ...]
    """Thresholds, from left to right."""


def histograms(run: Run, edges: list[Edge]) -> tuple[list[Histogram], list[str]]:
    """Histograms of every score and bounded column, and the names of scores that no clip has."""
    bounded = list(
        dict.fromkeys(edge.column for edge in edges if edge.column in run.clips.column_names)
    )
    scores = [
        name
        for name in run.clips.column_names
        if (name in s.SCORE_COLUMNS and name not in s.WORD_SCORES)
        or name.startswith(s.CONCEPT_PREFIX)
    ]
    drawn: list[Histogram] = []
    empty: list[str] = []
    for name in [*bounded, *(name for name in scores if name not in bounded)]:
        values = run.numbers(name)
        if np.isnan(values).all():
            empty.append(name)
        elif len(drawn) < MOST_HISTOGRAMS:
            drawn.append(draw(name, values, run.kept, [e for e in edges if e.column == name]))
    return drawn, empty


@dataclass(frozen=True, kw_only=True)
class Bars:
    """A score whose values are words: one bar for each word."""

    name: str
    """Column."""
    rows: tuple[tuple[str, int, int, float, float], ...]
    """Word, clips, kept clips, and lengths of both bars in per cent of the longest."""
    missing: int
    """Clips without this score."""


def word_bars(run: Run) -> tuple[list[Bars], list[str]]:
    """Bars of every score made of words, and the names of those that no clip has."""
    drawn: list[Bars] = []
    empty: list[str] = []
    for name in filter(run.clips.column_names.__contains__, s.WORD_SCORES):
        words = run.column(name)
        every = Counter(word for word in words if word is not None)
        kept = Counter(
            word for word, keep in zip(words, run.kept, strict=True) if keep and word is not None
        )
        if not every:
            empty.append(name)
            continue
        most = max(every.values())
        rows = tuple(
            (word, n, kept[word], round(100 * n / most, 1), round(100 * kept[word] / most, 1))
            for word, n in sorted(every.items(), key=lambda item: (-item[1], item[0]))
        )
        drawn.append(Bars(name=name, rows=rows, missing=words.count(None)))
    return drawn, empty


def draw(name: str, values: np.ndarray, kept: np.ndarray, edges: list[Edge]) -> Histogram:
    """The histogram of one score: values float64 (N,) with NaN where it was not measured, kept bool (N,)."""
    measured = values[np.isfinite(values)]
    low, high = float(measured.min()), float(measured.max())
    for edge in (
        edges
    ):  # a threshold a little off the data widens the picture, one far off stands at its border
        if abs(edge.threshold - np.clip(edge.threshold, low, high)) <= (high - low):
            low, high = min(low, edge.threshold), max(high, edge.threshold)
    if high <= low:
        low, high = low - 0.5, high + 0.5
    floor = _log_floor(measured, [edge.threshold for edge in edges])
    ends = np.array([low, high])
    if floor is not None:
        ends = np.log10(np.maximum(ends, floor))
    bins = np.linspace(ends[0], ends[1], BINS + 1)

    def place(each: np.ndarray) -> np.ndarray:
        return each if floor is None else np.log10(np.maximum(each, floor))

    counts, _ = np.histogram(place(measured), bins)
    chosen, _ = np.histogram(place(values[kept & np.isfinite(values)]), bins)
    top = max(1, int(counts.max()))
    xs = {}
    for edge in edges:
        share = float((place(np.array([edge.threshold]))[0] - ends[0]) / (ends[1] - ends[0]))
        xs[edge] = round(min(max(share * WIDTH, 1), WIDTH - 1), 1)
    return Histogram(
        name=name,
        low=f"{low:.3g}" if floor is None or low >= floor else f"≤ {floor:.3g}",
        high=f"{high:.3g}",
        median=f"{float(np.median(measured)):.3g}",
        missing=int(values.size - measured.size),
        log=floor is not None,
        all_path=_bars(counts, top),
        kept_path=_bars(chosen, top),
        lines=_lines(xs),
    )


def _lines(xs: dict[Edge, float]) -> tuple[Line, ...]:
    """Threshold lines from left to right; names stand above the bars, on further rows only where they would meet."""
    lines: list[Line] = []
    taken: list[list[tuple[float, float]]] = []
    for edge, x in sorted(xs.items(), key=lambda item: (item[1], item[0].reason)):
        width = 4 + LETTER * len(edge.reason)
        span = (x - width, x) if x > WIDTH * 0.6 else (x, x + width)
        row = 0
        while row < len(taken) and any(a < span[1] and span[0] < b for a, b in taken[row]):
            row += 1
        taken += [[]] * (row == len(taken))
        taken[row] = [*taken[row], span]
        lines.append(Line(x=x, y=-4 + 11 * row, edge=edge))
    return tuple(lines)


def _log_floor(values: np.ndarray, thresholds: list[float]) -> float | None:
    """Least value told apart on a logarithmic axis, None for a linear one.

    Logarithmic where a threshold would otherwise stand within one bin of the left border.
    """
    positive = values[values > 0]
    if (values < 0).any() or positive.size < 2:
        return None
    small = [t for t in thresholds if 0 < t < float(values.max()) / BINS]
    return min(small) / 10 if small else None


def _bars(counts: np.ndarray, top: int) -> str:
    """Bars as one SVG path; heights by square root, so that a bin of one clip is seen beside one of ten thousand."""
    step, box = WIDTH / len(counts), HEIGHT
    parts = []
    for i, count in enumerate(counts.tolist()):
        if count:
            height = max(1.0, (count / top) ** 0.5 * box)
            parts.append(f"M{i * step:g} {box}v-{height:.1f}h{step - 1:g}v{height:.1f}z")
    return "".join(parts)
