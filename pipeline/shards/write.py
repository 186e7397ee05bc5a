"""Parquet files whose video cells are plain byte ranges, and the writer that rolls them into shards.

In memory ``video`` is a binary column; in the file it is ``struct<bytes: binary, path: string>``, the one form that
``datasets.load_dataset("parquet")`` recognises as its Video feature (5.2.0 reads flat binary as plain binary, whatever
the metadata says). ``video.bytes`` is UNCOMPRESSED, PLAIN, without dictionary or statistics, one value per data page:
a cell lies in the file exactly as given, and (shard, byte_offset, byte_length) is one range read.
Every file appears under its name only when it is complete (temporary name, fsync, rename).
"""

from __future__ import annotations

import json
import logging
import os
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import xxhash

from pipeline import schema as s
from pipeline.shards.pages import cell_ranges

if TYPE_CHECKING:
    import pyarrow as pa

log = logging.getLogger(__name__)

ROW_GROUP_BYTES = 48 << 20
"""Video bytes after which a row group is closed (the useful range is 32 to 64 MB)."""

SHARD_BYTES = 256 << 20
"""Video bytes after which a shard file is closed."""

MANIFEST_NAME = "manifest.parquet"
VERSION_KEY = "filmstock.schema_version"
TMP_MARK = ".tmp-"
VIDEO_LEAF = s.VIDEO + ".bytes"
VIDEO_PATH_LEAF = s.VIDEO + ".path"


def video_hash(data: bytes) -> str:
    """xxh3-128 of the encoded bytes, 32 hex digits; the value of the ``video_xxh3`` column."""
    return xxhash.xxh3_128_hexdigest(data)


