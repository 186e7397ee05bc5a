"""Tables that stand in every folder ever written: a change here must be a decision, not an accident."""

from __future__ import annotations

from pathlib import Path

import duckdb
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipeline import schema as s
from pipeline.store.parquet import write_table
from pipeline.tables import (
    captions_schema,
    clips_schema,
    embeddings_schema,
    latents_manifest_schema,
    latents_schema,
    manifest_schema,
    selection_schema,
    shard_manifest_schema,
    shards_schema,
    sources_schema,
    texts_schema,
    truth_schema,
)

SCHEMAS = {
    "sources": sources_schema(),
    "clips": clips_schema(),
    "manifest": manifest_schema(("cat",)),
    "embeddings": embeddings_schema(4),
    "selection": selection_schema(),
    "captions": captions_schema(),
    "truth": truth_schema(),
    "shards": shards_schema(("cat",)),
    "shard manifest": shard_manifest_schema(("cat",)),
    "latents": latents_schema(),
    "texts": texts_schema(),
    "latents manifest": latents_manifest_schema(),
}


@pytest.mark.parametrize("name", SCHEMAS)
def test_names_are_told_apart_and_nothing_is_required(name: str) -> None:
    """NULL means not measured, so every column of a score takes it."""
    schema = SCHEMAS[name]
    assert len(set(schema.names)) == len(schema.names)
    assert all(column == column.lower() for column in schema.names)
    assert all(
        schema.field(column).nullable for column in s.SCORE_COLUMNS if column in schema.names
    )


def example(kind: pa.DataType) -> object:
    """Some value of an Arrow type, not its default."""
    if pa.types.is_string(kind):
        return 'ümlaut, "quoted"\nline'
    if pa.types.is_binary(kind):
        return bytes(range(256))
    if pa.types.is_boolean(kind):
        return True
    if pa.types.is_floating(kind):
        return 0.15625 if kind != pa.float16() else np.float16(0.15625)
    if pa.types.is_integer(kind):
        return (1 << (kind.bit_width - 2)) + 1
    if pa.types.is_fixed_size_list(kind):
        return [example(kind.value_type)] * kind.list_size
    if pa.types.is_list(kind):
        return [example(kind.value_type), example(kind.value_type)]
    if pa.types.is_struct(kind):
        return {field.name: example(field.type) for field in kind}
    raise AssertionError(f"no example of {kind}")


@pytest.mark.parametrize("name", SCHEMAS)
def test_rows_come_back_through_every_reader(name: str, tmp_path: Path) -> None:
    """A full row and an empty one, through pyarrow, DuckDB and pandas' own reader of Parquet."""
    schema = SCHEMAS[name]
    rows = [{field.name: example(field.type) for field in schema}, dict.fromkeys(schema.names)]
    path = tmp_path / "t.parquet"
    pq.write_table(pa.Table.from_pylist(rows, schema=schema), path)
    assert pq.read_schema(path).equals(schema)
    assert pq.read_table(path).to_pylist() == rows
    found = duckdb.sql(f"SELECT * FROM read_parquet('{path}')")
    assert found.columns == schema.names
    full, empty = found.fetchall()
    assert not any(value is not None for value in empty)
    for column, value in zip(schema.names, full, strict=True):
        expected = rows[0][column]
        if isinstance(expected, list | tuple) and expected and not isinstance(expected[0], dict):
            assert list(value) == [
                pytest.approx(one) if not isinstance(one, str) else one for one in expected
            ]
        else:
            assert value == expected, column
    # by itself pandas makes a column with NULL float64, which rounds hashes
    frame = pd.read_parquet(path, dtype_backend="pyarrow")
    assert list(frame.columns) == schema.names and len(frame) == 2
    for column in schema.names:
        value, lacking = frame[column]
        assert lacking is None or lacking is pd.NA, column
        expected = rows[0][column]
        assert (list(value) if isinstance(expected, list) else value) == expected, column


@pytest.mark.parametrize("name", SCHEMAS)
def test_rows_come_back_through_datasets(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Videos as videos, everything else as it was written; its own cache is another copy of the rows."""
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    datasets = pytest.importorskip("datasets")
    schema = SCHEMAS[name]
    rows = [{field.name: example(field.type) for field in schema}, dict.fromkeys(schema.names)]
    pq.write_table(pa.Table.from_pylist(rows, schema=schema), tmp_path / "t.parquet")
    found = datasets.Dataset.from_parquet(
        str(tmp_path / "t.parquet"), cache_dir=str(tmp_path / "cache")
    )
    assert found.column_names == schema.names
    assert found.data.table.to_pylist() == rows


ANY_TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=20)
COLUMNS = {
    pa.string(): ANY_TEXT,
    pa.int64(): st.integers(-(2**63), 2**63 - 1),
    pa.uint64(): st.integers(0, 2**64 - 1),
    pa.float32(): st.floats(width=32, allow_nan=False),
    pa.float64(): st.floats(allow_nan=False),
    pa.bool_(): st.booleans(),
    pa.list_(pa.string()): st.lists(ANY_TEXT, max_size=3),
}


@settings(
    max_examples=25,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(data=st.data())
def test_any_value_of_a_column_comes_back_through_every_reader(
    tmp_path: Path, data: st.DataObject
) -> None:
    """Hashes above 2^63, empty lists beside NULL, texts with quotes and line ends: each reader sees the same."""
    kinds = list(COLUMNS)
    names = [f"c{n}" for n in range(len(kinds))]
    rows = data.draw(
        st.lists(
            st.tuples(*(st.none() | COLUMNS[kind] for kind in kinds)).map(
                lambda row: dict(zip(names, row, strict=True))
            ),
            min_size=1,
            max_size=4,
        )
    )
    schema = pa.schema(list(zip(names, kinds, strict=True)))
    path = tmp_path / "t.parquet"
    write_table(path, pa.Table.from_pylist(rows, schema=schema))
    want = [tuple(row[name] for name in names) for row in rows]
    assert [tuple(row.values()) for row in pq.read_table(path).to_pylist()] == want
    found = [tuple(row) for row in duckdb.sql(f"SELECT * FROM read_parquet('{path}')").fetchall()]
    assert found == want
    frame = pd.read_parquet(path, dtype_backend="pyarrow")
    for row, expected in zip(frame.itertuples(index=False), want, strict=True):
        for value, one in zip(row, expected, strict=True):
            if one is None:
                assert value is None or value is pd.NA
            else:
                assert (list(value) if isinstance(one, list) else value) == one


def test_manifests_hold_all_of_a_shard_but_its_bytes() -> None:
    shard, manifest = shards_schema(("cat",)), shard_manifest_schema(("cat",))
    assert set(shard.names) - set(manifest.names) == {s.VIDEO}
    assert set(manifest.names) - set(shard.names) == {
        s.SHARD,
        s.BYTE_OFFSET,
        s.BYTE_LENGTH,
        s.VIDEO_XXH3,
    }
    assert s.CONCEPT_PREFIX + "cat" in shard.names
    assert shard.field(s.VIDEO).type == pa.binary(), "byte ranges need 32-bit offsets"
