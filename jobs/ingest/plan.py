"""List what is left to do of any number of sources: in order, a few at a time, ahead of the work.

A source whose record stands and whose file looks as it did is passed over unread. The others are named by their
content, in Ray tasks, for a source is read whole mebibytes deep. Then, in the order of the list: the first of a
content is to be split, its copies and what cannot be read are recorded at once.
"""

from __future__ import annotations

import itertools
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Any

from jobs.ingest.given import GivenSources
from jobs.ingest.index import COPY_OF
from jobs.ingest.ledger import STAMP, Ledger
from jobs.ingest.tombstones import mark
from pipeline import schema as s
from pipeline.source.listing import (
    BESIDE,
    file_source_id,
    missing_source_id,
    same_sidecars,
    shown_uri,
    source_stamp,
)
from pipeline.store.staging import fetch_error

BATCH = 64
"""Sources looked at together, and named by one task."""
AHEAD = 4
"""Batches that are being named while one waits to be taken."""
BULK = 4096
"""Records of copies and of unreadable sources that are written together."""
WINDOW, WINDOW_PER_SPLITTER = 2048, 16
"""Sources of one execution of the pipeline (``Windows``), at least, and for every one that is split at once."""
PATIENCE_S = 2.0
"""Time that an idle pipeline waits for a fuller window, seconds."""
THREADS = 8
PASSING = frozenset({"connection", "timeout", "denied"})
"""Reasons not to reach a source that say nothing about it."""

Named = tuple[str, tuple[str, str] | None]
"""Id of a source, and type and message of what keeps it from being read (None: nothing)."""


@dataclass(frozen=True, kw_only=True)
class Source:
    """A source that is not known to be finished."""

    order: int
    """Its place in the list; it is known by that in the pipeline."""
    uri: str
    stamp: str
    """``source_stamp`` of its file, taken before anything of it was read."""


