"""The packs of an epoch as a sequence that holds a few windows of them: for epochs of many millions of clips.

How many packs a window makes, and which clips it hands on, depends on first-fit-decreasing alone. So one quick pass
finds where each window begins, and the packs of a window are made, and balanced, when one of them is asked for.
"""

from __future__ import annotations

import bisect
import threading
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from pipeline.loader.packs import (
    WINDOW,
    Balance,
    check_lengths,
    clips_a_round,
    emptiest,
    first_fit_decreasing,
    round_packs,
)

KEPT = 4
"""Windows whose packs are held."""


class Round(NamedTuple):
    """Where a window begins."""

    packs: int
    """Packs before it."""
    at: int
    """Clips of the order before it."""
    held: list[int]
    """Clips that the window before handed on."""


class LazyPacks(Sequence[list[int]]):
    """``plan_packs`` of the same arguments, pack by pack: the same packs in the same order.

    ``lengths`` and ``order`` are arrays, and are kept. Several threads may ask.
    """

    def __init__(
        self,
        lengths: np.ndarray,
        order: np.ndarray,
        budget: int,
        window: int = WINDOW,
        balance: Balance | None = None,
    ) -> None:
        check_lengths(lengths, order, budget, window)
        self.lengths, self.order, self.budget, self.balance = lengths, order, budget, balance
        self.take = clips_a_round(window, balance)
        self._lock = threading.Lock()
        self._made: dict[int, list[list[int]]] = {}
        self._rounds = list(self._scan())
        self._starts = [each.packs for each in self._rounds[:-1]]

    def __len__(self) -> int:
        return self._rounds[-1].packs

    def __getitem__(self, number: Any) -> Any:
        if isinstance(number, slice):
            return [self[i] for i in range(*number.indices(len(self)))]
        if not -len(self) <= number < len(self):
            raise IndexError(f"pack {number} of {len(self)}")
        number %= len(self)
        place = bisect.bisect_right(self._starts, number) - 1
        return self._window(place)[number - self._starts[place]]

    def _scan(self) -> Iterator[Round]:
        """Where each window begins, and where the last one ends."""
        packs, at, held = 0, 0, list[int]()
        while at < len(self.order):
            yield Round(packs, at, held)
            pool, after = self._pool(at, held)
            bins = first_fit_decreasing(self._own(pool), range(len(pool)), self.budget)
            held = []
            if after < len(self.order) and len(bins) > 1:
                held = [pool[i] for i in bins.pop(emptiest(self._own(pool), bins))]
            packs, at = packs + len(bins), after
        yield Round(packs, at, [])

    def _pool(self, at: int, held: list[int]) -> tuple[list[int], int]:
        """Clips of the window that begins at ``at``, and where the next one begins."""
        after = at + max(1, self.take - len(held))
        return held + self.order[at:after].tolist(), after

    def _own(self, pool: list[int]) -> list[int]:
        """Lengths of the clips of a pool."""
        own: list[int] = self.lengths[pool].tolist()
        return own

    def _window(self, place: int) -> list[list[int]]:
        """Packs of a window."""
        with self._lock:
            if place not in self._made:
                start = self._rounds[place]
                pool, after = self._pool(start.at, start.held)
                bins, _ = round_packs(
                    self._own(pool),
                    self.budget,
                    self.balance,
                    before=start.packs,
                    last=after >= len(self.order),
                )
                kept = list(self._made.items())[-(KEPT - 1) :]
                self._made = dict([*kept, (place, [[pool[i] for i in b] for b in bins])])
            return self._made[place]
