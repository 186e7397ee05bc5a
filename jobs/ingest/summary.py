"""How the sources of an ingest ended: counted, printed, and appended to the folder's metrics."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from jobs.core.console import say
from jobs.core.run import dropped_line
from jobs.core.stage import log_metrics
from jobs.edits.moves import MOVED
from jobs.ingest.index import DROPPED
from pipeline import schema as s
from pipeline.source.listing import told_uri
from pipeline.store.paths import Location, location

SHOWN = 20
"""Quarantined sources printed by name."""


@dataclass(frozen=True, kw_only=True)
class IngestResult:
    """How the sources ended."""

    done: int
    """Sources that were brought to an end."""
    quarantined: int
    """Sources that cannot be used; ``sources.parquet`` says why."""
    clips: int
    """Clips in the folder."""
    hours: float
    """Length of the sources that are done, hours."""


class Tally:
    """Counts how sources ended, record by record, and keeps the names of the first that cannot be used."""

    def __init__(self, records: Iterable[Mapping[str, Any]] = ()) -> None:
        self.done = self.quarantined = self.clips = 0
        self.seconds = 0.0
        self.first_bad: list[str] = []
        self.dropped: dict[str, tuple[int, float]] = {}
        self.partial = self.forgotten = 0
        self._ends = hashlib.blake2b(digest_size=8)
        for record in records:
            self.add(record)

    def add(self, record: Mapping[str, Any]) -> None:
        """Take one record; their order matters to ``key`` alone."""
        failure = failure_of(record) if is_quarantined(record) else None
        if failure:
            self.quarantined += 1
            if len(self.first_bad) < SHOWN:
                self.first_bad.append(f"{told_uri(record[s.SOURCE_URI])}: {'/'.join(failure)}")
        elif record[s.OUTCOME] == s.SourceOutcome.FORGOTTEN:
            self.forgotten += 1
        else:
            self.done += 1
            self.clips += record[s.N_CLIPS] or 0
            self.seconds += record[s.DURATION_S] or 0.0
        self.partial += not failure and record[s.ERROR_TYPE] == s.PARTIAL
        for start_s, end_s, reason in record[DROPPED]:
            count, seconds = self.dropped.get(reason, (0, 0.0))
            self.dropped[reason] = (count + 1, seconds + end_s - start_s)
        end = [record[s.SOURCE_URI], record[s.SOURCE_ID], failure, record[s.N_CLIPS]]
        end += [moved] if (moved := record.get(MOVED)) else []
        self._ends.update(json.dumps(end).encode())

    def result(self) -> IngestResult:
        """The counts."""
        return IngestResult(
            done=self.done,
            quarantined=self.quarantined,
            clips=self.clips,
            hours=self.seconds / 3600,
        )

    def key(self) -> str:
        """Hash of how every source ended: later stages chain on it."""
        return self._ends.hexdigest()


def is_quarantined(record: Mapping[str, Any]) -> bool:
    """True for a source that cannot be used."""
    return bool(record[s.OUTCOME] == s.SourceOutcome.QUARANTINED)


def failure_of(record: Mapping[str, Any]) -> tuple[str, str]:
    """(stage, type) of a quarantined source, e.g. ``("decode", "timeout")``."""
    return str(record[s.ERROR_STAGE]), str(record[s.ERROR_TYPE])


def report(stage: str, tally: Tally, folder: Location | str) -> None:
    """Print how the sources ended, the first quarantined ones by name, and log the numbers."""
    result = tally.result()
    say(
        f"{stage}: {result.done} sources done ({result.hours:.2f} hours), {result.quarantined} quarantined, "
        f"{result.clips} clips in {folder}"
    )
    for line in tally.first_bad:
        say(f"  quarantined {line}")
    if (more := result.quarantined - len(tally.first_bad)) > 0:
        say(f"  and {more} more, see {location(folder) / 'sources.parquet'}")
    if tally.forgotten:
        say(f"  {tally.forgotten} sources were forgotten and stay out")
    if tally.partial:
        say(f"  {tally.partial} sources are cut short; what could be decoded of them was kept")
    if tally.dropped:
        say(f"  became no clip: {dropped_line(tally.dropped)}; dropped.parquet lists each")
    counts = {reason: count for reason, (count, _) in sorted(tally.dropped.items())}
    log_metrics(location(folder), stage, {**vars(result), "dropped": counts})
