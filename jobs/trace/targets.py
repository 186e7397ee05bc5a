"""What a person means by a source or a clip: an id, the start of one, a path, a URI, or a file name."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jobs.core.errors import UserError, nearest
from jobs.core.run import RunFolder
from jobs.ingest.ledger import HIDDEN, Ledger
from pipeline import schema as s
from pipeline.shards.layout import manifest_of
from pipeline.shards.read import open_manifest, open_table
from pipeline.source.listing import file_source_id, shown_uri
from pipeline.store.paths import matching

if TYPE_CHECKING:
    import pyarrow as pa

LEAST_PREFIX = 6
"""Characters of an id that may stand for it, at least."""
PLACES = (s.CLIP_ID, s.SOURCE_ID, s.SOURCE_URI, s.START_PTS, s.END_PTS, s.START_S, s.END_S)


@dataclass(frozen=True, kw_only=True)
class Target:
    """A clip, and where in which source it lies."""

    clip_id: str
    source_id: str = ""
    start_pts: int = 0
    end_pts: int = 0
    start_s: float = 0.0
    end_s: float = 0.0


@dataclass(frozen=True, kw_only=True)
class Targets:
    """What is meant, all told."""

    words: tuple[str, ...] = ()
    """As they were named."""
    sources: tuple[str, ...] = ()
    """Ids of whole sources."""
    uris: tuple[str, ...] = ()
    """Where these lie, copies among them."""
    clips: dict[str, Target] = field(default_factory=dict)
    """Clips, those of the sources among them."""

    def spans(self) -> list[tuple[str, int, int]]:
        """(source id, start, end) of the clips whose source stays."""
        return [
            (clip.source_id, clip.start_pts, clip.end_pts)
            for clip in self.clips.values()
            if clip.source_id and clip.source_id not in self.sources
        ]


class Names:
    """Every source and clip of a run folder by its names."""

    def __init__(self, run: RunFolder) -> None:
        self.rows = clip_rows(run)
        self.uris = source_uris(run)
        for row in self.rows:
            if row[s.SOURCE_ID] and row[s.SOURCE_URI]:
                self.uris.setdefault(row[s.SOURCE_URI], row[s.SOURCE_ID])
        self.clips = {row[s.CLIP_ID]: row for row in self.rows}
        self.sources = {row[s.SOURCE_ID] for row in self.rows if row[s.SOURCE_ID]}
        self.sources |= set(self.uris.values())

    def resolve(self, words: Sequence[str]) -> Targets:
        """What ``words`` mean; UserError for the first that means nothing, or several things."""
        sources: list[str] = []
        clips: list[str] = []
        for word in words:
            kind, name = self._one(word)
            (sources if kind == "source" else clips).append(name)
        wanted = set(sources)
        members = [row for row in self.rows if row[s.SOURCE_ID] in wanted]
        rows = [*members, *(self.clips[name] for name in clips)]
        return Targets(
            words=tuple(words),
            sources=tuple(dict.fromkeys(sources)),
            uris=tuple(uri for uri, source in self.uris.items() if source in wanted),
            clips={row[s.CLIP_ID]: _target(row) for row in rows},
        )

    def _one(self, word: str) -> tuple[str, str]:
        if word in self.clips:
            return "clip", word
        if word in self.sources:
            return "source", word
        if found := self._by_path(word):
            return "source", found
        if len(word) >= LEAST_PREFIX:
            starts = [("clip", name) for name in self.clips if name.startswith(word)]
            starts += [("source", name) for name in self.sources if name.startswith(word)]
            if len(starts) > 1:
                raise UserError(f"{word!r} is the start of {len(starts)} ids; give more of it")
            if starts:
                return starts[0]
        raise UserError(self._unknown(word))

    def _by_path(self, word: str) -> str | None:
        """Source at a path or URI, of a file name, or with the content of a file that lies elsewhere by now."""
        path = Path(word)
        for uri in (word, *(() if "://" in word else (str(path.absolute()), str(path.resolve())))):
            if uri in self.uris:
                return self.uris[uri]
        named = {source for uri, source in self.uris.items() if uri.rpartition("/")[2] == word}
        if len(named) > 1:
            raise UserError(f"{len(named)} sources are called {word!r}; give the path or the id")
        if named:
            return named.pop()
        if "://" not in word and path.is_file():
            found = file_source_id(path)
            return found if found in self.sources else None
        return None

    def _unknown(self, word: str) -> str:
        files = {uri.rpartition("/")[2] for uri in self.uris}
        close = nearest(word, files)
        hint = f"; did you mean {close}?" if close else ""
        return (
            f"no source or clip here is called {word!r}{hint} (a clip by its id, a source by its id, path or file "
            f"name; at least {LEAST_PREFIX} characters of an id)"
        )


def clip_rows(run: RunFolder) -> list[dict[str, Any]]:
    """Where every clip of a run folder lies in its source; of shards alone, what they say."""
    table: pa.Table
    if matching(run.manifest):
        table = open_table(run.manifest, list(PLACES))
    elif manifest_of(run.shards).is_file():
        table = open_manifest(run.shards).table
    else:
        return []
    table = table.select([name for name in PLACES if name in table.column_names])
    blank = dict.fromkeys(PLACES)
    return [{**blank, **row} for row in table.to_pylist()]


def source_uris(run: RunFolder) -> dict[str, str]:
    """URI -> source id of every source of a run folder, as they were named to ingest."""
    import pyarrow.parquet as pq

    from pipeline.store.paths import parquet_input

    if (run / HIDDEN).is_dir():
        records = Ledger(run.path).all()
        return {record[s.SOURCE_URI]: record[s.SOURCE_ID] for record in records}
    path = run / "sources.parquet"
    if not path.is_file():
        return {}
    rows = pq.ParquetFile(parquet_input(path)).read([s.SOURCE_URI, s.SOURCE_ID]).to_pylist()
    return {row[s.SOURCE_URI]: row[s.SOURCE_ID] for row in rows}


def spellings(uri: str) -> set[str]:
    """A URI as tables, JSON and pages may spell it."""
    import html

    found = {uri, shown_uri(uri)}
    found |= {json.dumps(text)[1:-1] for text in set(found)}
    found |= {json.dumps(text, ensure_ascii=False)[1:-1] for text in set(found)}
    return found | {html.escape(text) for text in found}


def unique_names(uris: Iterable[str], others: Iterable[str]) -> list[str]:
    """File names of ``uris`` that no other source has: shards hold no more of a local path."""
    taken = {uri.rpartition("/")[2] for uri in others}
    names = {uri.rpartition("/")[2] for uri in uris}
    return sorted(name for name in names - taken if len(name) > 4)


def _target(row: dict[str, Any]) -> Target:
    return Target(
        clip_id=row[s.CLIP_ID],
        source_id=row[s.SOURCE_ID] or "",
        start_pts=row[s.START_PTS] or 0,
        end_pts=row[s.END_PTS] or 0,
        start_s=row[s.START_S] or 0.0,
        end_s=row[s.END_S] or 0.0,
    )
