"""The tables of a run folder as ``select`` reads them: whole columns, only those that are asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from jobs.core.errors import UserError
from pipeline import schema
from pipeline.select.candidates import Embeddings
from pipeline.shards.read import check_version
from pipeline.store.paths import Location, each, matching, parquet_input

if TYPE_CHECKING:
    import pyarrow as pa


def manifest_schema(path: Location) -> pa.Schema:
    """Schema of a table folder, columns of all its parts together."""
    return read_parts(path, rows=False).schema


def read_parts(path: Location, columns: list[str] | None = None, *, rows: bool = True) -> pa.Table:
    """All ``part-*.parquet`` of a table folder as one table: the named columns, or all; without rows, the schema."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    parts = matching(path)
    if not parts:
        raise UserError(f"{path} has no part-*.parquet; run the command that writes it first")

    def read(part: Location) -> pa.Table:
        try:
            with pq.ParquetFile(parquet_input(part)) as file:
                check_version(file.schema_arrow, part)
                whole = file.read(columns) if rows else file.schema_arrow.empty_table()
                return whole.replace_schema_metadata()
        except ConnectionError:
            raise
        except (pa.ArrowException, OSError) as error:
            raise UserError(
                f"cannot read {part}: {error}; remove it and run ingest again"
            ) from None

    return pa.concat_tables(each(read, parts), promote_options="default")


def read_embeddings(path: Location) -> Embeddings:
    """The clips of an ``embeddings/`` folder that have an embedding, float16."""
    import numpy as np

    table = read_parts(path)
    table = table.filter(table.column(schema.CLIP_EMBEDDING).is_valid())
    column = table.column(schema.CLIP_EMBEDDING).combine_chunks()
    vectors = np.asarray(column.flatten()).reshape(-1, column.type.list_size)
    return Embeddings(clip_ids=table.column(schema.CLIP_ID).combine_chunks(), vectors=vectors)


def table_bytes(selection: pa.Table) -> bytes:
    """A selection as a Parquet file. Ids are hashes: a dictionary of them would be a copy, so they get none."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    words = [schema.DECISION, schema.DUPLICATE_IN, f"{schema.REASONS}.list.element"]
    sink = pa.BufferOutputStream()
    pq.write_table(selection, sink, compression="zstd", use_dictionary=words)
    data: bytes = sink.getvalue().to_pybytes()
    return data
