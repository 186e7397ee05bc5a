"""Videos inside larger files, as objects of a store: their bytes and no neighbour's, and a tag of their file."""

from __future__ import annotations

import os
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.source.listing import source_stamp
from pipeline.store.members import cell_uri, range_uri
from pipeline.store.parquet import write_table
from pipeline.store.paths import location, read_range

BYTES = bytes(range(200))


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("members") / "000.tar"
    path.write_bytes(BYTES)
    return path


@given(
    offset=st.integers(0, 150), size=st.integers(1, 50), start=st.integers(0, 60), length=st.integers(1, 90)
)  # fmt: skip
def test_any_range_of_a_member_is_of_that_member(
    archive: Path, offset: int, size: int, start: int, length: int
) -> None:
    """Bytes of the next member would be taken for the end of this one."""
    member = location(range_uri(str(archive), offset, size, "a.mp4"))
    whole = BYTES[offset : offset + size]
    assert member.read_bytes() == whole and member.stat().st_size == size
    assert bytes(member.read_range(start, length)) == whole[start : start + length]


def test_a_file_that_was_written_anew_at_its_old_size_has_other_members(tmp_path: Path) -> None:
    """By its size alone, an archive with other videos in it would pass for the one that was read."""
    path = tmp_path / "000.tar"
    path.write_bytes(BYTES)
    os.utime(path, ns=(10**18, 10**18))
    uri = range_uri(str(path), 10, 20, "a.mp4")
    before = source_stamp(uri)
    assert before and source_stamp(uri) == before
    path.write_bytes(BYTES[::-1])
    os.utime(path, ns=(10**18 + 1, 10**18 + 1))
    assert source_stamp(uri) != before


def test_cells_are_of_their_own_row_in_every_row_group(tmp_path: Path) -> None:
    path = tmp_path / "t.parquet"
    cells = [b"video %d" % i for i in range(7)]
    table = pa.table({"video": pa.array([{"bytes": one} for one in cells])})
    write_table(path, table, row_group_size=3)
    for row in (6, 0, 3, 2, 5, 1, 4):  # the group that was read last is kept
        member = location(cell_uri(str(path), "video.bytes", row, "x.mp4"))
        assert member.read_bytes() == cells[row] and member.stat().st_size == len(cells[row])
        assert read_range(member, 1, 3) == cells[row][1:4]
    with pytest.raises(FileNotFoundError):
        location(cell_uri(str(path), "video.bytes", 7, "x.mp4")).read_bytes()
