"""Clips whose perceptual hashes are near and whose looks agree: pairs at once where they are few, else as they come.

A fixed camera gives thousands of clips with one hash. Pairs of so many are not listed: each clip is compared with the
kept ones of its hash and of those near it, which are few where all are copies.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from pipeline.select.looks import WORDS, read_looks, same_look
from pipeline.select.near_hashes import near_pairs

if TYPE_CHECKING:
    import pyarrow as pa

MOST_PAIRS = 4_000_000
"""Pairs of clips that are compared at once and remembered, at most."""


def shot_ids(sources: pa.Array | None, shots: np.ndarray | None, rows: np.ndarray) -> np.ndarray:
    """int64 of each of ``rows``: equal for pieces of one shot, and for no others.

    ``sources``, ``shots``: source of every clip, and number of its shot there; all shots differ where they are None.
    """
    alone = -1 - np.arange(len(rows))
    if sources is None or shots is None or not len(rows):
        return alone
    import pyarrow as pa

    codes = sources.take(pa.array(rows)).dictionary_encode().indices
    known = codes.is_valid().to_numpy(zero_copy_only=False) & (shots[rows] >= 0)
    number = codes.fill_null(0).to_numpy().astype(np.int64) * (1 << 31) + shots[rows]
    return np.where(known, number, alone)


class Alikes:
    """Which clips look alike, and which of them have been kept so far."""

    def __init__(
        self,
        hashes: np.ndarray,
        known: np.ndarray,
        looks: Callable[[np.ndarray], list[str]],
        shots: Callable[[np.ndarray], np.ndarray],
        bits: int,
    ) -> None:
        """Of N clips: ``hashes`` uint64, ``known`` where there is one, ``looks``: those of some rows; ``shots``: the
        ``shot_ids`` of some rows; ``bits`` in which near hashes differ at most."""
        rows = np.flatnonzero(known)
        order = rows[np.argsort(hashes[rows])]
        hashes = hashes[order]
        new = np.ones(len(hashes), bool)
        new[1:] = hashes[1:] != hashes[:-1]
        number = np.cumsum(new) - 1
        near = near_pairs(hashes[new], bits)
        counts = np.bincount(number, minlength=int(new.sum()))
        matches = counts > 1
        matches[near.ravel()] = True
        chosen = matches[number] if len(number) else new
        self._row = order[chosen]
        self._value = number[chosen]
        self.rows: list[int] = self._row.tolist()
        """Rows that may match another."""
        self._at = dict(zip(self.rows, range(len(self.rows)), strict=True))
        self._looks = read_looks(looks(self._row)) if self.rows else np.zeros((0, WORDS), np.uint64)
        self._shots = shots(self._row)
        self._kept = np.zeros(len(self.rows), bool)
        total = int((counts[near[:, 0]] * counts[near[:, 1]]).sum() + (counts**2 // 2).sum())
        self._pairs = self._all_pairs(near) if total <= MOST_PAIRS else None
        self._near: dict[int, list[int]] = {}
        self._kept_of: dict[int, list[int]] = {}
        if self._pairs is None:
            for first, second in near.tolist():
                self._near.setdefault(first, []).append(second)
                self._near.setdefault(second, []).append(first)

    def best_kept(self, row: int, rank: np.ndarray) -> int | None:
        """The kept row of least ``rank`` that looks like ``row``."""
        at = self._at.get(row)
        if at is None:
            return None
        if self._pairs is not None:
            found = [other for other in self._pairs.get(at, ()) if self._kept[other]]
        else:
            value = int(self._value[at])
            others = np.array(
                [
                    each
                    for v in (value, *self._near.get(value, ()))
                    for each in self._kept_of.get(v, ())
                ],
                np.int64,
            )
            found = others[self._agree(np.full(len(others), at), others)].tolist()
        rows = [self.rows[other] for other in found]
        return min(rows, key=lambda each: rank[each]) if rows else None

    def keep(self, row: int) -> None:
        """Note that ``row`` is kept."""
        at = self._at.get(row)
        if at is not None:
            self._kept[at] = True
            if self._pairs is None:
                self._kept_of.setdefault(int(self._value[at]), []).append(at)

    def _agree(self, first: np.ndarray, second: np.ndarray) -> np.ndarray:
        """bool: whether clips, by their places here, look alike and are no pieces of one shot."""
        apart = self._shots[first] != self._shots[second]
        return apart & same_look(self._looks[first], self._looks[second])

    def _all_pairs(self, near: np.ndarray) -> dict[int, list[int]]:
        """Place -> places of the clips that look like it."""
        size = int(self._value.max()) + 2 if len(self._value) else 1
        # places are in order of their values: those of value v are start[v] to start[v + 1]
        start = np.searchsorted(self._value, np.arange(size))
        firsts, seconds = [], []
        lengths = np.diff(start)
        for value in np.flatnonzero(lengths > 1).tolist():
            i, j = np.triu_indices(int(lengths[value]), 1)
            firsts.append(start[value] + i)
            seconds.append(start[value] + j)
        single = (lengths[near] == 1).all(1) if len(near) else np.zeros(0, bool)
        firsts.append(start[near[single, 0]])
        seconds.append(start[near[single, 1]])
        for low, high in near[~single].tolist():
            i, j = np.meshgrid(*(np.arange(start[v], start[v + 1]) for v in (low, high)))
            firsts.append(i.ravel())
            seconds.append(j.ravel())
        first, second = np.concatenate(firsts), np.concatenate(seconds)
        agree = self._agree(first, second)
        pairs: dict[int, list[int]] = {}
        for a, b in zip(first[agree].tolist(), second[agree].tolist(), strict=True):
            pairs.setdefault(a, []).append(b)
            pairs.setdefault(b, []).append(a)
        return pairs
