"""Write video tables as Parquet files with exact byte ranges, and roll rows into shards.

Layout and reasons: ``layout.py``. Every file appears under its name only when it is complete, and a
shard folder is finished when the manifest beside it, written last, is there.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from pipeline import schema as s
from pipeline.config import ROW_GROUP_BYTES, SHARD_BYTES
from pipeline.shards.card import dataset_card
from pipeline.shards.layout import (
    card_of,
    file_metadata,
    manifest_of,
    manifest_schema_of,
)
from pipeline.shards.part import OpenPart, video_hash
from pipeline.store.atomic import write_bytes
from pipeline.store.parquet import write_table
from pipeline.store.paths import Location, location, matching

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["ShardWriter", "video_hash", "write_video_table"]


def write_video_table(
    path: str | Location,
    table: pa.Table,
    *,
    metadata: Mapping[str, str] | None = None,
    row_group_bytes: int = ROW_GROUP_BYTES,
) -> list[tuple[int, int]]:
    """Write ``table`` (binary ``video`` column); returns (byte_offset, byte_length) of each row.

    The file is written under a temporary name, compared cell by cell, then renamed into place.
    """
    path = location(path)
    part = OpenPart(path, table.schema, metadata or {})
    try:
        for group in _row_groups(table, row_group_bytes):
            part.write_group(group)
        return part.commit()
    except BaseException:
        part.discard()
        raise


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


class ShardWriter:
    """Rolls rows into ``part-00000.parquet`` ... and commits the manifest beside the folder last.

    Memory stays near one row group. A folder without a manifest is an interrupted write: its parts
    are removed when a writer starts there again. Use as a context manager; the manifest is written
    only if the block ends without error.
    """

    def __init__(
        self,
        out_dir: str | Location,
        schema: pa.Schema,
        *,
        shard_bytes: int = SHARD_BYTES,
        row_group_bytes: int = ROW_GROUP_BYTES,
        metadata: Mapping[str, str] | None = None,
        overwrite: bool = False,
    ) -> None:
        self.out_dir = location(out_dir)
        self.schema = schema
        self.shard_bytes = shard_bytes
        self.row_group_bytes = min(row_group_bytes, shard_bytes)
        self.metadata = dict(metadata or {})
        self.n_rows = 0
        self.n_bytes = 0
        self._rows: list[dict[str, Any]] = []
        self._row_bytes = 0
        self._part: OpenPart | None = None
        self._part_rows: list[dict[str, Any]] = []
        self._part_bytes = 0
        self._n_parts = 0
        self._manifest: list[pa.Table] = []
        self._clear_folder(overwrite)

    def _clear_folder(self, overwrite: bool) -> None:
        manifest = manifest_of(self.out_dir)
        # a manifest whose folder was removed stands for nothing
        if not overwrite and manifest.exists() and matching(self.out_dir):
            raise ValueError(
                f"{self.out_dir} already holds finished shards ({manifest.name} is there); "
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
            self._part = OpenPart(path, self.schema, self.metadata)
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

    def finish(self) -> Location:
        """Close the open part and write the manifest, the commit record; returns its path."""
        import pyarrow as pa

        self._close_part()
        schema = manifest_schema_of(self.schema)
        table = pa.concat_tables(self._manifest) if self._manifest else schema.empty_table()
        table = table.replace_schema_metadata(file_metadata(schema, self.metadata))
        card = dataset_card(self.n_rows, self.n_bytes)
        write_bytes(card_of(self.out_dir), card.encode())
        path = manifest_of(self.out_dir)
        write_table(path, table)
        return path

    def __enter__(self) -> ShardWriter:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is None:
            self.finish()
        elif self._part is not None:
            self._part.discard()
