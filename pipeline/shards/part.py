"""One Parquet file: written under a temporary name, verified, made durable, made visible."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import xxhash

from pipeline import schema as s
from pipeline.shards.layout import (
    VIDEO_LEAF,
    VIDEO_PATH_LEAF,
    file_metadata,
    file_schema,
    nest_video,
)
from pipeline.shards.pages import cell_ranges
from pipeline.store.atomic import AtomicFile
from pipeline.store.disk import writing
from pipeline.store.paths import Location

if TYPE_CHECKING:
    import pyarrow as pa


def video_hash(data: bytes) -> str:
    """xxh3-128 of the encoded bytes, 32 hex digits; the value of the ``video_xxh3`` column."""
    return xxhash.xxh3_128_hexdigest(data)


class OpenPart:
    """A video file being written under a temporary name; ``commit`` verifies it and makes it visible."""

    def __init__(self, path: Location, schema: pa.Schema, metadata: Mapping[str, str]) -> None:
        import pyarrow.parquet as pq

        _check_video_field(schema)
        self.path = path
        self._draft = AtomicFile(path)
        self.tmp = self._draft.tmp
        self.hashes: list[str] = []
        self.schema = file_schema(schema).with_metadata(file_metadata(schema, metadata))
        scalars = [name for name in schema.names if name != s.VIDEO] + [VIDEO_PATH_LEAF]
        with writing(self._draft.written_to):
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
        with writing(self._draft.written_to):
            self._writer.write_table(nested, row_group_size=max(1, len(table)))

    def commit(self) -> list[tuple[int, int]]:
        """Close, find and verify every byte range, publish; (byte_offset, byte_length) per row."""
        with writing(self._draft.written_to):
            self._writer.close()
            ranges = cell_ranges(self.tmp, VIDEO_LEAF)
            _verify(self.tmp, ranges, self.hashes)
        self._draft.publish()
        return ranges

    def discard(self) -> None:
        """Remove the temporary file."""
        with suppress(Exception):
            self._writer.close()
        self._draft.discard()


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
