"""Run windows of sources through Ray Data, one after another and without a pause.

Ray Data keeps the origin and the figures of every block until an execution ends, so a list of any length goes through
in executions of a bounded number of sources. The next one begins when the last sources of this one are being worked
on: its workers take the place of those that have run out, and one slow source holds up none of the others.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterator, Sized
from enum import Enum
from typing import Any, Generic, NamedTuple, TypeVar

AHEAD = 32
"""Rows taken out of Ray that wait to be committed."""
TOGETHER = 3
"""Executions at the same time: one that works, and those that wait for their slowest source."""

Window = TypeVar("Window", bound=Sized)


class Row(NamedTuple):
    """A row that leaves the pipeline."""

    kind: str
    order: int
    body: dict[str, Any]
    embedding: bytes | None


class _Said(Enum):
    PLANNED, ROW, OVER, FAILED = range(4)


class Stream(Generic[Window]):
    """Rows of all windows, in any order: ``for row in Stream(windows, execute, spare, hurry)``.

    ``execute`` runs one window and yields its rows, ``spare`` is the number of unfinished sources at which the next
    window begins, and ``hurry`` is set while the pipeline has nothing else to do. An error in any window, or in the
    planning of one, is raised here. ``close`` abandons what is under way.
    """

    def __init__(
        self,
        windows: Iterator[Window],
        execute: Callable[[Window], Iterator[Row]],
        spare: int,
        hurry: threading.Event,
    ) -> None:
        self._windows, self._execute, self._spare, self._hurry = windows, execute, spare, hurry
        self._said: queue.Queue[tuple[_Said, int, Any]] = queue.Queue(AHEAD)
        self._closed = threading.Event()

    def __iter__(self) -> Iterator[Row]:
        from jobs.ingest.stages import END

        left: dict[int, int] = {}
        """Sources without an end, of every execution under way."""
        number, ready, planning = 0, None, True
        self._start(self._plan)
        while planning or ready is not None or left:
            free = len(left) < TOGETHER and sum(left.values()) <= self._spare
            if ready is not None and free:
                number += 1
                left[number] = len(ready)
                self._start(self._run, number, ready)
                self._hurry.clear()
                ready, planning = None, True
                self._start(self._plan)
                continue
            if free:
                self._hurry.set()
            said, of, what = self._said.get()
            if said is _Said.FAILED:
                raise what
            if said is _Said.PLANNED:
                ready, planning = what, False
            elif said is _Said.OVER:
                del left[of]
            else:
                left[of] -= what.kind == END
                yield what

    def close(self) -> None:
        """Let go of what is under way; its workers end with it."""
        self._closed.set()

    def _start(self, target: Callable[..., None], *args: Any) -> None:
        threading.Thread(target=target, args=args, daemon=True).start()

    def _plan(self) -> None:
        try:
            self._say(_Said.PLANNED, 0, next(self._windows, None))
        except BaseException as error:  # noqa: BLE001 - raised where the rows are taken
            self._say(_Said.FAILED, 0, error)

    def _run(self, number: int, window: Window) -> None:
        try:
            for row in self._execute(window):
                if not self._say(_Said.ROW, number, row):
                    return
            self._say(_Said.OVER, number, None)
        except BaseException as error:  # noqa: BLE001 - raised where the rows are taken
            self._say(_Said.FAILED, number, error)

    def _say(self, said: _Said, number: int, what: Any) -> bool:
        """Wait for room; False when nobody listens any more."""
        while not self._closed.is_set():
            try:
                self._said.put((said, number, what), timeout=1.0)
                return True
            except queue.Full:
                continue
        return False
