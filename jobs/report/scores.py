"""Scores on the page: a histogram of each with its thresholds, and bars for those that are words."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import numpy as np

from jobs.report.data import Run
from jobs.report.edges import Edge
from pipeline import schema as s

BINS = 48
WIDTH, HEIGHT = 336, 84
"""Size of a histogram in its own units; a bin is 7 wide."""
LETTER = 6.2
"""Width of a letter of a threshold's name on a histogram."""
MOST_HISTOGRAMS = 60
"""Histograms shown at most; those with a threshold come first."""


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
