"""Lines for people: results on stdout, progress and warnings on stderr. No colour, no cursor tricks in a pipe."""

from __future__ import annotations

import contextlib
import logging
import os
import sys
import threading
import time
from collections.abc import Iterator
from typing import Self, TextIO

PIPE_PERIOD_S = 5.0
"""Seconds between progress lines when stderr is not a terminal."""
TTY_PERIOD_S = 0.1
"""Seconds between redraws of the progress line on a terminal."""
TTY_SILENT_S, PIPE_SILENT_S = 1.0, 10.0
"""Seconds after which a line comes though nothing has been done: on a terminal, and in a pipe."""
EARLY_SHARE = 0.1
"""Share of the work after which the rate since the start, with what starting took, tells the time left."""


def say(message: str = "") -> None:
    """Print one result line on stdout, at once."""
    _end_lines()
    print(message, flush=True)


_held: list[str] | None = None
shown: list[Progress] = []
"""Lines of progress that are under way, the innermost last: it alone is said again while nothing is done."""


_aside: TextIO | None = None


def _stderr() -> TextIO:
    return _aside or sys.stderr


@contextlib.contextmanager
def silent_stderr() -> Iterator[None]:
    """Send file descriptor 2 nowhere: what native code prints passes by ``sys.stderr``. Errors are raised anyway, and
    lines of progress go on."""
    global _aside
    sys.stderr.flush()
    kept, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    try:
        ours = sys.stderr.fileno() == 2
    except OSError:  # a test's
        ours = False
    with os.fdopen(kept, "w", errors="backslashreplace") as aside:
        try:
            _aside = aside if ours else None
            os.dup2(nowhere, 2)
            yield
        finally:
            _aside = None
            os.dup2(kept, 2)
            os.close(nowhere)


def _end_lines() -> None:
    for progress in shown:
        progress.end_line()


def warn(message: str) -> None:
    """Print one warning line on stderr, at once; inside ``held_warnings`` when that ends."""
    if _held is None:
        _end_lines()
        print(f"warning: {message}", file=sys.stderr, flush=True)
    else:
        _held.append(message)


@contextlib.contextmanager
def held_warnings() -> Iterator[None]:
    """Around checks: warnings wait until all is checked, and are dropped where a check refuses, whose line says all."""
    global _held
    if _held is not None:
        yield
        return
    _held = []
    try:
        yield
    except BaseException:
        _held = None
        raise
    messages, _held = _held, None
    for message in dict.fromkeys(messages):
        warn(message)


