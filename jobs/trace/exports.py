"""Take a work out of a folder that an export was written to: media, sidecars, rows of tables, members of archives.

An export names files after clips, or lists them in a table. A media file goes with its sidecars when its name, or the
row that lists it, is of the work, or when it holds its very bytes.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import Any

from jobs.trace.rest import drop_lines, scrubbed
from jobs.trace.search import Needles, all_files, file_hit
from jobs.trace.tables import Gone, read_whole, take_out_table, take_out_video
from pipeline import schema as s
from pipeline.store.atomic import write_bytes
from pipeline.store.paths import Location, parquet_input

LINES = frozenset({".jsonl", ".csv", ".txt", ".md", ".log"})


def take_out_of_export(folder: Location, gone: Gone, needles: Needles) -> Iterator[str]:
    """Every file of an export that has something of the work; yields those that changed or went."""
    files = list(all_files(folder))
    stems = {name.with_suffix("") for name, path in files if _is_theirs(name, path, needles)}
    stems |= set(_listed(folder, files, needles))
    for name, path in files:
        whole = name.with_suffix("") in stems and name.suffix not in (".parquet", ".jsonl", ".csv")
        if whole or _take_out(path, gone, needles):
            if whole:
                path.unlink(missing_ok=True)
            yield f"{folder}/{name}"


def _is_theirs(name: PurePosixPath, path: Location, needles: Needles) -> bool:
    """A media file, or a cache of one, that is named after a clip or holds its bytes."""
    if needles.hit(str(name).encode()) is not None:
        return True
    media = name.suffix.lower() in (".mp4", ".mkv", ".mov", ".webm", ".safetensors", ".pt")
    return media and file_hit(path, needles) is not None


def _listed(
    folder: Location, files: list[tuple[PurePosixPath, Location]], needles: Needles
) -> Iterator[PurePosixPath]:
    """Files that a table of the export names in a row of the work, without their suffix."""
    there = {str(name) for name, _ in files}
    for _, path in files:
        for row in _table_rows(path):
            texts = [value for value in row if isinstance(value, str)]
            if any(needles.hit(text.encode()) is not None for text in texts):
                for text in texts:
                    if text in there and PurePosixPath(text).suffix:
                        yield PurePosixPath(text).with_suffix("")


def _table_rows(path: Location) -> Iterator[list[Any]]:
    """Values of every row of a table of CSV, JSON lines, JSON or Parquet; nothing of other files."""
    import csv

    kind = path.suffix.lower()
    if kind == ".csv":
        yield from csv.reader(path.read_text().splitlines())
    elif kind == ".jsonl":
        for line in path.read_text().splitlines():
            yield list(_leaves(json.loads(line)))
    elif kind == ".json":
        try:
            body = json.loads(path.read_text())
        except ValueError:
            return
        if isinstance(body, list):
            for item in body:
                yield list(_leaves(item))
        elif isinstance(body, dict):
            for key, item in body.items():
                yield [key, *_leaves(item)]
    elif kind == ".parquet":
        import pyarrow.parquet as pq

        with pq.ParquetFile(parquet_input(path)) as file:
            names = [f.name for f in file.schema_arrow if str(f.type) == "string"]
            for row in file.read(names).to_pylist():
                yield list(row.values())


def _leaves(value: Any) -> Iterator[Any]:
    if isinstance(value, dict):
        for item in value.values():
            yield from _leaves(item)
    elif isinstance(value, list):
        for item in value:
            yield from _leaves(item)
    else:
        yield value


def _take_out(path: Location, gone: Gone, needles: Needles) -> bool:
    kind = path.suffix.lower()
    if kind == ".parquet":
        import pyarrow.parquet as pq

        names = pq.read_schema(parquet_input(path)).names
        if s.CLIP_ID in names and s.VIDEO in names:
            return take_out_video(path, gone)
        return take_out_table(path, gone) if s.CLIP_ID in names else _drop_rows(path, needles)
    if file_hit(path, needles) is None:
        return False
    if kind in LINES:
        drop_lines(path, needles)
    elif kind == ".json":
        body = scrubbed(json.loads(path.read_text()), needles)
        write_bytes(path, (json.dumps(body, indent=2, ensure_ascii=False) + "\n").encode())
    elif kind == ".tar":
        write_bytes(path, _tar_without(path.read_bytes(), needles))
    else:
        path.unlink(missing_ok=True)
    return True


def _drop_rows(path: Location, needles: Needles) -> bool:
    """Rows of a Parquet table that has no clip_id, by what they say."""

    from pipeline.store.parquet import write_table

    table = read_whole(path)
    names = [f.name for f in table.schema if str(f.type) in ("string", "binary", "large_string")]
    rows = table.select(names).to_pylist()
    keep = [
        all(
            value is None
            or needles.hit(value if isinstance(value, bytes) else value.encode()) is None
            for value in row.values()
        )
        for row in rows
    ]
    if all(keep):
        return False
    write_table(path, table.filter(keep))
    return True


def _tar_without(data: bytes, needles: Needles) -> bytes:
    """An archive without the samples (members of one stem) that hold something of the work."""
    import io
    import tarfile

    with tarfile.open(fileobj=io.BytesIO(data)) as old:
        members = [(info, old.extractfile(info)) for info in old if info.isfile()]
        read = [(info, file.read() if file else b"") for info, file in members]
    bad = {
        info.name.partition(".")[0]
        for info, body in read
        if needles.hit(info.name.encode()) is not None or needles.hit(body) is not None
    }
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as new:
        for info, body in read:
            if info.name.partition(".")[0] not in bad:
                new.addfile(info, io.BytesIO(body))
    return out.getvalue()
