"""Record how each source ended, so that a killed run and its rerun end in the same rows.

Order of a commit: ``clips/`` (by the splitter), ``embeddings/``, ``manifest/``, and last the source's record. Every
name is derived from the source's content, every write is a rename, so doing a source twice writes the same files.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import os
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from functools import cache
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from jobs.core.errors import UserError
from jobs.core.lock import locked
from jobs.edits.moves import MOVED, read_moves
from jobs.ingest.given import GIVEN, PLACE
from jobs.ingest.index import COPY_OF, DROPPED, Index
from jobs.ingest.tombstones import read_tombstones
from pipeline import schema as s
from pipeline.source.listing import shown_uri
from pipeline.store.atomic import write_bytes
from pipeline.store.parquet import write_batches, write_table
from pipeline.store.paths import Location, ObjectPath, each, names_in
from pipeline.tables import dropped_schema, embeddings_schema, manifest_schema, sources_schema

if TYPE_CHECKING:
    import pyarrow as pa

HIDDEN = ".ingest"
"""Folder of the records, beside the tables."""
SINGLE, SEGMENTS = "sources", "records"
"""Folders in it of the records: of one source each, and gathered."""
UNDERWAY = "underway"
"""Folder in it of what is said of sources while they are split (``jobs.ingest.underway``)."""
SETTINGS = "settings.json"
"""File in it with the hash of the settings that its clips were made with."""
TOTAL = "total.json"
"""File in it with the number of sources of the last run."""
TABLES = ("clips", "embeddings", "manifest")
STAMP = "stamp"
"""Key of a record that says what the file looked like from outside (``source_stamp``)."""
SEGMENT = 4096
"""Files of single records that are gathered in one."""
ROW_GROUP = 8192
"""Rows of ``sources.parquet`` that are in memory at once."""


class Ledger:
    """Records of the sources of a run folder that have ended, by URI: files in ``.ingest``, read once into an index.

    A source that went through the pipeline gets a file of its own at once; every ``SEGMENT`` of them, and whatever
    ends in bulk, are one file of JSON lines. The latest record of a source counts.
    """

    def __init__(self, folder: Location) -> None:
        self.folder = folder
        self.single = folder / HIDDEN / SINGLE
        self.segments = folder / HIDDEN / SEGMENTS
        self.tombstones = read_tombstones(folder)
        self.moves = read_moves(folder)
        self.index = Index()
        self._lock = threading.RLock()
        self._loose: dict[str, Location] = {}
        self._last: int | None = None
        self.index.load(self._stored())
        name_parts(self.index, folder)

    def path(self, uri: str) -> Location:
        """Where the record of one source lies until it goes into a segment."""
        name = hashlib.blake2b(os.fsencode(uri), digest_size=10).hexdigest()
        return self.single / name[:2] / f"{name}.json"

    def read(self, uri: str) -> dict[str, Any] | None:
        """Record of a source, or None when it has none."""
        line = self.index.record(uri)
        return None if line is None else complete(json.loads(line))

    def intact(self, record: dict[str, Any]) -> bool:
        """True when what a record speaks of is still there: the rows of its clips, or the source it is a copy of."""
        if original := record.get(COPY_OF):
            first = self.read(original)
            return first is not None and first[s.SOURCE_ID] == record[s.SOURCE_ID]
        return not record[s.N_CLIPS] or self.index.has_part(record[s.SOURCE_ID])

    def cut_as_moved(self, record: dict[str, Any]) -> bool:
        """True when the clips of a source were cut by the moves that the journal has now."""
        if record.get(COPY_OF):
            return True
        return bool(record.get(MOVED) == self.moves.key(record[s.SOURCE_ID]))

    def write(self, record: dict[str, Any]) -> None:
        """Record how a source ended; makes it finished."""
        line, uri = record_line(record), str(record[s.SOURCE_URI])
        with self._lock:
            self._loose[uri] = self.path(uri)
            write_bytes(self._loose[uri], line)
            if record.get(s.N_CLIPS):
                self.index.name_parts([record[s.SOURCE_ID]])
            self.index.put([line])
            if len(self._loose) >= SEGMENT:
                self.compact()

    def write_all(self, records: Iterable[dict[str, Any]]) -> None:
        """Record in one file how sources ended that have no rows in the tables."""
        with self._lock:
            found = list(records)
            if any(record[s.SOURCE_URI] in self._loose for record in found):
                self.compact()  # a file of its own would count for more than the segment
            lines = [record_line(record) for record in found]
            self._write_segment(lines)
            self.index.put(lines)

    def compact(self) -> None:
        """Gather the files of single sources in one."""
        with self._lock:
            found = (self.index.record(uri) for uri in self._loose)
            self._write_segment([line for line in found if line is not None])
            for path in self._loose.values():
                path.unlink(missing_ok=True)
            self._loose.clear()

    def all(self) -> Iterator[dict[str, Any]]:
        """Every record, by URI, never all at once."""
        return (complete(json.loads(line)) for line in self.index.records())

    def _write_segment(self, lines: list[bytes]) -> None:
        if not lines:
            return
        if self._last is None:
            self._last = max((segment_number(name) for name in names_in(self.segments)), default=0)
        self._last += 1
        body = gzip.compress(b"".join(lines), 1, mtime=0)
        write_bytes(self.segments / f"{self._last:08d}.jsonl.gz", body)

    def _stored(self) -> Iterator[bytes]:
        """Records as they lie there, the ones that count last."""
        for name in sorted(names_in(self.segments), key=segment_number):
            with (self.segments / name).open("rb") as file, gzip.open(file) as lines:
                yield from lines
        folders = [self.single / name for name in names_in(self.single)]
        paths = [folder / name for folder in folders for name in names_in(folder)]
        for path, line in zip(paths, each(_content, paths), strict=True):
            self._loose[json.loads(line)[s.SOURCE_URI]] = path
            yield line


def _content(path: Location) -> bytes:
    return path.read_bytes()


def segment_number(name: str) -> int:
    """Place of a segment among the others: later ones count for more."""
    return int(name.partition(".")[0])


@cache
def source_columns() -> list[str]:
    """Columns of ``sources.parquet``."""
    return list(sources_schema().names)


def complete(record: dict[str, Any]) -> dict[str, Any]:
    """A record with all of its keys."""
    body = {name: record.get(name) for name in source_columns()}
    extra = {name: record.get(name) or [] for name in (DROPPED, GIVEN)}
    extra |= {name: record.get(name) for name in (COPY_OF, MOVED)}
    return body | extra | {STAMP: record.get(STAMP)}


def record_line(record: dict[str, Any]) -> bytes:
    """A record as it is stored: one line of JSON, without what it does not say."""
    says = {name: value for name, value in complete(record).items() if value not in (None, {}, [])}
    return json.dumps(says).encode() + b"\n"


def name_parts(index: Index, folder: Location) -> None:
    """Take what the tables of a run folder have rows of. What only measures writes no ``clips``."""
    for number, table in enumerate(TABLES):
        index.name_parts(map(part_source, names_in(folder / table)), number)


def lost_parts(folder: Location) -> int:
    """How many sources of a run folder lack a file of a table that others have: somebody, or a rule of the store,
    removed it."""
    index = Index()
    name_parts(index, folder)
    return index.lost_parts()


def part_name(source: str) -> str:
    """File name of a source's part of the manifest and the embeddings."""
    return f"part-{source}.parquet"


