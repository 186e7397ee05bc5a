"""Which reasons apply to which of a million clips, as columns of bits rather than a list per clip."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from pipeline.select.id_columns import order

if TYPE_CHECKING:
    import pyarrow as pa


class Reasons:
    """Reasons of ``n`` clips, in the order in which they were added."""

    def __init__(self, n: int) -> None:
        self.n = n
        self._names: list[str] = []
        self._hits: list[np.ndarray] = []
        self._steps: list[bool] = []
        self._rejected = np.zeros(n, bool)

    def add(self, reason: str, rows: np.ndarray, *, step: bool = False) -> None:
        """Add a reason to ``rows`` (bool (n,) or row numbers); a ``step`` rejects them and is in the funnel."""
        hit = np.zeros(self.n, bool)
        hit[rows] = True
        self._names.append(reason)
        self._hits.append(hit)
        self._steps.append(step)
        if step:
            self._rejected = self._rejected | hit

    def rejected(self) -> np.ndarray:
        """bool (n,): clips that some step rejects."""
        return self._rejected

    def steps(self) -> tuple[list[str], np.ndarray]:
        """Names of the steps, and which of them reject which clips, bool (n, steps)."""
        chosen = [i for i, step in enumerate(self._steps) if step]
        hits = [self._hits[i] for i in chosen]
        stacked = np.stack(hits, axis=1) if hits else np.zeros((self.n, 0), bool)
        return [self._names[i] for i in chosen], stacked

    def column(self, rows: np.ndarray) -> pa.Array:
        """list<string> of the reasons of ``rows``, in that order."""
        import pyarrow as pa

        hits = np.stack([np.zeros(self.n, bool), *self._hits], axis=1)[rows]
        offsets = np.concatenate([[0], np.cumsum(hits.sum(1))]).astype(np.int32)
        which = np.nonzero(hits)[1]
        names = pa.array(["", *self._names], pa.string())
        return pa.ListArray.from_arrays(pa.array(offsets), names.take(pa.array(which)))


def id_order(ids: pa.Array) -> tuple[np.ndarray, np.ndarray]:
    """Rows in the order of their ids, and the place of each row in it; int64 (N,) both."""
    rows = order(ids)
    rank = np.empty(len(rows), np.int64)
    rank[rows] = np.arange(len(rows))
    return rows, rank
