"""Row groups: a part of several holds every clip, each group as large as asked for; an error leaves nothing."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline import schema as s
from pipeline.shards.layout import manifest_of
from pipeline.shards.write import ShardWriter, write_video_table

SCHEMA = pa.schema([(s.CLIP_ID, pa.string()), (s.VIDEO, pa.binary()), ("score", pa.int16())])
SIZES = [4, 5, 1, 3, 6, 1, 20, 1]
"""Bytes of clips: at 10 bytes a group, the first three fill one exactly, the next three likewise, 20 is one."""
GROUPS = [3, 3, 1, 1]


def clip(number: int, size: int) -> dict[str, object]:
    """A row; every other one leaves its score out."""
    row = {s.CLIP_ID: str(number), s.VIDEO: bytes([number]) * size, "score": number}
    return row if number % 2 else {name: row[name] for name in (s.CLIP_ID, s.VIDEO)}


def groups_of(path: Path) -> list[int]:
    """Rows of each row group of a file."""
    meta = pq.read_metadata(path)
    return [meta.row_group(i).num_rows for i in range(meta.num_row_groups)]


@pytest.mark.parametrize(
    ("sizes", "groups"),
    [(SIZES, GROUPS), (SIZES[:6], [3, 3]), ([10, 9], [1, 1]), ([9], [1]), ([], [])],
)
def test_a_table_is_cut_where_a_group_is_full(
    tmp_path: Path, sizes: list[int], groups: list[int]
) -> None:
    """Larger groups need more memory than was given, and an empty one is a group that readers stumble over."""
    table = pa.Table.from_pylist([clip(i, n) for i, n in enumerate(sizes)], schema=SCHEMA)
    path = tmp_path / "part.parquet"
    ranges = write_video_table(path, table, row_group_bytes=10)
    assert groups_of(path) == groups and [n for _, n in ranges] == sizes


def test_a_part_of_several_groups_is_listed_whole(tmp_path: Path) -> None:
    """Clips of every group but the last were else in no manifest: written, paid for and never trained on."""
    folder = tmp_path / "shards"
    rows = [clip(i, n) for i, n in enumerate(SIZES)]
    with ShardWriter(folder, SCHEMA, shard_bytes=1000, row_group_bytes=10) as writer:
        for row in rows:
            writer.add(row)
            assert writer._row_bytes < 10, "a group is written as soon as it is full"
        assert (writer.n_rows, writer.n_bytes) == (8, sum(SIZES))
    (part,) = folder.glob("*.parquet")
    assert groups_of(part) == GROUPS
    manifest, raw = pq.read_table(manifest_of(folder)).to_pylist(), part.read_bytes()
    assert pq.read_schema(manifest_of(folder)).field("score").type == pa.int16()
    cells = [raw[r[s.BYTE_OFFSET] : r[s.BYTE_OFFSET] + r[s.BYTE_LENGTH]] for r in manifest]
    assert cells == [row[s.VIDEO] for row in rows]
    assert [row["score"] for row in manifest] == [None, 1, None, 3, None, 5, None, 7]
    assert pq.read_table(part)["score"].to_pylist() == [None, 1, None, 3, None, 5, None, 7]


def test_a_group_is_never_larger_than_a_shard(tmp_path: Path) -> None:
    """With small shards and large groups all rows would wait in memory for one write."""
    writer = ShardWriter(tmp_path / "shards", SCHEMA, shard_bytes=10, row_group_bytes=1 << 30)
    assert (writer.row_group_bytes, writer.shard_bytes) == (10, 10)
    assert ShardWriter(tmp_path / "more", SCHEMA, row_group_bytes=7).row_group_bytes == 7


@pytest.mark.parametrize("row_group_bytes", [1, 1 << 30])
def test_an_error_in_the_block_leaves_no_half_written_part(
    tmp_path: Path, row_group_bytes: int
) -> None:
    """What is left there would be uploaded and paid for with the folder."""
    folder = tmp_path / "shards"
    with (
        pytest.raises(RuntimeError, match="stop"),
        ShardWriter(folder, SCHEMA, row_group_bytes=row_group_bytes) as writer,
    ):
        writer.add(clip(1, 5))
        raise RuntimeError("stop")
    assert list(folder.iterdir()) == [] and not manifest_of(folder).exists()


def test_no_rows_are_an_empty_set_that_opens(tmp_path: Path) -> None:
    """A filter that keeps nothing must end in a set of nothing, not in one that cannot be read."""
    with ShardWriter(tmp_path / "shards", SCHEMA, metadata={"made_by": "test"}):
        pass
    table = pq.read_table(manifest_of(tmp_path / "shards"))
    assert table.num_rows == 0 and {s.SHARD, s.BYTE_OFFSET, "score"} <= set(table.column_names)
    assert table.schema.metadata[b"made_by"] == b"test"


def test_a_refused_row_says_which_clip_and_which_columns(tmp_path: Path) -> None:
    writer = ShardWriter(tmp_path / "shards", SCHEMA)
    with pytest.raises(ValueError, match=r"^row has columns \['a', 'b'\] that the shard schema"):
        writer.add({**clip(1, 5), "b": 1, "a": 2})
    for video in (None, b"", "text"):
        with pytest.raises(ValueError, match="^clip '1' has no video bytes to write$"):
            writer.add({**clip(1, 5), s.VIDEO: video})
    assert (writer.n_rows, writer.n_bytes) == (0, 0)


def test_a_folder_that_was_removed_may_be_written_again(tmp_path: Path) -> None:
    """The manifest beside it stands for nothing; to refuse would need a person to find and remove it."""
    folder = tmp_path / "shards"
    with ShardWriter(folder, SCHEMA) as writer:
        writer.add(clip(1, 5))
    (folder / "part-00000.parquet").unlink()
    folder.rmdir()
    with ShardWriter(folder, SCHEMA) as writer:
        writer.add(clip(2, 5))
    assert pq.read_table(manifest_of(folder))[s.CLIP_ID].to_pylist() == ["2"]
    with pytest.raises(ValueError, match="; choose another folder or remove it first$"):
        ShardWriter(folder, SCHEMA)


def test_a_folder_inside_folders_that_are_not_there_is_made(tmp_path: Path) -> None:
    with ShardWriter(tmp_path / "a" / "b" / "shards", SCHEMA) as writer:
        writer.add(clip(1, 5))
    assert pq.read_table(tmp_path / "a" / "b" / "shards").num_rows == 1