def part_source(name: str) -> str:
    """Id of the source that a file ``part-<source_id>.parquet`` or ``part-<source_id>-001.parquet`` belongs to."""
    return name.partition(".")[0].split("-")[1] if name.startswith("part-") else ""


def commit_source(
    ledger: Ledger,
    end: dict[str, Any],
    clips: list[tuple[dict[str, Any], bytes | None]],
    concepts: tuple[str, ...],
    extra: tuple[str, ...] = (),
) -> None:
    """Write a finished source: embeddings, manifest, record, in this order.

    ``clips``: rows and embeddings (float16 bytes or None) in any order; ``end``: the last row of the source, with the
    size of an embedding; ``extra``: columns of scorers that the recipe names.
    """
    import pyarrow as pa

    clips = sorted(clips, key=lambda clip: clip[0][PLACE])
    source = end[s.SOURCE_ID]
    if end[s.OUTCOME] == s.SourceOutcome.DONE and clips:
        rows = []
        for (row, _), (shard, offset, length, digest) in zip(clips, end["ranges"], strict=True):
            where = {
                s.SHARD: shard,
                s.BYTE_OFFSET: offset,
                s.BYTE_LENGTH: length,
                s.VIDEO_XXH3: digest,
            }
            rows.append(row | where)
        vectors = [
            None if blob is None else np.frombuffer(blob, dtype=np.float16) for _, blob in clips
        ]
        columns = {s.CLIP_ID: [row[s.CLIP_ID] for row in rows], s.CLIP_EMBEDDING: vectors}
        schema = manifest_schema(concepts, extra)
        manifest = pa.table(
            {name: [row.get(name) for row in rows] for name in schema.names}, schema=schema
        )
        write_table(
            ledger.folder / "embeddings" / part_name(source),
            pa.table(columns, schema=embeddings_schema(end["embedding_dim"])),
        )
        write_table(ledger.folder / "manifest" / part_name(source), manifest)
    ledger.write(end)