def write_video_table(
    path: str | Path,
    table: pa.Table,
    *,
    metadata: Mapping[str, str] | None = None,
    row_group_bytes: int = ROW_GROUP_BYTES,
) -> list[tuple[int, int]]:
    """Write ``table`` (with a binary ``video`` column) to ``path`` and return each row's (byte_offset, byte_length).

    The file is written under a temporary name, read back and compared cell by cell, then renamed into place.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    part = _OpenPart(path, table.schema, metadata or {})
    try:
        for group in _row_groups(table, row_group_bytes):
            part.write_group(group)
        return part.commit()
    except BaseException:
        part.discard()
        raise


def write_table_atomic(path: str | Path, table: pa.Table, **options: Any) -> None:
    """Write a table (zstd unless ``options`` say otherwise) under a temporary name, then rename it to ``path``."""
    import pyarrow.parquet as pq

    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    tmp = _temporary(path)
    options.setdefault("compression", "zstd")
    try:
        pq.write_table(table, tmp, **options)
        _publish(tmp, path)
    finally:
        with suppress(FileNotFoundError):
            tmp.unlink()


class ShardWriter:
    """Rolls rows into ``part-00000.parquet`` ... of about ``shard_bytes``, then commits ``manifest.parquet`` last.

    Memory stays near one row group. A folder without a manifest is an interrupted write: its parts are removed when a
    writer starts there again. Use as a context manager; the manifest is written only if the block ends without error.
    """

    def __init__(
        self,
        out_dir: str | Path,
        schema: pa.Schema,
        *,
        shard_bytes: int = SHARD_BYTES,
        row_group_bytes: int = ROW_GROUP_BYTES,
        metadata: Mapping[str, str] | None = None,
        overwrite: bool = False,
    ) -> None:
        self.out_dir = Path(out_dir)
        self.schema = schema
        self.shard_bytes = shard_bytes
        self.row_group_bytes = min(row_group_bytes, shard_bytes)
        self.metadata = dict(metadata or {})
        self.n_rows = 0
        self.n_bytes = 0
        self._rows: list[dict[str, Any]] = []
        self._row_bytes = 0
        self._part: _OpenPart | None = None
        self._part_rows: list[dict[str, Any]] = []
        self._part_bytes = 0
        self._n_parts = 0
        self._manifest: list[pa.Table] = []
        self._clear_folder(overwrite)

    def _clear_folder(self, overwrite: bool) -> None:
        manifest = self.out_dir / MANIFEST_NAME
        if manifest.exists() and not overwrite:
            raise ValueError(
                f"{self.out_dir} already holds finished shards ({MANIFEST_NAME}); "
                "choose another folder or remove it first"
            )
        self.out_dir.mkdir(parents=True, exist_ok=True)
        manifest.unlink(missing_ok=True)
        for stale in self.out_dir.glob("*part-*.parquet*"):
            stale.unlink()

    def add(self, row: Mapping[str, Any]) -> None:
        """Append one row: a mapping from column name to value; columns left out become NULL."""
        unknown = set(row) - set(self.schema.names)
        if unknown:
            raise ValueError(f"row has columns {sorted(unknown)} that the shard schema has not")
        video = row.get(s.VIDEO)
        if not isinstance(video, bytes) or not video:
            raise ValueError(f"clip {row.get(s.CLIP_ID)!r} has no video bytes to write")
        if self._part_bytes and self._part_bytes + len(video) > self.shard_bytes:
            self._close_part()
        self._rows.append(dict(row))
        self._row_bytes += len(video)
        self._part_bytes += len(video)
        self.n_rows += 1
        self.n_bytes += len(video)
        if self._row_bytes >= self.row_group_bytes:
            self._flush_rows()

    def _flush_rows(self) -> None:
        import pyarrow as pa

        if not self._rows:
            return
        if self._part is None:
            path = self.out_dir / f"part-{self._n_parts:05d}.parquet"
            self._part = _OpenPart(path, self.schema, self.metadata)
        columns = {name: [row.get(name) for row in self._rows] for name in self.schema.names}
        table = pa.table(columns, schema=self.schema)
        self._part.write_group(table)
        for row in self._rows:
            row[s.VIDEO_XXH3] = video_hash(row.pop(s.VIDEO))
        self._part_rows += self._rows
        self._rows, self._row_bytes = [], 0

    def _close_part(self) -> None:
        import pyarrow as pa

        self._flush_rows()
        if self._part is None:
            return
        name = self._part.path.name
        for row, (offset, length) in zip(self._part_rows, self._part.commit(), strict=True):
            row.update({s.SHARD: name, s.BYTE_OFFSET: offset, s.BYTE_LENGTH: length})
        schema = manifest_schema_of(self.schema)
        columns = {name: [row.get(name) for row in self._part_rows] for name in schema.names}
        self._manifest.append(pa.table(columns, schema=schema))
        self._part, self._part_rows, self._part_bytes = None, [], 0
        self._n_parts += 1

    def finish(self) -> Path:
        """Close the open part and write ``manifest.parquet``, the commit record; returns its path."""
        import pyarrow as pa

        self._close_part()
        schema = manifest_schema_of(self.schema)
        table = pa.concat_tables(self._manifest) if self._manifest else schema.empty_table()
        table = table.replace_schema_metadata(_file_metadata(schema, self.metadata))
        path = self.out_dir / MANIFEST_NAME
        write_table_atomic(path, table)
        return path

    def __enter__(self) -> ShardWriter:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is None:
            self.finish()
        elif self._part is not None:
            self._part.discard()


def manifest_schema_of(schema: pa.Schema) -> pa.Schema:
    """Schema of the manifest beside shards of ``schema``: every column but the bytes, plus the byte range and hash."""
    import pyarrow as pa

    fields = [field for field in schema if field.name != s.VIDEO]
    extra = [(s.SHARD, pa.string()), (s.BYTE_OFFSET, pa.int64())]
    extra += [(s.BYTE_LENGTH, pa.int64()), (s.VIDEO_XXH3, pa.string())]
    return pa.schema(fields + [pa.field(name, dtype) for name, dtype in extra])


def file_schema(schema: pa.Schema) -> pa.Schema:
    """``schema`` as it lies in the file: ``video`` becomes ``struct<bytes, path>``."""
    import pyarrow as pa

    nested = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    return schema.set(schema.get_field_index(s.VIDEO), pa.field(s.VIDEO, nested))


def nest_video(table: pa.Table) -> pa.Table:
    """``table`` with its binary ``video`` column turned into ``struct<bytes, path>``; path is ``<clip_id>.mp4``."""
    import pyarrow as pa
    import pyarrow.compute as pc

    video = table[s.VIDEO].combine_chunks()
    if s.CLIP_ID in table.schema.names:
        path = pc.binary_join_element_wise(table[s.CLIP_ID].combine_chunks(), ".mp4", "")
    else:
        path = pa.nulls(len(table), pa.string())
    nested = pa.StructArray.from_arrays([video, path], ["bytes", "path"])
    return table.set_column(table.schema.get_field_index(s.VIDEO), s.VIDEO, nested)


def huggingface_features(schema: pa.Schema) -> str:
    """Value of the ``huggingface`` metadata key: the Features of ``schema``, with ``video`` as the Video type."""
    features = {field.name: _feature(field.name, field.type) for field in schema}
    return json.dumps({"info": {"features": features}})


def _feature(name: str, dtype: pa.DataType) -> dict[str, Any]:
    import pyarrow as pa

    if name == s.VIDEO:
        return {"_type": "Video"}
    if pa.types.is_fixed_size_list(dtype):
        item = _feature("", dtype.value_type)
        return {"_type": "List", "feature": item, "length": dtype.list_size}
    if pa.types.is_list(dtype):
        return {"_type": "List", "feature": _feature("", dtype.value_type)}
    spelled = {"halffloat": "float16", "float": "float32", "double": "float64"}
    return {"_type": "Value", "dtype": spelled.get(str(dtype), str(dtype))}


def _file_metadata(schema: pa.Schema, metadata: Mapping[str, str]) -> dict[str, str]:
    return {
        "huggingface": huggingface_features(schema),
        VERSION_KEY: s.SCHEMA_VERSION,
        **metadata,
    }


def _row_groups(table: pa.Table, row_group_bytes: int) -> Iterator[pa.Table]:
    """Slices of ``table`` whose videos sum to about ``row_group_bytes`` (at least one row each)."""
    import pyarrow.compute as pc

    start, size = 0, 0
    for i, length in enumerate(pc.binary_length(table[s.VIDEO]).to_pylist()):
        size += length or 0
        if size >= row_group_bytes:
            yield table.slice(start, i + 1 - start)
            start, size = i + 1, 0
    if start < len(table):
        yield table.slice(start)


class _OpenPart:
    """One video file being written under a temporary name; ``commit`` verifies it and renames it."""

    def __init__(self, path: Path, schema: pa.Schema, metadata: Mapping[str, str]) -> None:
        import pyarrow.parquet as pq

        _check_video_field(schema)
        self.path = path
        self.tmp = _temporary(path)
        self.hashes: list[str] = []
        self.schema = file_schema(schema).with_metadata(_file_metadata(schema, metadata))
        scalars = [name for name in schema.names if name != s.VIDEO] + [VIDEO_PATH_LEAF]
        self._writer = pq.ParquetWriter(
            self.tmp,
            self.schema,
            compression={VIDEO_LEAF: "none", **dict.fromkeys(scalars, "zstd")},
            use_dictionary=False,
            column_encoding={VIDEO_LEAF: "PLAIN"},
            write_statistics=scalars,
            data_page_version="1.0",
            write_batch_size=1,
            max_rows_per_page=1,
        )

    def write_group(self, table: pa.Table) -> None:
        """Write ``table`` as one row group."""
        for cell in table[s.VIDEO]:
            if not cell.is_valid or not len(cell.as_buffer()):
                raise ValueError(f"row {len(self.hashes)} for {self.path.name} has no video bytes")
            self.hashes.append(video_hash(cell.as_buffer()))
        nested = nest_video(table).select(self.schema.names).cast(self.schema)
        self._writer.write_table(nested, row_group_size=max(1, len(table)))

    def commit(self) -> list[tuple[int, int]]:
        """Close, find and verify every byte range, rename; returns (byte_offset, byte_length) per row."""
        self._writer.close()
        ranges = cell_ranges(self.tmp, VIDEO_LEAF)
        _verify(self.tmp, ranges, self.hashes)
        _publish(self.tmp, self.path)
        return ranges

    def discard(self) -> None:
        """Remove the temporary file."""
        with suppress(Exception):
            self._writer.close()
        self.tmp.unlink(missing_ok=True)


def _check_video_field(schema: pa.Schema) -> None:
    import pyarrow as pa

    if s.VIDEO not in schema.names:
        raise ValueError(f"table has no {s.VIDEO!r} column; it has {', '.join(schema.names)}")
    dtype = schema.field(s.VIDEO).type
    if dtype != pa.binary():
        raise ValueError(
            f"column {s.VIDEO!r} must be binary, not {dtype}: byte ranges need 32-bit offsets"
        )


def _verify(path: Path, ranges: Sequence[tuple[int, int]], hashes: Sequence[str]) -> None:
    if len(ranges) != len(hashes):
        raise RuntimeError(f"{path}: wrote {len(hashes)} videos but found {len(ranges)} pages")
    fd = os.open(path, os.O_RDONLY)
    try:
        for i, ((offset, length), want) in enumerate(zip(ranges, hashes, strict=True)):
            if video_hash(os.pread(fd, length, offset)) != want:
                raise RuntimeError(f"{path}: bytes read back at row {i}, offset {offset} differ")
    finally:
        os.close(fd)


def _temporary(path: Path) -> Path:
    return path.with_name(f".{path.name}{TMP_MARK}{uuid.uuid4().hex[:8]}")


def _publish(tmp: Path, path: Path) -> None:
    """Make ``tmp`` durable and give it its final name."""
    fd = os.open(tmp, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
    os.replace(tmp, path)
