"""Sources of a store as local files: the same bytes and id, gone afterwards, typed when they do not come."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from pipeline.source.listing import file_source_id, list_sources, source_stamp
from pipeline.store import staging
from pipeline.store.paths import ObjectPath
from pipeline.store.staging import fetch_error, staged
from tests.helpers.object_server import Fault, ObjectServer, no_faults, server_with

server = server_with("footage")


@pytest.fixture
def bucket(
    server: ObjectServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Iterator[ObjectPath]:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    with no_faults(server, monkeypatch):
        yield ObjectPath("s3://footage")


def test_a_copy_comes_whole_through_faults_and_is_removed(
    bucket: ObjectPath, server: ObjectServer, tmp_path: Path
) -> None:
    data, path = os.urandom(3 << 20), bucket / "in" / "a.mp4"
    path.write_bytes(data)
    server.faults += [Fault(kind="503", times=2), Fault(kind="reset", times=3, method="GET")]
    with staged(path) as local:
        assert local.name == "a.mp4" and local.read_bytes() == data
    assert not local.exists() and not list(tmp_path.iterdir())
    (bucket / "empty.mp4").write_bytes(b"")
    with staged(bucket / "empty.mp4") as local:
        assert local.read_bytes() == b""
    with staged(tmp_path) as itself:
        assert itself == tmp_path


@pytest.mark.parametrize("size", [0, 1000, (3 << 20) + 7])
def test_the_id_is_that_of_the_local_file_and_reads_three_blocks(
    bucket: ObjectPath, server: ObjectServer, tmp_path: Path, size: int
) -> None:
    local = tmp_path / "a.mp4"
    local.write_bytes(os.urandom(size))
    path = bucket / f"id-{size}.mp4"
    path.write_bytes(local)
    server.seen.clear()
    assert file_source_id(str(path)) == file_source_id(local)
    assert sum(seen.sent for seen in server.seen if seen.method == "GET") in (size, 3 << 20)
    before = source_stamp(str(path))
    path.write_bytes(b"other")
    assert before and source_stamp(str(path)) not in ("", before)
    assert source_stamp(str(bucket / "none.mp4")) == ""


def test_failures_have_types(
    bucket: ObjectPath, server: ObjectServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = bucket / "b.mp4"
    path.write_bytes(b"x" * 100_000)

    def failure(target: ObjectPath) -> str:
        with pytest.raises(OSError) as caught, staged(target):
            pass
        assert caught.value.filename == str(target)
        return fetch_error(caught.value)[0]

    assert failure(bucket / "none.mp4") == "not_found"
    server.faults.append(Fault(kind="403"))
    assert failure(path) == "denied"
    server.faults[:] = [Fault(kind="reset", method="GET")]
    assert failure(path) == "connection"
    server.faults.clear()
    monkeypatch.setattr(staging, "PATIENCE_S", -1.0)
    assert failure(path) == "timeout"
    assert fetch_error(OSError(errno.EIO, "Input/output error", "/a")) == (
        "unreadable",
        "Input/output error",
    )


def test_a_copy_that_falls_short_is_no_source(
    bucket: ObjectPath, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Half a film decodes, and its missing half would be gone from the set without a word."""
    path = bucket / "half.mp4"
    path.write_bytes(b"x" * 1000)
    monkeypatch.setattr(ObjectPath, "chunks", lambda self: iter([b"x" * 400, b"x" * 599]))
    with pytest.raises(ConnectionError, match="999 of 1000 bytes came"), staged(path):
        pass


@pytest.mark.parametrize(("seconds", "comes"), [(121.5, True), (122.5, False)])
def test_a_source_has_two_minutes_and_the_time_of_its_bytes(
    bucket: ObjectPath, monkeypatch: pytest.MonkeyPatch, seconds: float, comes: bool
) -> None:
    """Half a megabyte: two seconds more. A stuck transfer ends, and a large file is not cut off at two minutes."""
    path = bucket / "slow.mp4"
    data = b"x" * (2 * staging.LEAST_BYTES_PER_S)
    path.write_bytes(data)
    clock = iter([0.0, *[seconds] * 9])
    monkeypatch.setattr(ObjectPath, "chunks", lambda self: iter([data]))
    monkeypatch.setattr(staging.time, "monotonic", lambda: next(clock))
    assert staging.LEAST_BYTES_PER_S == 256_000
    if comes:
        with staged(path) as local:
            assert local.stat().st_size == len(data)
    else:
        with pytest.raises(staging.TooSlow, match="came within 122 s"), staged(path):
            pass


def test_prefixes_and_lists_are_named_as_folders_and_lists_are(
    bucket: ObjectPath, tmp_path: Path
) -> None:
    names = ["b.mp4", "a/z.mkv", "a/.hidden.mp4", "a/notes.json", "c.MOV"]
    for place in (bucket / "raw", tmp_path / "raw"):
        for name in names:
            target = place / name
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(b"x")
    on_disk = [
        path.removeprefix(str(tmp_path)) for *_, path in sorted(list_sources([tmp_path / "raw"]))
    ]
    found = [
        path.removeprefix(str(bucket)) for *_, path in sorted(list_sources(["s3://footage/raw/"]))
    ]
    assert found == on_disk == ["/raw/a/z.mkv", "/raw/b.mp4", "/raw/c.MOV"]
    (bucket / "raw" / "list.txt").write_bytes(b"# two\nb.mp4\n\ns3://elsewhere/x.mp4\n/raw/c.mp4\n")
    listed = [path for *_, path in sorted(list_sources(["s3://footage/raw/list.txt"]))]
    assert listed[:2] == ["s3://footage/raw/b.mp4", "s3://elsewhere/x.mp4"]
    (tmp_path / "here.txt").write_text("s3://footage/raw/b.mp4\n")
    assert [path for *_, path in list_sources([tmp_path / "here.txt"])] == [
        "s3://footage/raw/b.mp4"
    ]
    assert [path for *_, path in list_sources(["s3://footage/none.mp4"])] == [
        "s3://footage/none.mp4"
    ]
    with pytest.raises(ValueError, match="no video below s3://footage/none"):
        list(list_sources(["s3://footage/none"]))


def test_copies_of_killed_processes_are_swept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    left = tmp_path / f"{staging.PREFIX}{gone.pid}-abc"
    mine = tmp_path / f"{staging.PREFIX}{os.getpid()}-abc"
    for folder in (left, mine):
        folder.mkdir()
        (folder / "a.mp4").write_bytes(b"x")
    staging.sweep()
    assert not left.exists() and mine.exists()
