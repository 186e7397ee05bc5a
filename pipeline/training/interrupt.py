"""Handle Ctrl-C and SIGTERM: finish and save the current step, then end the run."""

from __future__ import annotations

import signal
import threading
from types import FrameType
from typing import Any

SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Interrupts:
    """While it is open, the first SIGINT or SIGTERM is noted in ``asked``; a second one interrupts at once.

    With ``wanted`` false, or outside the main thread, where Python takes no signals, nothing is changed.
    """

    def __init__(self, wanted: bool = True) -> None:
        self.asked, self._wanted = False, wanted
        self._before: dict[signal.Signals, Any] = {}

    def __enter__(self) -> Interrupts:
        if self._wanted and threading.current_thread() is threading.main_thread():
            self._before = {each: signal.signal(each, self._note) for each in SIGNALS}
        return self

    def __exit__(self, *_: object) -> None:
        self._restore()

    def end(self) -> None:
        """End the run as the signal would have: called when its state is saved."""
        raise KeyboardInterrupt

    def _note(self, number: int, frame: FrameType | None) -> None:
        self.asked = True
        self._restore()

    def _restore(self) -> None:
        for each, before in self._before.items():
            signal.signal(each, before)
        self._before = {}