def unsettled(
    ledger: Ledger,
    again: bool,
    passed: Callable[[int], None],
    sidecars: bool = True,
    given: GivenSources | None = None,
) -> Iterator[list[Source]]:
    """Sources that are not known to be finished, in order, in batches that may be empty; ``passed`` is told how many
    others there were. ``again``: finished ones are to be done anew. ``sidecars``: one whose sidecar has changed is
    not finished. ``given``: one of which other clips are given now is not finished."""
    stamp_of = partial(source_stamp, sidecars=sidecars)
    if given is not None:
        stamp_of = partial(given_stamp, given)
    with ThreadPoolExecutor(THREADS) as pool:
        for page in ledger.index.sources(BATCH):
            stamps = pool.map(stamp_of, (uri for _, uri in page), chunksize=BATCH // THREADS)
            batch = [
                Source(order=order, uri=uri, stamp=stamp)
                for (order, uri), stamp in zip(page, stamps, strict=True)
                if again or not is_settled(ledger, uri, stamp)
            ]
            passed(len(page) - len(batch))
            yield batch


def given_stamp(given: GivenSources, uri: str) -> str:
    """``source_stamp`` with the hash of what is given of the source, in the place of its sidecars."""
    stamp = source_stamp(uri)
    return f"{stamp}{BESIDE}{given.key(uri)}" if stamp else ""


def is_settled(ledger: Ledger, uri: str, stamp: str) -> bool:
    """True when a record says how this very file ended, and what it speaks of is still there."""
    record = ledger.read(uri)
    if record is None or record[STAMP] != stamp:
        return False
    if stamp and record[s.ERROR_TYPE] == "unreadable":
        return False  # it is there: perhaps it can be read by now
    return ledger.intact(record) and ledger.cut_as_moved(record)


def name_contents(uris: list[str]) -> list[Named]:
    """Ids of sources from their content; one that cannot be read gets an id from its name, and the reason."""

    def name(uri: str) -> Named:
        try:
            return file_source_id(uri), None
        except OSError as error:
            return missing_source_id(uri), fetch_error(error)

    with ThreadPoolExecutor(THREADS) as pool:
        return list(pool.map(name, uris))


def named(
    batches: Iterator[list[Source]], submit: Callable[[list[str]], Callable[[], list[Named]]]
) -> Iterator[list[tuple[Source, Named]]]:
    """The batches with their ids, in order. ``submit`` starts to name sources and returns how to wait for it; it is
    spared those that are not there. ``AHEAD`` batches are on their way at once, so a slow disk is waited for in
    parallel, and no more than these are held."""
    waiting: deque[tuple[list[Source], Callable[[], list[Named]]]] = deque()
    for batch in itertools.chain(batches, [[]] * AHEAD):
        if batch:
            there = [source.uri for source in batch if source.stamp]
            waiting.append((batch, submit(there) if there else list))
        if waiting and (not batch or len(waiting) > AHEAD):
            sources, wait = waiting.popleft()
            names = iter(wait())
            gone = iter(name_contents([source.uri for source in sources if not source.stamp]))
            yield [(source, next(names if source.stamp else gone)) for source in sources]
        elif not waiting:
            yield []  # whoever waits may look at the clock


class Admission:
    """Decides in list order what becomes of every source, and records what ends at once."""

    def __init__(self, ledger: Ledger, again: bool, passed: Callable[[int], None]) -> None:
        self.ledger, self.again, self.passed = ledger, again, passed
        self.first_copy_changed = False
        """A file was counted as the original of others and has changed: they must be looked at again."""
        self._ended: list[dict[str, Any]] = []

    def admit(self, source: Source, content: Named) -> bool:
        """True when the source is to be split."""
        name, error = content
        old = self.ledger.read(source.uri)
        if error is None and self.ledger.tombstones.has_source(name):
            self._refuse(source, name, old)
            return False
        if old is not None and error and error[0] in PASSING and self.ledger.intact(old):
            self.passed(1)  # what is known of it stands: a network that is down takes no clips away
            return False
        if old is not None and old[s.SOURCE_ID] != name:
            self.first_copy_changed |= self.ledger.index.release(old[s.SOURCE_ID], source.uri)
        elif (
            old is not None
            and not self.again
            and same_sidecars(old[STAMP], source.stamp)  # else its caption is another by now
            and self.ledger.intact(old)
            and self.ledger.cut_as_moved(old)
        ):
            self._end({**old, STAMP: source.stamp})
            return False
        original = self.ledger.index.claim(name, source.uri)
        record = {s.SOURCE_ID: name, s.SOURCE_URI: source.uri, s.N_CLIPS: 0, STAMP: source.stamp}
        if error is not None:
            why = {s.ERROR_STAGE: "open", s.ERROR_TYPE: error[0], s.ERROR_MESSAGE: error[1]}
            self._end({**record, s.OUTCOME: s.SourceOutcome.QUARANTINED, **why})
        elif original != source.uri:
            why = {
                s.ERROR_TYPE: "duplicate",
                s.ERROR_MESSAGE: f"same content as {shown_uri(original)}",
            }
            self._end({**record, s.OUTCOME: s.SourceOutcome.DONE, **why, COPY_OF: original})
        else:
            return True
        return False

    def _refuse(self, source: Source, name: str, old: dict[str, Any] | None) -> None:
        """Record that a source was forgotten, by its mark and not by its id."""
        if old is not None and old[s.SOURCE_ID] not in (name, mark(name)):
            self.first_copy_changed |= self.ledger.index.release(old[s.SOURCE_ID], source.uri)
        self._end(
            {
                s.SOURCE_ID: mark(name),
                s.SOURCE_URI: source.uri,
                s.N_CLIPS: 0,
                STAMP: source.stamp,
                s.OUTCOME: s.SourceOutcome.FORGOTTEN.value,
                s.ERROR_TYPE: s.SourceOutcome.FORGOTTEN.value,
                s.ERROR_MESSAGE: "taken out by filmstock forget; it stays out of this folder",
            }
        )

    def flush(self) -> None:
        """Write the records of what ended at once."""
        if self._ended:
            self.ledger.write_all(self._ended)
            self.passed(len(self._ended))
            self._ended = []

    def _end(self, record: dict[str, Any]) -> None:
        self._ended.append(record)
        if len(self._ended) >= BULK:
            self.flush()


def window_size(splitters: int) -> int:
    """Sources of a window that keeps so many splitters busy for a while: starting its workers takes seconds."""
    return max(WINDOW, WINDOW_PER_SPLITTER * splitters)


class Windows:
    """The sources to split, in windows: an execution of Ray Data keeps some memory for every block until its end.

    A window is full with ``size`` sources; one that an idle pipeline waits for (``hurry``) goes off with fewer.
    """

    def __init__(
        self, batches: Iterator[list[tuple[Source, Named]]], admission: Admission, size: int
    ) -> None:
        self.hurry = threading.Event()
        self._batches, self._admission, self._size = batches, admission, size

    def __iter__(self) -> Iterator[list[tuple[Source, str]]]:
        window: list[tuple[Source, str]] = []
        since = time.monotonic()
        for batch in self._batches:
            window += [
                (source, content[0])
                for source, content in batch
                if self._admission.admit(source, content)
            ]
            late = self.hurry.is_set() and time.monotonic() - since > PATIENCE_S
            if len(window) >= self._size or (window and late):
                self._admission.flush()
                yield window
                window, since = [], time.monotonic()
        self._admission.flush()
        if window:
            yield window