class _LogLines(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        warn(record.getMessage())


@contextlib.contextmanager
def logged_lines() -> Iterator[None]:
    """What our packages log as a warning is printed as ``warn`` prints, whatever handlers a library has set up."""
    handler = _LogLines(logging.WARNING)
    loggers = [logging.getLogger(name) for name in ("pipeline", "captioner", "vae", "dit", "jobs")]
    passed_on = [logger.propagate for logger in loggers]
    for logger in loggers:
        logger.addHandler(handler)
        logger.propagate = False
    try:
        yield
    finally:
        for logger, before in zip(loggers, passed_on, strict=True):
            logger.removeHandler(handler)
            logger.propagate = before


def clock(seconds: float) -> str:
    """Seconds as people read them: ``8s``, ``2m05s``, ``1h02m``."""
    whole = int(round(max(0.0, seconds)))
    if whole < 60:
        return f"{whole}s"
    if whole < 3600:
        return f"{whole // 60}m{whole % 60:02d}s"
    return f"{whole // 3600}h{whole % 3600 // 60:02d}m"


class Progress:
    """One line of progress for a stage: redrawn on a terminal, a line every few seconds in a pipe.

    ``with Progress("caption", total=120, unit="clips") as progress: progress.update(8, "0.4 hours")``.
    ``total`` may be None when it is not known beforehand. Threads may share one. Inside the block the line is there at
    once on a terminal, and is said again while nothing is done, so that nobody looks at a screen that stands still.
    """

    def __init__(self, stage: str, total: int | None = None, unit: str = "") -> None:
        self.stage, self.total, self.unit = stage, total, unit
        self.done = 0
        self.passed = 0
        self._note = ""
        self._inside, self._part = "", 0.0
        self.scored = 0
        """Parts of unfinished items that are through, to tell of where nothing else is under way."""
        self._lock = threading.Lock()
        self._start = time.monotonic()
        self._last = self._start
        self._first: tuple[float, float] | None = None
        self._tty = sys.stderr.isatty()
        self._width = 0
        self._said = ""
        self._closed = False
        self._over = threading.Event()
        self._ticker: threading.Thread | None = None

    def update(self, n: int = 1, note: str = "") -> None:
        """Add ``n`` finished items; ``note`` replaces the text at the end of the line."""
        with self._lock:
            self.done += n
            self._note = note or self._note
            now = time.monotonic()
            if self._first is None and self._worked() > 0:
                self._first = now, self._worked()
            if now - self._last >= (TTY_PERIOD_S if self._tty else PIPE_PERIOD_S):
                self._last = now
                self._draw(end="" if self._tty else "\n")

    def inside(self, text: str, part: float, *, draw: bool = True) -> None:
        """Say what is under way in items that are not finished, worth ``part`` items of work: it counts for the time
        left. A pipe gets no line where there is nothing to say."""
        with self._lock:
            self._inside, self._part = text, part
        if draw and (text or self._tty):
            self.update(0)

    def skip(self, n: int) -> None:
        """Count ``n`` items that needed no work: they say nothing about the time left."""
        self.passed += n
        self.update(n)

    def line(self) -> str:
        """The text of the progress line as it stands."""
        elapsed = time.monotonic() - self._start
        count = f"{self.done}/{self.total}" if self.total is not None else str(self.done or "")
        unit = f" {self.unit}" if self.unit and count else ""
        parts = [f"{self.stage}: {count}{unit}" if count else self.stage]
        left = self._left()
        parts.append(clock(elapsed) if left is None else f"{clock(left)} left")
        parts += filter(None, (self._note, self._inside))
        return ", ".join(parts)

    def _worked(self) -> float:
        """Items that took work, with what is done of those under way."""
        return self.done - self.passed + self._part

    def _left(self) -> float | None:
        """Seconds left; None where nothing tells yet.

        The first result waits for processes to start and models to load, so the rate is taken from there on. Before
        there is one, the rate since the start serves once a tenth is done.
        """
        if not self.total or self._first is None or self.done >= self.total:
            return None
        now, (since, before) = time.monotonic(), self._first
        rest = self.total - self.done - self._part
        if self._worked() > before and now - since >= PIPE_PERIOD_S:
            return (now - since) * rest / (self._worked() - before)
        if self._worked() >= EARLY_SHARE * (self.total - self.passed):
            return (now - self._start) * rest / self._worked()
        return None

    def end_line(self) -> None:
        """End a line that is half drawn on a terminal; nothing happens where there is none."""
        if self._width:
            print(file=_stderr())
            self._width = 0

    def close(self, note: str = "") -> None:
        """Print the last state of the line and end it."""
        self._note = note or self._note
        self._draw(end="\n")
        self._width, self._closed = 0, True

    def _draw(self, end: str) -> None:
        text = self.line()
        if self._tty:
            pad = " " * max(0, self._width - len(text))
            print(f"\r{text}{pad}", end=end, file=_stderr(), flush=True)
            self._width = len(text)
        elif text != self._said:
            self._said = text
            print(text, end=end, file=_stderr(), flush=True)

    def tick(self) -> None:
        """Say the line where nothing has been said for a while."""
        silent = TTY_SILENT_S if self._tty else PIPE_SILENT_S
        with self._lock:
            now = time.monotonic()
            if now - self._last >= silent and shown[-1:] == [self] and not self._over.is_set():
                self._last = now
                self._draw(end="" if self._tty else "\n")

    def keep_ticking(self) -> None:
        """``tick`` until ``stop``."""
        while not self._over.wait(TTY_SILENT_S):
            self.tick()

    def start(self) -> None:
        """Show the line and keep it alive until ``stop``."""
        _end_lines()
        shown.append(self)
        self._over.clear()
        if self._tty:
            self._draw(end="")
        self._ticker = threading.Thread(target=self.keep_ticking, daemon=True)
        self._ticker.start()

    def stop(self) -> None:
        """Leave the line as it is."""
        self._over.set()
        if self._ticker is not None:
            self._ticker.join()
            shown.remove(self)
            self._ticker = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self.stop()
        if self._closed:
            return
        if kind is None or self.done > self.passed:
            self.close("stopped" if kind else "")
        else:  # nothing came of it: the error says all
            self.end_line()


@contextlib.contextmanager
def busy(stage: str, what: str) -> Iterator[None]:
    """Around work of one piece, such as loading a model: says what goes on, and for how long, until it is over."""
    progress = Progress(f"{stage}: {what}")
    progress.start()
    try:
        yield
    finally:
        progress.stop()
        progress.end_line()
