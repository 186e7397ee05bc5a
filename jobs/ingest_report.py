"""How the sources of an ingest ended: counted, printed, and appended to the folder's metrics."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jobs.console import say
from jobs.runfolder import log_metrics
from pipeline import schema as s

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


def summarise(records: Iterable[Mapping[str, Any]]) -> IngestResult:
    """Count how the sources ended."""
    done = quarantined = clips = 0
    seconds = 0.0
    for record in records:
        if is_quarantined(record):
            quarantined += 1
        else:
            done += 1
            clips += record[s.N_CLIPS] or 0
            seconds += record[s.DURATION_S] or 0.0
    return IngestResult(done=done, quarantined=quarantined, clips=clips, hours=seconds / 3600)


def is_quarantined(record: Mapping[str, Any]) -> bool:
    """True for a source that cannot be used."""
    return bool(record[s.OUTCOME] == s.SourceOutcome.QUARANTINED)


def failure_of(record: Mapping[str, Any]) -> tuple[str, str]:
    """(stage, type) of a quarantined source, e.g. ``("decode", "timeout")``."""
    return str(record[s.ERROR_STAGE]), str(record[s.ERROR_TYPE])


def report(
    stage: str, records: list[dict[str, Any]], result: IngestResult, folder: Path | str
) -> None:
    """Print how the sources ended, the first quarantined ones by name, and log the numbers."""
    say(
        f"{stage}: {result.done} sources done ({result.hours:.2f} hours), {result.quarantined} quarantined, "
        f"{result.clips} clips in {folder}"
    )
    bad = [record for record in records if is_quarantined(record)]
    for record in bad[:SHOWN]:
        say(f"  quarantined {record[s.SOURCE_URI]}: {'/'.join(failure_of(record))}")
    if len(bad) > SHOWN:
        say(f"  and {len(bad) - SHOWN} more, see {Path(folder) / 'sources.parquet'}")
    dropped: Counter[str] = Counter()
    for record in records:
        dropped.update(record.get("dropped") or {})
    for reason, count in sorted(dropped.items()):
        say(f"  {count} shots dropped: {reason}")
    metrics = {
        "done": result.done,
        "quarantined": result.quarantined,
        "clips": result.clips,
        "hours": result.hours,
        "dropped": dict(dropped),
    }
    log_metrics(folder, stage, metrics)
