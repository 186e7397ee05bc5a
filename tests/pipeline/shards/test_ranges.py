"""Ranges of shard files: what a missing, short or changed one says, and files that stay open."""

from __future__ import annotations

import pickle
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest

from pipeline.shards import ranges
from pipeline.shards.part import video_hash
from pipeline.shards.ranges import ClipError, ShardFiles, read_range

DATA = bytes(range(256)) * 16


@pytest.fixture
def files(tmp_path):
    (tmp_path / "part.parquet").write_bytes(DATA)
    return ShardFiles(tmp_path)


def test_reads_what_is_there_and_says_what_is_not(files, tmp_path):
    assert files.read("part.parquet", 16, 32) == DATA[16:48]
    assert files.clip("part.parquet", 16, 32, video_hash(DATA[16:48])) == DATA[16:48]
    assert files.clip("part.parquet", 16, 32, None) == read_range(tmp_path, "part.parquet", 16, 32)
    for kind, shard, offset, length in (
        ("missing", "other.parquet", 0, 4),
        ("missing", "part.parquet", 0, 0),
        ("missing", "part.parquet", -1, 4),
        ("truncated", "part.parquet", len(DATA) - 10, 20),
    ):
        with pytest.raises(ClipError) as caught:
            files.read(shard, offset, length)
        assert caught.value.kind == kind
    with pytest.raises(ClipError, match="do not match their hash") as caught:
        files.clip("part.parquet", 0, 32, video_hash(DATA[16:48]))
    assert caught.value.kind == "hash"


def test_an_open_shard_outlives_its_name_and_a_copy_opens_its_own(files, tmp_path):
    files.read("part.parquet", 0, 4)
    (tmp_path / "part.parquet").unlink()
    assert files.read("part.parquet", 16, 4) == DATA[16:20]
    with pytest.raises(ClipError, match="does not exist"):
        pickle.loads(pickle.dumps(files)).read("part.parquet", 16, 4)


def test_threads_and_few_descriptors(tmp_path, monkeypatch):
    """A file that another thread drops from those kept open is not closed under a read."""
    monkeypatch.setattr(ranges, "OPEN_FILES", 2)
    for k in range(8):
        (tmp_path / f"{k}.parquet").write_bytes(DATA)
    files, together = ShardFiles(tmp_path), Barrier(8)

    def fetch(k: int) -> bool:
        together.wait()
        return all(
            files.read(f"{(k + i) % 8}.parquet", 16 * k, 16) == DATA[16 * k : 16 * k + 16]
            for i in range(50)
        )

    with ThreadPoolExecutor(8) as pool:
        for _ in range(10):
            assert all(pool.map(fetch, range(8)))
    assert len(files._open) <= 2
