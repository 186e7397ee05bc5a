"""Histograms of scores and counts of words, of all clips and of those that a question leaves."""

from __future__ import annotations

import threading
from typing import Any

import numpy as np

from jobs.edits.replay import Replayed
from jobs.search.dataset import DECISIONS, Dataset
from jobs.view.query import NUMBERS, Answer, Questions
from pipeline import schema as s

BINS = 40
TAILS = 0.002
"""Share of the values on each side that the outermost bins take in, however far out they lie."""
MISSING = 255
"""Bin of a clip that was not measured."""
MOST_WORDS = 40
"""Words shown of one column."""
PLAIN = frozenset(
    {
        s.START_S, s.END_S, s.START_PTS, s.END_PTS, s.TIME_BASE_NUM, s.TIME_BASE_DEN, s.SHOT, s.PHASH,
        s.BYTE_OFFSET, s.BYTE_LENGTH, *s.CROP_COLUMNS,
    }
)  # fmt: skip
"""Numbers that are no scores."""
WORDS = (
    s.DECISION,
    s.REASONS,
    s.CAMERA,
    s.DOMAIN,
    s.TRANSITION_IN,
    s.TRANSITION_OUT,
    s.AUDIO,
    s.SPLIT,
)
"""Columns of words that have few values."""


class Facets:
    """Histograms and counts of a dataset; bins are found once per column."""

    def __init__(self, data: Dataset, questions: Questions) -> None:
        self.data, self.questions = data, questions
        self._bins: dict[str, tuple[np.ndarray, float, float, float, float]] = {}
        self._lock = threading.Lock()

    def numbers(self) -> list[str]:
        """Columns that have a histogram: scores first, in the order of the schema."""
        have = [n for n, kind in self.data.columns.items() if kind in NUMBERS and n not in PLAIN]
        scores = [name for name in s.SCORE_COLUMNS if name in have]
        concepts = [name for name in have if name.startswith(s.CONCEPT_PREFIX)]
        shape = [name for name in (s.N_FRAMES, s.FPS, s.WIDTH, s.HEIGHT) if name in have]
        rest = [name for name in have if name not in {*scores, *concepts, *shape}]
        return [*scores, *rest, *concepts, s.DURATION_S, *shape]

    def words(self) -> list[str]:
        """Columns that have counts of words."""
        decided = () if self.data.shards_only else (s.DECISION, s.REASONS)
        return [name for name in WORDS if name in self.data.columns or name in decided]

    def histogram(self, name: str, answer: Answer) -> dict[str, Any]:
        """Counts by bin of all clips and of the answer's."""
        bins, low, high, least, most = self._binned(name)
        every = np.bincount(bins, minlength=256)
        some = (
            every
            if len(answer.rows) == len(bins)
            else np.bincount(bins[answer.rows], minlength=256)
        )
        return {
            "column": name,
            "low": low,
            "high": high,
            "least": least,
            "most": most,
            "all": every[:BINS].tolist(),
            "some": some[:BINS].tolist(),
            "missing": int(every[MISSING]),
        }

    def _binned(self, name: str) -> tuple[np.ndarray, float, float, float, float]:
        with self._lock:
            if name not in self._bins:
                self._bins[name] = binned(self.questions.column(name))
            return self._bins[name]

    def counts(self, name: str, answer: Answer, edits: Replayed) -> dict[str, Any]:
        """Values of a column of words with their counts, of all clips and of the answer's."""
        if name == s.DECISION:
            decided = self.questions.decided(edits)
            every, some = (
                np.bincount(decided, minlength=4),
                np.bincount(decided[answer.rows], minlength=4),
            )
            pairs = [
                (word or "undecided", int(every[i]), int(some[i]))
                for i, word in enumerate(DECISIONS)
            ]
            return {"column": name, "values": [pair for pair in pairs if pair[1]]}
        import pyarrow as pa
        import pyarrow.compute as pc

        if name == s.REASONS:
            column = self.data.selection["reasons"]
        else:
            self.questions.check_column(name)
            column = self.questions.db.by_row(f'"{name}"')

        def count(values: Any) -> dict[str, int]:
            counted: dict[str, int] = {}
            for row in pc.value_counts(values.drop_null()).to_pylist():
                words = row["values"].split(",") if name == s.REASONS else [row["values"]]
                for word in filter(None, words):
                    counted[word] = counted.get(word, 0) + row["counts"]
            return counted

        every = count(column)
        whole = len(answer.rows) == len(self.data)
        some = every if whole else count(column.take(pa.array(answer.rows)))
        most = sorted(every.items(), key=lambda item: (-item[1], str(item[0])))[:MOST_WORDS]
        return {"column": name, "values": [(word, n, some.get(word, 0)) for word, n in most]}


def binned(values: np.ndarray) -> tuple[np.ndarray, float, float, float, float]:
    """Bin of every value, uint8 (N,), and the ends of the bins and of the values.

    The bins cover all but the outermost ``TAILS``: one wild value would leave all others in one bin.
    """
    known = values[np.isfinite(values)]
    if not len(known):
        return np.full(len(values), MISSING, np.uint8), 0.0, 1.0, 0.0, 1.0
    least, most = float(known.min()), float(known.max())
    at = [int(TAILS * (len(known) - 1)), int((1 - TAILS) * (len(known) - 1))]
    low, high = (float(v) for v in np.partition(known, at)[at])
    if most - least <= 2 * (high - low):  # no wild values
        low, high = least, most
    width = (high - low) or 1.0
    with np.errstate(invalid="ignore"):
        place = np.clip(np.floor((values - low) / width * BINS), 0, BINS - 1)
    bins = np.where(np.isfinite(values), place, MISSING).astype(np.uint8)
    return bins, low, high if high > low else low + 1.0, least, most
