"""One video file: verified before it is seen, and never seen when it is not right."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline import schema as s
from pipeline.shards import part as shard_part
from pipeline.shards.part import OpenPart, video_hash


def table(*videos: bytes | None) -> pa.Table:
    ids = [f"clip{i}" for i in range(len(videos))]
    return pa.table({s.CLIP_ID: ids, s.VIDEO: pa.array(videos, pa.binary())})


def test_the_hash_of_bytes_is_fixed_for_all_time() -> None:
    """It stands in every shard; another would make every clip look damaged."""
    assert video_hash(b"") == "99aa06d3014798d86001c324468d497f"
    assert video_hash(b"clip") != video_hash(b"clap")
    assert len(video_hash(b"clip")) == 32


def test_ranges_are_those_of_all_groups_in_order(tmp_path: Path) -> None:
    path = tmp_path / "part-00000.parquet"
    part = OpenPart(path, table(b"x").schema, {"made_by": "test"})
    part.write_group(table(b"one", b"three"))
    part.write_group(table(b"seven"))
    assert not path.exists() and part.tmp.exists()
    ranges = part.commit()
    assert [path.read_bytes()[at : at + n] for at, n in ranges] == [b"one", b"three", b"seven"]
    assert part.hashes == [video_hash(v) for v in (b"one", b"three", b"seven")]
    assert list(tmp_path.iterdir()) == [path]
    assert pq.read_schema(path).metadata[b"made_by"] == b"test"
    assert pq.ParquetFile(path).metadata.num_row_groups == 2


@pytest.mark.parametrize("bad", [None, b""])
def test_a_row_without_video_is_named_and_its_file_goes(tmp_path: Path, bad: bytes | None) -> None:
    part = OpenPart(tmp_path / "part-00000.parquet", table(b"x").schema, {})
    part.write_group(table(b"one"))
    with pytest.raises(ValueError, match="row 2 for part-00000.parquet has no video bytes"):
        part.write_group(table(b"two", bad))
    part.discard()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("damage", ["bytes", "range", "missing", "more"])
def test_a_file_that_reads_back_differently_is_never_published(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, damage: str
) -> None:
    """A disk that lies, or a Parquet writer that lays pages out anew, is found before the manifest names the ranges."""
    part = OpenPart(tmp_path / "part-00000.parquet", table(b"x").schema, {})
    part.write_group(table(b"one", b"two"))
    real = shard_part.cell_ranges

    def ranges(path: Path, leaf: str) -> list[tuple[int, int]]:
        found = real(path, leaf)
        if damage == "bytes":
            data = bytearray(path.read_bytes())
            data[found[1][0]] ^= 1
            path.write_bytes(data)
        shifted = [found[0], (found[1][0] + 1, found[1][1])]
        return {"range": shifted, "missing": found[:1], "more": [*found, found[0]]}.get(
            damage, found
        )

    monkeypatch.setattr(shard_part, "cell_ranges", ranges)
    says = "found" if damage in ("missing", "more") else "bytes read back at row 1, offset"
    with pytest.raises(RuntimeError, match=says):
        part.commit()
    assert not (tmp_path / "part-00000.parquet").exists()
    part.discard()
    assert list(tmp_path.iterdir()) == []


def test_schemas_without_a_plain_video_column_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="has no 'video' column; it has clip_id, n"):
        OpenPart(tmp_path / "a", pa.schema({s.CLIP_ID: pa.string(), "n": pa.int64()}), {})
    with pytest.raises(ValueError, match="must be binary, not large_binary"):
        OpenPart(tmp_path / "a", pa.schema({s.VIDEO: pa.large_binary()}), {})
    assert list(tmp_path.iterdir()) == []
