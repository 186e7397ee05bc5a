"""Tables as select reads them: parts joined, only the columns asked for, broken parts named."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from jobs.core.errors import UserError
from jobs.select.tables import (
    manifest_schema,
    read_embeddings,
    read_parts,
    table_bytes,
)
from pipeline.tables import selection_schema


def test_parts_are_joined_and_only_named_columns_are_read(tmp_path: Path):
    pq.write_table(pa.table({"clip_id": ["a"], "x": [1], "y": [2]}), tmp_path / "part-0.parquet")
    pq.write_table(pa.table({"clip_id": ["b"], "x": [3], "z": [4.0]}), tmp_path / "part-1.parquet")
    assert manifest_schema(tmp_path).names == ["clip_id", "x", "y", "z"]
    table = read_parts(tmp_path, ["clip_id", "z"])
    assert table.to_pydict() == {"clip_id": ["a", "b"], "z": [None, 4.0]}


def test_clips_without_an_embedding_are_left_out(tmp_path: Path):
    kind = pa.list_(pa.float16(), 2)
    vectors = pa.array([np.array([1, 0], np.float16), None, np.array([0, 1], np.float16)], kind)
    table = pa.table({"clip_id": ["a", "b", "c"], "clip_embedding": vectors})
    pq.write_table(table.slice(0, 2), tmp_path / "part-0.parquet")
    pq.write_table(table.slice(2), tmp_path / "part-1.parquet")
    found = read_embeddings(tmp_path)
    assert found.clip_ids.to_pylist() == ["a", "c"]
    assert found.vectors.tolist() == [[1.0, 0.0], [0.0, 1.0]]
    np.testing.assert_array_equal(found.of(pa.array(["c", "b"])), [[0, 1], [np.nan, np.nan]])


def test_a_selection_reads_back_and_gives_ids_no_dictionary():
    rows = [
        {"clip_id": f"{i:020x}", "decision": "reject", "reasons": ["dark"], "duplicate_of": None}
        for i in range(100)
    ]
    table = pa.Table.from_pylist(rows, schema=selection_schema())
    file = pq.ParquetFile(pa.BufferReader(table_bytes(table)))
    assert file.read().equals(table)
    group = file.metadata.row_group(0)
    coded = {
        group.column(i).path_in_schema: "RLE_DICTIONARY" in group.column(i).encodings
        for i in range(group.num_columns)
    }
    assert coded["clip_id"] is False
    assert coded["decision"] and coded["reasons.list.element"]


def test_a_missing_or_broken_part_says_what_to_do(tmp_path: Path):
    with pytest.raises(UserError, match="no part-"):
        read_parts(tmp_path)
    (tmp_path / "part-00000.parquet").write_bytes(b"PAR1 not really")
    with pytest.raises(UserError, match="cannot read"):
        read_parts(tmp_path)
