"""Clips that could not be read during training: listed, counted, and tolerated up to a budget."""

from __future__ import annotations

import json
import math
import os
import threading
from pathlib import Path
from typing import Any

from pipeline import schema as s


class DataError(ValueError):
    """Too many clips are unreadable to go on."""


class Quarantine:
    """Appends one JSON line per bad clip to ``path`` and raises DataError beyond the budget.

    The budget is ``max_share`` of the clips, but at least ``floor``. A clip counts once per process.
    """

    def __init__(
        self,
        path: str | Path | None,
        n_clips: int,
        *,
        max_share: float = 0.001,
        floor: int = 8,
    ) -> None:
        self.path = None if path is None else Path(path)
        self.n_clips = n_clips
        self.budget = max(floor, math.floor(max_share * n_clips))
        self.clips: set[str] = set()
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self.clips)

    def add(self, clip_id: str, error: Exception, **where: Any) -> None:
        """Note that ``clip_id`` failed with ``error``; ``where`` goes into the line (shard, epoch ...)."""
        with self._lock:
            if clip_id in self.clips:
                return
            self.clips.add(clip_id)
            if self.path is not None:
                self._append(
                    {s.CLIP_ID: clip_id, "kind": getattr(error, "kind", "decode")}, error, where
                )
            if len(self.clips) > self.budget:
                raise DataError(
                    f"{len(self.clips)} of {self.n_clips} clips are unreadable, more than the budget "
                    f"of {self.budget}; see {self.path or 'the log'}; the last one: {error}"
                )

    def _append(self, line: dict[str, Any], error: Exception, where: dict[str, Any]) -> None:
        assert self.path is not None
        text = json.dumps({**line, **where, "error": str(error)}) + "\n"
        self.path.parent.mkdir(parents=True, exist_ok=True)
        fd = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        try:
            os.write(fd, text.encode())
        finally:
            os.close(fd)

    def __getstate__(self) -> dict[str, Any]:
        return {k: v for k, v in self.__dict__.items() if k != "_lock"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._lock = threading.Lock()
