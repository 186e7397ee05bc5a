"""How far sources are that are being split: a small file for each that takes longer than some seconds.

The splitter of a source writes it, on whatever node; the progress line of ingest and ``filmstock status`` read them.
Nothing else depends on them, so they are not brought to the disk, and one that cannot be read is left out. Object
stores get none: every write there is paid for.
"""

from __future__ import annotations

import json
import math
import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from jobs.core.console import Progress, clock
from jobs.ingest.ledger import HIDDEN, UNDERWAY
from pipeline.source.listing import told_uri
from pipeline.store.paths import Location

FIRST_S, EVERY_S = 3.0, 2.0
"""A source has a file after so many seconds, and a new one every so often."""
LOOK_S = 1.0
"""How often the progress line looks."""
SILENT_S = 30.0
"""A source that has said nothing for longer is shown with its silence, seconds."""
READING = 0.3
"""Share of a source's work that finding its shots takes, where the rest is cutting: 0.2 to 0.4 from 1080p to 360p."""


@dataclass(frozen=True, kw_only=True)
class UnderWay:
    """How far one source is."""

    source: str
    """Its path or URI, without secrets."""
    cutting: bool
    """False while its shots are being found."""
    at_s: float
    """Seconds of it that are done in that."""
    of_s: float | None
    """Its length in seconds, by its headers and later as it was found; None where they do not say."""
    clips: int = 0
    """Clips cut so far."""
    told: float = 0.0
    """When it was written, Unix seconds."""

    @property
    def share(self) -> float:
        """About which part of the work on it is done, 0 to 1."""
        if not self.of_s:
            return READING if self.cutting else 0.0
        part = min(1.0, self.at_s / self.of_s)
        return READING + (1 - READING) * part if self.cutting else READING * part

    def text(self) -> str:
        """``film.mp4: shots found up to 12m00s of 1h00m``."""
        of = f" of {clock(self.of_s)}" if self.of_s else ""
        name = self.source.rstrip("/").rpartition("/")[2]
        what = "cut" if self.cutting else "shots found"
        clips = f", {self.clips} clips" if self.cutting else ""
        silent = time.time() - self.told
        waits = f", silent for {clock(silent)}" if silent > SILENT_S else ""
        return f"{name}: {what} up to {clock(self.at_s)}{of}{clips}{waits}"


class Teller:
    """Writes how far one source is; ``close`` takes that back when the source has ended."""

    def __init__(self, folder: Location, name: str, uri: str, length_s: float | None) -> None:
        place = folder / HIDDEN / UNDERWAY
        self._path = place / f"{name}.json" if isinstance(place, Path) else None
        self._source, self._length_s = told_uri(uri), length_s
        self._cutting, self._clips = False, 0
        self._next = time.monotonic() + FIRST_S

    def cuts(self, length_s: float) -> None:
        """Its shots are found, and it is so long; what is told from now on is about its clips."""
        self._cutting, self._length_s = True, length_s

    def clip(self) -> None:
        """One more clip is cut."""
        self._clips += 1

    def at(self, seconds: float) -> None:
        """So many seconds are done; a number that the decoding child makes up is left out."""
        now = time.monotonic()
        if self._path is None or now < self._next or not math.isfinite(seconds) or seconds < 0:
            return
        self._next = now + EVERY_S
        told = UnderWay(
            source=self._source,
            cutting=self._cutting,
            at_s=seconds,
            of_s=self._length_s,
            clips=self._clips,
            told=time.time(),
        )
        with suppress(OSError):  # a full disk is told by what has to be written
            self._path.parent.mkdir(exist_ok=True)
            draft = self._path.parent / f".{self._path.name}.{os.getpid()}.tmp"
            draft.write_text(json.dumps(asdict(told)))
            draft.replace(self._path)

    def close(self) -> None:
        """The source has ended."""
        if self._path is not None:
            with suppress(OSError):
                self._path.unlink(missing_ok=True)


def read_underway(folder: Location) -> list[UnderWay]:
    """Sources of a run folder that are being split, the longest first."""
    place = folder / HIDDEN / UNDERWAY
    found: list[UnderWay] = []
    if not isinstance(place, Path):
        return found
    names: list[str] = []
    with suppress(OSError):  # nothing is told yet
        names = [name for name in os.listdir(place) if name.endswith(".json")]
    for name in names:
        with suppress(OSError, ValueError, TypeError):  # it has just ended
            found.append(UnderWay(**json.loads((place / name).read_text())))
    return sorted(found, key=lambda each: (each.at_s - (each.of_s or math.inf), each.source))


@contextmanager
def watched(folder: Location, progress: Progress) -> Iterator[None]:
    """While it lasts, the progress line says how far the sources are that are being split."""
    over = threading.Event()

    def look() -> None:
        while not over.wait(LOOK_S):
            found = read_underway(folder)
            more = f" and {len(found) - 1} more" if len(found) > 1 else ""
            scored = f"{progress.scored} clips scored" if progress.scored else ""
            text = found[0].text() + more if found else scored
            progress.inside(text, sum(each.share for each in found))

    thread = threading.Thread(target=look, daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
        progress.inside("", 0.0, draw=False)
