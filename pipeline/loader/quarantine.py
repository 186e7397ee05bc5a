"""Clips that could not be read during training: listed, counted, and tolerated up to a budget."""

from __future__ import annotations

import json
import math
import os
import threading
from pathlib import Path
from typing import Any, NamedTuple

from pipeline import schema as s


class DataError(ValueError):
    """Too many clips are unreadable to go on."""


class Found(NamedTuple):
    """A clip that could not be read, in plain data."""

    clip_id: str
    kind: str
    """What ``ClipError.kind`` said, or ``decode``."""
    error: str
    where: dict[str, Any]
    """Epoch and the like."""


class Quarantine:
    """Appends one JSON line per bad clip to ``path`` and raises DataError beyond the budget.

    The budget is ``max_share`` of the clips, but at least ``floor``, for each rank. A clip counts once per run; worker
    processes relay what they find to the process that started them, which counts.
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
        self.relayed = False
        self._found: list[Found] = []
        self._lock = threading.Lock()

    @classmethod
    def relay(cls, n_clips: int) -> Quarantine:
        """A worker's: keeps what it finds for ``take_found``, has no budget of its own."""
        quarantine = cls(None, n_clips, floor=n_clips)
        quarantine.relayed = True
        return quarantine

    def take_found(self) -> list[Found]:
        """Clips found since the last call."""
        found, self._found = self._found, []
        return found

    def __len__(self) -> int:
        return len(self.clips)

    def add(self, clip_id: str, error: Exception, **where: Any) -> None:
        """Note that ``clip_id`` failed with ``error``; ``where`` goes into the line (shard, epoch ...)."""
        kind = getattr(error, "kind", "decode")
        self.add_found(Found(clip_id=clip_id, kind=kind, error=str(error), where=where))

    def add_found(self, found: Found) -> None:
        """Note a clip that this process or a worker of it found."""
        with self._lock:
            if found.clip_id not in self.clips:
                self.clips.add(found.clip_id)
                if self.relayed:
                    self._found.append(found)
                if self.path is not None:
                    self._append(found)
            if len(self.clips) > self.budget:
                raise DataError(
                    f"{len(self.clips)} of {self.n_clips} clips are unreadable, more than the budget "
                    f"of {self.budget}; see {self.path or 'the log'}; the last one: {found.error}"
                )

    def _append(self, found: Found) -> None:
        assert self.path is not None
        line = {s.CLIP_ID: found.clip_id, "kind": found.kind, **found.where, "error": found.error}
        self.path.parent.mkdir(parents=True, exist_ok=True)
        fd = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        try:
            os.write(fd, (json.dumps(line) + "\n").encode())
        finally:
            os.close(fd)

    def __getstate__(self) -> dict[str, Any]:
        return {k: v for k, v in self.__dict__.items() if k != "_lock"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._lock = threading.Lock()
