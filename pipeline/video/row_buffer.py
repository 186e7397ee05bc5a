"""Collect rows that arrive over hours in one block of memory.

Small arrays that stay, made between large ones that go, pin the heap: a few megabytes of an hour's statistics kept it
from shrinking by three times as much.
"""

from __future__ import annotations

import numpy as np


class Rows:
    """An array that grows at its end, in place."""

    def __init__(self) -> None:
        self._data = bytearray()
        self._like = np.empty(0, np.float32)

    def add(self, rows: np.ndarray) -> None:
        """Append rows (n, ...), all of one type and shape."""
        self._like = np.empty((0, *rows.shape[1:]), rows.dtype)
        if rows.size:
            self._data += np.ascontiguousarray(rows).data.cast("B")

    def array(self) -> np.ndarray:
        """All rows, not copied; none can be added while it is held. Empty float32 (0,) when there never were any."""
        return np.frombuffer(self._data, self._like.dtype).reshape(-1, *self._like.shape[1:])
