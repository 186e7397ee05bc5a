"""Cell ranges of columns that were written by other settings than ours."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline.shards.pages import cell_ranges, read_page_header

CELLS = [b"a" * n for n in (3, 0, 500, 1, 70_000, 12)]


@pytest.mark.parametrize("nullable", [True, False])
@pytest.mark.parametrize("checksum", [True, False])
@pytest.mark.parametrize("statistics", [True, False])
def test_many_cells_per_page(tmp_path, nullable, checksum, statistics):
    path = tmp_path / "t.parquet"
    schema = pa.schema([pa.field("x", pa.binary(), nullable=nullable)])
    pq.write_table(
        pa.table({"x": CELLS * 50}, schema=schema),
        path,
        compression="none",
        use_dictionary=False,
        write_page_checksum=checksum,
        write_statistics=statistics,
        data_page_size=1000,
        row_group_size=70,
    )
    raw = path.read_bytes()
    assert [raw[at : at + n] for at, n in cell_ranges(path, "x")] == CELLS * 50


@pytest.mark.parametrize("options", [{"compression": "zstd"}, {"compression": "none"}])
def test_compressed_or_dictionary_columns_are_refused(tmp_path, options):
    path = tmp_path / "t.parquet"
    pq.write_table(pa.table({"x": CELLS}), path, **options)
    with pytest.raises(ValueError, match="compressed or dictionary"):
        cell_ranges(path, "x")


def test_other_bytes_are_no_page_header():
    with pytest.raises(ValueError, match="not a Parquet page header"):
        read_page_header(b"\x00" * 16)