def compile_sources(ledger: Ledger, tell: Callable[[dict[str, Any]], None]) -> None:
    """Write ``sources.parquet`` and ``dropped.parquet`` from all records, sorted by URI; removes rows of content that
    no source holds any more. The same records give the same bytes, and nothing holds them in memory; ``tell`` is given
    each."""
    for table in TABLES:
        for name in names_in(ledger.folder / table):
            if name.startswith("part-") and not ledger.index.holds_clips(part_source(name)):
                (ledger.folder / table / name).unlink()
    batches = source_batches(ledger.all(), tell)
    write_batches(ledger.folder / "sources.parquet", sources_schema(), batches)
    lost = dropped_batches(ledger.all())
    write_batches(ledger.folder / "dropped.parquet", dropped_schema(), lost)


def source_batches(
    records: Iterator[dict[str, Any]], tell: Callable[[dict[str, Any]], None]
) -> Iterator[pa.Table]:
    """Rows of ``sources.parquet``, ``ROW_GROUP`` at a time."""
    import pyarrow as pa

    schema = sources_schema()
    while batch := list(islice(records, ROW_GROUP)):
        for record in batch:
            tell(record)
            record[s.SOURCE_URI] = shown_uri(record[s.SOURCE_URI])
        columns = {name: [record[name] for record in batch] for name in schema.names}
        yield pa.table(columns, schema=schema)


def dropped_batches(records: Iterator[dict[str, Any]]) -> Iterator[pa.Table]:
    """Rows of ``dropped.parquet``, about ``ROW_GROUP`` at a time."""
    import pyarrow as pa

    schema = dropped_schema()
    rows: list[tuple[Any, ...]] = []
    for record in records:
        source = (record[s.SOURCE_ID], shown_uri(record[s.SOURCE_URI]))
        rows += [(*source, *stretch) for stretch in record[DROPPED]]
        if len(rows) >= ROW_GROUP:
            yield pa.table(dict(zip(schema.names, zip(*rows, strict=True), strict=True)), schema)
            rows = []
    if rows:
        yield pa.table(dict(zip(schema.names, zip(*rows, strict=True), strict=True)), schema)


@contextmanager
def exclusive(folder: Location) -> Iterator[None]:
    """Hold the run folder for one ingest at a time; sweep what a killed one, or a killed worker, left half written."""
    with locked(folder, "ingest"):
        if isinstance(folder, ObjectPath):  # nothing half-written is visible there
            yield
            return
        for table in TABLES:
            (folder / table).mkdir(exist_ok=True)
        sweep(folder)
        yield
        sweep(folder)


def sweep(folder: Path) -> None:
    """Remove temporary files of the tables, of the records, and of the folder itself."""
    places = [(folder / table, ".*") for table in TABLES]
    places += [(folder, ".*.tmp"), (folder / ".done", ".*.tmp"), (folder / HIDDEN, ".*.tmp")]
    places += [(folder / HIDDEN / SINGLE, "*/.*.tmp"), (folder / HIDDEN / SEGMENTS, ".*.tmp")]
    places += [(folder / HIDDEN / UNDERWAY, pattern) for pattern in ("*.json", ".*.tmp")]
    for place, pattern in places:
        for path in place.glob(pattern):
            if path.is_file():
                path.unlink(missing_ok=True)
    with suppress(OSError):  # it is not there, or somebody still writes
        (folder / HIDDEN / UNDERWAY).rmdir()


def check_settings(ledger: Ledger, key: str, settings: str) -> None:
    """Refuse to mix clips of different settings in one folder; the first run writes them down.

    A run that ended before any source was recorded leaves no claim: its settings are replaced.
    """
    if refuse_settings(ledger, key) != key:
        body = json.dumps({"key": key, "settings": settings}).encode()
        write_bytes(ledger.folder / HIDDEN / SETTINGS, body)


def refuse_settings(ledger: Ledger, key: str) -> str | None:
    """UserError where a source was recorded with other settings; else the key that is written down. Writes nothing."""
    folder = ledger.folder
    try:
        known = json.loads((folder / HIDDEN / SETTINGS).read_text()).get("key")
    except ConnectionError:
        raise
    except (OSError, ValueError, AttributeError):
        known = None
    if known not in (None, key) and next(ledger.index.records(), None) is not None:
        raise UserError(
            f"{folder} was ingested with other [ingest] or [openclip] settings; choose another --out, "
            f"or remove {folder}"
        )
    return known
