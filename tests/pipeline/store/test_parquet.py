"""Tables are written whole."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.store.parquet import write_batches, write_table


def test_a_table_is_written_whole(tmp_path: Path):
    table = pa.table({"a": [1, 2, 3]})
    write_table(tmp_path / "deep" / "t.parquet", table)
    assert pq.read_table(tmp_path / "deep" / "t.parquet").equals(table)
    assert [entry.name for entry in (tmp_path / "deep").iterdir()] == ["t.parquet"]


def test_batches_are_row_groups(tmp_path: Path):
    parts = [pa.table({"a": [1, 2]}), pa.table({"a": [3]})]
    write_batches(tmp_path / "t.parquet", parts[0].schema, parts)
    file = pq.ParquetFile(tmp_path / "t.parquet")
    assert file.num_row_groups == 2 and file.read()["a"].to_pylist() == [1, 2, 3]
