"""A full or read-only disk: every writer names the path, leaves the old file as it was and no half-written one."""

from __future__ import annotations

import errno
import os
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from pipeline import schema as s
from pipeline.shards.part import OpenPart
from pipeline.store import atomic
from pipeline.store.atomic import write_bytes
from pipeline.store.disk import disk_trouble, writing
from pipeline.store.parquet import write_table
from pipeline.tables import clips_schema
from tests.helpers.tiny_disk import needs_mount, tiny_disk


def test_the_path_is_added_and_the_kind_of_error_kept() -> None:
    with pytest.raises(PermissionError) as caught, writing("out/table"):
        raise OSError(errno.EACCES, "pyarrow says so")
    assert caught.value.filename == "out/table"
    assert pickle.loads(pickle.dumps(caught.value)).filename == "out/table"
    with pytest.raises(OSError, match="no number"), writing("out/table"):
        raise OSError("no number")


def test_full_and_read_only_disks_have_a_line_with_the_fix() -> None:
    full = disk_trouble(OSError(errno.ENOSPC, "No space left on device", "a/b"))
    assert full and "a/b" in full and "run the same command again" in full
    locked = disk_trouble(OSError(errno.EROFS, "Read-only file system", "a/b"))
    assert locked and "a/b is on a read-only disk" in locked
    assert disk_trouble(OSError(errno.EIO, "Input/output error", "a/b")) is None


def videos(size: int) -> pa.Table:
    """A clips table of one row with ``size`` random bytes for its video."""
    row = {s.CLIP_ID: "c", s.VIDEO: os.urandom(size), s.SOURCE_URI: "u", s.N_FRAMES: 1}
    schema = clips_schema()
    return pa.table({name: [row.get(name)] for name in schema.names}, schema=schema)


def write_part(path: Path, size: int) -> None:
    opened = OpenPart(path, clips_schema(), {})
    try:
        opened.write_group(videos(size))
        opened.commit()
    except BaseException:
        opened.discard()
        raise


WRITERS: dict[str, Callable[[Path, int], Any]] = {
    "part": write_part,
    "table": lambda path, size: write_table(path, videos(size)),
    "bytes": lambda path, size: write_bytes(path, b"x" * size),
}


@pytest.mark.parametrize("name", sorted(WRITERS))
def test_a_failed_sync_leaves_the_old_file(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"old")

    def fail(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(atomic.os, "fsync", fail)
    with pytest.raises(OSError) as caught:
        WRITERS[name](path, 1000)
    assert (caught.value.errno, caught.value.filename) == (errno.ENOSPC, str(path))
    assert path.read_bytes() == b"old" and os.listdir(tmp_path) == ["file"]


@needs_mount
@pytest.mark.parametrize("name", sorted(WRITERS))
def test_a_disk_that_fills_up_or_is_read_only(name: str, tmp_path: Path) -> None:
    with tiny_disk(tmp_path, "1m") as disk:
        with pytest.raises(OSError) as caught:
            WRITERS[name](disk.path / "file", 3 << 20)
        assert (caught.value.errno, caught.value.filename) == (
            errno.ENOSPC,
            str(disk.path / "file"),
        )
        assert os.listdir(disk.path) == []
        disk.remount("ro")
        with pytest.raises(OSError) as caught:
            WRITERS[name](disk.path / "file", 10)
        assert (caught.value.errno, caught.value.filename) == (errno.EROFS, str(disk.path / "file"))
        disk.remount("rw,size=16m")
        WRITERS[name](disk.path / "file", 3 << 20)
        assert os.listdir(disk.path) == ["file"]
