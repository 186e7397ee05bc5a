"""What was forgotten in a run folder and must not return: marks of sources, and of stretches of sources.

``.forgotten/tombstones.jsonl`` names no work. A mark is a hash of the content's id, so it can be compared with a file
that is at hand and with nothing else.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from pipeline import schema as s
from pipeline.store.atomic import write_bytes
from pipeline.store.paths import Location

FOLDER = ".forgotten"
"""Folder of tombstones and receipts, in the run folder."""
TOMBSTONES = "tombstones.jsonl"


@dataclass(frozen=True, kw_only=True)
class Tombstones:
    """Marks of what must not return."""

    sources: frozenset[str] = frozenset()
    """Marks of whole sources."""
    spans: dict[str, list[tuple[int, int]]] = field(default_factory=dict)
    """Mark of a source -> stretches [start, end) of it, in ticks of its time base."""

    def has_source(self, source: str) -> bool:
        """Whether a whole source was forgotten."""
        return bool(self.sources) and mark(source) in self.sources

    def spans_of(self, source: str) -> list[tuple[int, int]]:
        """Stretches of a source that were forgotten."""
        return self.spans.get(mark(source), []) if self.spans else []

    def lines(self) -> bytes:
        """The file: one JSON line for each, in order."""
        rows: list[dict[str, Any]] = [{"mark": name} for name in sorted(self.sources)]
        for name in sorted(self.spans):
            for start, end in sorted(set(self.spans[name])):
                rows.append({"mark": name, s.START_PTS: start, s.END_PTS: end})
        return b"".join(json.dumps(row).encode() + b"\n" for row in rows)


def mark(source: str) -> str:
    """Mark of a source, by its id or a name: 32 hex digits that it cannot be read from."""
    name = source.encode("utf-8", "surrogateescape")
    return hashlib.blake2b(b"forgotten:" + name, digest_size=16).hexdigest()


def read_tombstones(folder: Location) -> Tombstones:
    """Tombstones of a run folder; none when nothing was forgotten there."""
    path = folder / FOLDER / TOMBSTONES
    sources, spans = set(), dict[str, list[tuple[int, int]]]()
    for line in path.read_text().splitlines() if path.is_file() else ():
        row = json.loads(line)
        if s.START_PTS in row:
            spans.setdefault(row["mark"], []).append((row[s.START_PTS], row[s.END_PTS]))
        else:
            sources.add(row["mark"])
    return Tombstones(sources=frozenset(sources), spans=spans)


def add_tombstones(
    folder: Location, sources: Iterable[str], spans: Iterable[tuple[str, int, int]]
) -> None:
    """Mark source ids, and (source id, start, end) of stretches; those that are there stay."""
    old = read_tombstones(folder)
    merged = {name: list(found) for name, found in old.spans.items()}
    for source, start, end in spans:
        merged.setdefault(mark(source), []).append((start, end))
    new = Tombstones(sources=old.sources | {mark(source) for source in sources}, spans=merged)
    write_bytes(folder / FOLDER / TOMBSTONES, new.lines())


def overlaps(start: int, end: int, spans: Iterable[tuple[int, int]]) -> bool:
    """Whether [start, end) shares a tick with one of the stretches."""
    return any(start < stop and first < end for first, stop in spans)
