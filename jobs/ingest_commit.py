"""What ingest leaves behind, source by source, so that a kill at any instant and a rerun end in the same rows.

Order of a commit: ``clips/`` (by the splitter), ``embeddings/``, ``manifest/``, and last the source's record. Every
name is derived from the source's content, every write is a rename, so doing a source twice writes the same files.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from jobs.errors import UserError
from jobs.runfolder import write_bytes, write_table
from pipeline import schema as s

HIDDEN = ".ingest"
"""Folder of the records, beside the tables."""
TABLES = ("clips", "embeddings", "manifest")
ORIGINAL = "original"
"""Key of a record that names the source it is a copy of."""


class Ledger:
    """Records of finished sources in a run folder; one file per source, named by its URI.

    Sources in ``again`` count as unfinished until their record is written anew.
    """

    def __init__(self, folder: Path, again: Iterable[str] = ()) -> None:
        self.folder = folder
        self.again = set(again)
        self.records = folder / HIDDEN / "sources"

    def path(self, uri: str) -> Path:
        """Where the record of a source lies."""
        name = hashlib.blake2b(uri.encode(errors="surrogateescape"), digest_size=10).hexdigest()
        return self.records / name[:2] / f"{name}.json"

    def read(self, uri: str) -> dict[str, Any] | None:
        """Record of a source, or None when it has none."""
        try:
            record = json.loads(self.path(uri).read_text())
        except (OSError, ValueError):
            return None
        return record if isinstance(record, dict) else None

    def finished(self, uri: str, source: str) -> bool:
        """True when this content at this place was brought to an end, and its rows are still there."""
        record = None if uri in self.again else self.read(uri)
        if record is None or record.get(s.SOURCE_ID) != source:
            return False
        if record.get(ORIGINAL):
            first = self.read(record[ORIGINAL])
            return first is not None and first.get(s.SOURCE_ID) == source
        return not record.get(s.N_CLIPS) or (self.folder / "manifest" / part_name(source)).exists()

    def holder(self, source: str) -> str | None:
        """URI of the source whose clips lie in the tables under this id, None when there are none."""
        import pyarrow.parquet as pq

        try:
            part = pq.ParquetFile(self.folder / "manifest" / part_name(source))
        except FileNotFoundError:
            return None
        uris = part.read(columns=[s.SOURCE_URI]).column(0).to_pylist()
        return uris[0] if uris else None

    def write(self, record: dict[str, Any]) -> None:
        """Record how a source ended; makes it finished."""
        names = s.sources_schema().names
        body = {name: record.get(name) for name in names}
        body |= {"dropped": record.get("dropped") or {}, ORIGINAL: record.get(ORIGINAL)}
        write_bytes(self.path(str(record[s.SOURCE_URI])), json.dumps(body).encode())
        self.again.discard(str(record[s.SOURCE_URI]))

    def all(self) -> Iterator[dict[str, Any]]:
        """Every record, in a stable order."""
        for path in sorted(self.records.glob("*/*.json")):
            yield json.loads(path.read_text())


def part_name(source: str) -> str:
    """File name of a source's part of the manifest and the embeddings."""
    return f"part-{source}.parquet"


def commit_source(
    ledger: Ledger,
    end: dict[str, Any],
    clips: list[tuple[dict[str, Any], bytes | None]],
    concepts: tuple[str, ...],
) -> None:
    """Write a finished source: embeddings, manifest, record, in this order.

    ``clips``: rows and embeddings (float16 bytes or None) in any order; ``end``: the last row of the source, with the
    size of an embedding.
    """
    import pyarrow as pa

    clips = sorted(clips, key=lambda clip: clip[0][s.START_PTS])
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
        schema = s.manifest_schema(concepts)
        manifest = pa.table(
            {name: [row.get(name) for row in rows] for name in schema.names}, schema=schema
        )
        write_table(
            ledger.folder / "embeddings" / part_name(source),
            pa.table(columns, schema=s.embeddings_schema(end["embedding_dim"])),
        )
        write_table(ledger.folder / "manifest" / part_name(source), manifest)
    ledger.write(end)


def compile_sources(ledger: Ledger) -> list[dict[str, Any]]:
    """Write ``sources.parquet`` from all records; removes rows of content that no source holds any more."""
    import pyarrow as pa

    records = list(ledger.all())
    held = {record[s.SOURCE_ID] for record in records if record[s.N_CLIPS]}
    for table in TABLES:
        for path in (ledger.folder / table).glob("part-*.parquet"):
            if path.stem.split("-")[1] not in held:
                path.unlink()
    records.sort(key=lambda record: record[s.SOURCE_URI])
    schema = s.sources_schema()
    columns = {name: [record[name] for record in records] for name in schema.names}
    write_table(ledger.folder / "sources.parquet", pa.table(columns, schema=schema))
    return records


@contextmanager
def exclusive(folder: Path) -> Iterator[None]:
    """Hold the run folder for one ingest at a time; sweep what a killed one, or a killed worker, left half written."""
    hidden = folder / HIDDEN
    hidden.mkdir(parents=True, exist_ok=True)
    with (hidden / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise UserError(
                f"another ingest is writing to {folder}; wait for it, or choose another --out"
            ) from None
        for table in TABLES:
            (folder / table).mkdir(exist_ok=True)
        sweep(folder)
        yield
        sweep(folder)


def sweep(folder: Path) -> None:
    """Remove temporary files of the tables, of the records, and of the folder itself."""
    places = [(folder / table, ".*") for table in TABLES]
    places += [(folder, ".*.tmp"), (folder / ".done", ".*.tmp"), (folder / HIDDEN, ".*.tmp")]
    places += [(folder / HIDDEN / "sources", "*/.*.tmp")]
    for place, pattern in places:
        for path in place.glob(pattern):
            if path.is_file():
                path.unlink(missing_ok=True)


def check_settings(folder: Path, key: str, settings: str) -> None:
    """Refuse to mix clips of different settings in one folder; the first run writes them down."""
    path = folder / HIDDEN / "settings.json"
    try:
        known = json.loads(path.read_text())
    except (OSError, ValueError):
        write_bytes(path, json.dumps({"key": key, "settings": settings}).encode())
        return
    if known.get("key") != key:
        raise UserError(
            f"{folder} was ingested with other [ingest] or [clip] settings; choose another --out, or remove {folder}"
        )
