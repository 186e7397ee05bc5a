"""Parquet tables without video, written so that they appear whole."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from pipeline.store.atomic import atomic_path
from pipeline.store.paths import Location, location

if TYPE_CHECKING:
    import pyarrow as pa


def write_table(path: str | Location, table: pa.Table, **options: Any) -> None:
    """Write a table, compressed with zstd unless ``options`` of ``pyarrow.parquet.write_table`` say otherwise."""
    import pyarrow.parquet as pq

    options.setdefault("compression", "zstd")
    with atomic_path(location(path)) as temporary:
        pq.write_table(table, temporary, **options)


def write_batches(path: str | Location, schema: pa.Schema, tables: Iterable[pa.Table]) -> None:
    """Write a table of ``schema``, a row group for each of ``tables``, one of them in memory at a time."""
    import pyarrow.parquet as pq

    with (
        atomic_path(location(path)) as temporary,
        pq.ParquetWriter(temporary, schema, compression="zstd") as writer,
    ):
        for table in tables:
            writer.write_table(table)
