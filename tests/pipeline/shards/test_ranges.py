"""Ranges of shard files: what a missing, short or changed one says, and files that stay open."""

from __future__ import annotations

import gc
import os
import pickle
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest

from pipeline import schema as s
from pipeline.shards import ranges
from pipeline.shards.part import video_hash
from pipeline.shards.ranges import ClipError, ShardFiles, read_clip, read_range
from pipeline.store.paths import ObjectPath
from tests.helpers.object_server import no_faults, object_server

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


@pytest.fixture(scope="module")
def bucket():
    with (
        object_server("ranges") as server,
        pytest.MonkeyPatch.context() as patch,
        no_faults(server, patch),
    ):
        (ObjectPath("s3://ranges/run") / "part.parquet").write_bytes(DATA)
        yield "s3://ranges/run"


def test_a_store_gives_the_same_bytes_and_the_same_errors(bucket):
    files = ShardFiles(bucket)
    assert files.read("part.parquet", 16, 32) == DATA[16:48]
    with pytest.raises(ClipError, match=r"other.parquet does not exist") as caught:
        files.read("other.parquet", 0, 4)
    assert caught.value.kind == "missing"
    with pytest.raises(ClipError) as caught:
        files.read("part.parquet", len(DATA) - 10, 20)
    assert caught.value.kind == "truncated"


def test_a_row_names_its_bytes_and_damage_is_found_unless_it_is_not_looked_for(tmp_path, bucket):
    """One flipped bit in a shard trains as noise unless the hash is compared by default."""
    (tmp_path / "part.parquet").write_bytes(DATA)
    row = {
        s.SHARD: "part.parquet",
        s.BYTE_OFFSET: 16,
        s.BYTE_LENGTH: 32,
        s.VIDEO_XXH3: video_hash(DATA[16:48]),
    }
    for root in (tmp_path, bucket):
        assert read_clip(root, row) == DATA[16:48]
        damaged = {**row, s.VIDEO_XXH3: video_hash(b"other")}
        with pytest.raises(ClipError, match="part.parquet: bytes at 16 do not match") as caught:
            read_clip(root, damaged)
        assert caught.value.kind == "hash"
        assert read_clip(root, damaged, check=False) == DATA[16:48]
        assert read_clip(root, {**row, s.VIDEO_XXH3: None}) == DATA[16:48]


def test_errors_say_which_bytes_of_which_file(files, tmp_path):
    with pytest.raises(ClipError, match=r"part.parquet: byte range \(3, 0\) is empty"):
        files.read("part.parquet", 3, 0)
    assert files.read("part.parquet", 3, 1) == DATA[3:4], "one byte is a range"
    with pytest.raises(ClipError, match=r"part.parquet: 6 of 20 bytes at 4090"):
        files.read("part.parquet", 4090, 20)
    (tmp_path / "folder.parquet").mkdir()
    with pytest.raises(ClipError, match="folder.parquet cannot be read: .*directory") as caught:
        files.read("folder.parquet", 0, 4)
    assert caught.value.kind == "missing"


def test_files_are_kept_open_up_to_the_limit_and_closed_after(tmp_path, monkeypatch):
    monkeypatch.setattr(ranges, "OPEN_FILES", 2)
    for k in range(4):
        (tmp_path / f"{k}.parquet").write_bytes(DATA)
    before = len(os.listdir("/proc/self/fd"))
    files = ShardFiles(tmp_path)
    opened = []
    real = os.open
    monkeypatch.setattr(ranges.os, "open", lambda *a: opened.append(a) or real(*a))
    for k in (0, 1, 0, 1):
        files.read(f"{k}.parquet", 0, 4)
    assert len(opened) == 2, "two files fit: neither is opened twice"
    assert all(flags & os.O_CLOEXEC for _, flags in opened), "no child process inherits them"
    for k in (2, 3):
        files.read(f"{k}.parquet", 0, 4)
    assert len(os.listdir("/proc/self/fd")) == before + 2
    del files
    assert len(os.listdir("/proc/self/fd")) == before


def test_a_file_that_does_not_open_closes_no_other(tmp_path):
    """A stand-in descriptor that names a real one would close the output of the whole program."""
    files = ShardFiles(tmp_path)
    for _ in range(3):
        with pytest.raises(ClipError, match="does not exist"):
            files.read("other.parquet", 0, 4)
    gc.collect()
    assert all(os.fstat(fd) for fd in (0, 1, 2))
