"""Everything that went wrong in a run, counted by stage and type and by source."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from jobs.ingest.summary import failure_of, is_quarantined
from jobs.report.data import Run
from pipeline import schema as s
from pipeline.select.select import UNMEASURED

SHOWN = 40
"""Rows of each table at most."""
MESSAGE = 240
"""Characters of a message at most."""


@dataclass(frozen=True, kw_only=True)
class Failure:
    """One thing that failed."""

    what: str
    """``source``, ``clip`` or ``caption``."""
    stage: str
    """Where."""
    type: str
    """How."""
    message: str
    """Its own words."""
    source: str
    """URI of the source it belongs to, empty where a table does not say."""
    count: int = 1
    """How many times."""


@dataclass(frozen=True, kw_only=True)
class Failures:
    """The two tables of the page."""

    by_type: list[dict[str, Any]]
    """Stage, type, count and the first message, most frequent first."""
    by_source: list[dict[str, Any]]
    """Source and its counts, most failures first."""
    total: int
    """All failures."""
    types: int
    """Different (what, stage, type)."""
    sources: int
    """Sources that have any."""


def count_failures(run: Run) -> Failures:
    """Count what failed."""
    types: Counter[tuple[str, str, str]] = Counter()
    messages: dict[tuple[str, str, str], str] = {}
    sources: dict[str, Counter[str]] = {}
    for failure in _failures(run):
        key = (failure.what, failure.stage, failure.type)
        types[key] += failure.count
        messages.setdefault(key, failure.message[:MESSAGE])
        if failure.source:
            kind = f"{failure.stage}/{failure.type}"
            sources.setdefault(failure.source, Counter())[kind] += failure.count
    by_type = sorted(types.items(), key=lambda item: (-item[1], item[0]))
    by_source = sorted(sources.items(), key=lambda item: (-item[1].total(), item[0]))
    return Failures(
        by_type=[
            {"what": key[0], "stage": key[1], "type": key[2], "n": n, "message": messages[key]}
            for key, n in by_type[:SHOWN]
        ],
        by_source=[
            {"source": uri, "n": kinds.total(), "kinds": sorted(kinds.items())[:8]}
            for uri, kinds in by_source[:SHOWN]
        ],
        total=types.total(),
        types=len(types),
        sources=len(sources),
    )


def _failures(run: Run) -> Iterator[Failure]:
    for row in run.sources:
        if is_quarantined(row):
            stage, kind = failure_of(row)
            message, uri = str(row[s.ERROR_MESSAGE] or ""), str(row[s.SOURCE_URI])
            yield Failure(what="source", stage=stage, type=kind, message=message, source=uri)
    uris = run.column(s.SOURCE_URI)
    for uri, errors, reasons in zip(uris, run.column(s.ERROR), run.reasons, strict=True):
        for text in filter(None, (errors or "").split("; ")):
            stage, _, rest = text.partition(": ")
            kind, _, message = rest.partition(": ")
            yield Failure(what="clip", stage=stage, type=kind, message=message or kind, source=uri)
        for reason in reasons:
            if reason.startswith(UNMEASURED):
                rule = reason.removeprefix(UNMEASURED)
                message = f"a score that the rule {rule} asks for is not measured"
                yield Failure(what="clip", stage="select", type=reason, message=message, source=uri)
    if run.captions is not None:
        source_of = dict(zip(run.column(s.CLIP_ID), uris, strict=True))
        names = (s.CLIP_ID, s.OUTCOME, s.ERROR_MESSAGE)
        columns = (run.captions.column(name).to_pylist() for name in names)
        for clip, outcome, message in zip(*columns, strict=True):
            if outcome != s.CaptionOutcome.OK:
                source = source_of.get(clip, "")
                yield Failure(
                    what="caption",
                    stage="caption",
                    type=outcome,
                    message=message or "",
                    source=source,
                )
    for kind in ("uncaptioned", "unreadable"):
        if count := int(run.stages.get("pack", {}).get(kind, 0)):
            yield Failure(
                what="clip",
                stage="pack",
                type=kind,
                message="left out of the shards",
                source="",
                count=count,
            )
