"""Which files of a finished run look other than they did: sources, and the files beside them that hold captions.

``ingest`` passes over what looks as it did and takes the rest anew (``jobs.ingest.plan``). This only says what that
would be, from sizes and times of change; nothing is read but the records.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

from jobs.ingest.index import COPY_OF
from jobs.ingest.ledger import HIDDEN, STAMP, TOTAL, Ledger
from pipeline import schema as s
from pipeline.source.listing import BESIDE, shown_uri, source_stamp
from pipeline.store.paths import Location, location

MOST = 10_000
"""Sources that are looked at; of more, a look would take seconds."""


def changed_files(folder: Location, *, sidecars: bool = True) -> list[str]:
    """Names of local sources that changed since they were ingested, and of sidecars that changed, came or went.

    ``sidecars`` as ingest was told. Empty where there are more than ``MOST`` sources. A source that is gone is no
    change: its clips stand.
    """
    try:
        total = json.loads((folder / HIDDEN / TOTAL).read_text())["sources"]
    except (OSError, ValueError, KeyError, TypeError):
        return []
    return list(_changed(folder, sidecars)) if total <= MOST else []


def _changed(folder: Location, sidecars: bool) -> Iterator[str]:
    for record in Ledger(folder).all():
        uri, stamp = str(record[s.SOURCE_URI]), str(record[STAMP])
        own, _, beside = stamp.partition(BESIDE)
        given = bool(beside) and not beside.startswith(
            "."
        )  # its clips came with it, and no sidecar counts
        if not own or record.get(COPY_OF) or not isinstance(location(uri), Path):
            continue
        now, _, beside_now = source_stamp(uri, sidecars=sidecars and not given).partition(BESIDE)
        if not now:
            continue
        if now != own:
            yield Path(shown_uri(uri)).name
        if sidecars and not given:
            then, there = _by_ending(beside), _by_ending(beside_now)
            for ending in sorted(then.keys() | there.keys()):
                if then.get(ending) != there.get(ending):
                    yield Path(shown_uri(uri)).stem + ending


def _by_ending(beside: str) -> dict[str, str]:
    """Ending of each sidecar in a stamp -> its own stamp."""
    return dict(part.split(":", 1) for part in beside.split(BESIDE) if ":" in part)
