"""Objects on a real S3 server on loopback: whole or absent, tried again, typed errors, no secrets."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline.store.atomic import atomic_path, write_bytes
from pipeline.store.client import reason
from pipeline.store.parquet import write_table
from pipeline.store.paths import (
    ObjectPath,
    each,
    files_below,
    location,
    matching,
    parquet_input,
    read_range,
)
from tests.helpers.object_server import Fault, ObjectServer, no_faults, server_with

DATA = bytes(range(256)) * 40


server = server_with("store")


@pytest.fixture
def folder(
    server: ObjectServer, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> Iterator[ObjectPath]:
    """A prefix of its own in the bucket; no fault outlives the test."""
    with no_faults(server, monkeypatch):
        yield ObjectPath(f"s3://store/{re.sub('[^a-z]', '-', request.node.name)}")


def test_a_name_is_a_path_or_an_object(tmp_path: Path) -> None:
    assert location("runs/a") == Path("runs/a") and location(tmp_path) is not None
    assert location(f"file://{tmp_path}") == tmp_path
    path = location("s3://bucket/a/b.tar.mp4/")
    assert isinstance(path, ObjectPath)
    assert (path.root, path.key, path.name) == ("s3://bucket", "a/b.tar.mp4", "b.tar.mp4")
    assert (path.stem, path.suffix, str(path.parent)) == ("b.tar", ".mp4", "s3://bucket/a")
    assert str(path / "c") == "s3://bucket/a/b.tar.mp4/c" and str(path.parent.parent) == path.root
    with pytest.raises(ValueError, match="names no bucket"):
        location("s3:///a")
    with pytest.raises(ValueError, match=r"s3://\.\.\.@bucket") as caught:
        location("s3://AKIA:hush@bucket/a")
    assert "hush" not in str(caught.value)
    with pytest.raises(TypeError):
        os.stat(path)  # type: ignore[arg-type]  # never a local file by mistake


def test_objects_come_back_as_they_were_put(folder: ObjectPath, tmp_path: Path) -> None:
    path = folder / "a" / "part-1.bin"
    assert not path.exists() and not folder.is_dir()
    write_bytes(path, DATA)
    assert path.read_bytes() == DATA == b"".join(path.chunks())
    assert path.stat().st_size == len(DATA) and path.is_file() and not path.is_dir()
    assert folder.is_dir() and not folder.is_file() and folder.exists()
    assert read_range(path, 300, 7) == DATA[300:307] and path.read_range(0, 0) == b""
    assert path.read_range(len(DATA) - 2, 10) == DATA[-2:]
    local = tmp_path / "big"
    local.write_bytes(os.urandom(11 << 20))  # a multipart upload
    path.write_bytes(local)
    assert path.read_bytes() == local.read_bytes()
    path.unlink()
    path.unlink()
    assert not folder.exists()


def test_listings_match_those_of_a_disk(folder: ObjectPath, tmp_path: Path) -> None:
    names = ["part-b.parquet", "part-a.parquet", "x.json", ".done/k.json", "in/part-c.parquet"]
    for place in (tmp_path, folder):
        for name in names:
            write_bytes(place / name, name.encode())
    for pattern in ("part-*.parquet", "*.json", "*/*.json", "*/part-*.parquet"):
        on_disk = [str(path.relative_to(tmp_path)) for path in matching(tmp_path, pattern)]
        assert [path.uri[len(folder.uri) + 1 :] for path in matching(folder, pattern)] == on_disk
    below = [str(name) for name, _ in files_below(folder)]
    assert below == [str(name) for name, _ in files_below(tmp_path)]
    assert below == ["in/part-c.parquet", "part-a.parquet", "part-b.parquet", "x.json"]
    read = each(lambda path: path.read_bytes().decode(), [path for _, path in files_below(folder)])
    assert list(read) == below


def test_tables_are_one_request_small_and_ranges_large(
    folder: ObjectPath, server: ObjectServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    table = pa.table({"a": list(range(1000)), "b": [os.urandom(3000) for _ in range(1000)]})
    path = folder / "t.parquet"
    write_table(path, table, row_group_size=100)
    server.seen.clear()
    assert pq.read_table(parquet_input(path)).equals(table)
    assert [seen.method for seen in server.seen] == ["GET"]
    monkeypatch.setattr("pipeline.store.paths.WHOLE_BYTES", 1000)
    server.seen.clear()
    with pq.ParquetFile(parquet_input(path)) as file:
        assert file.read(["a"])["a"].to_pylist() == list(range(1000))
    assert sum(seen.sent for seen in server.seen if seen.range) < path.stat().st_size


@pytest.mark.parametrize("kind", ["503", "reset", "drop", "slow"])
def test_a_burst_of_failures_changes_nothing(
    folder: ObjectPath, server: ObjectServer, kind: str
) -> None:
    path = folder / "object"
    server.faults.append(Fault(kind=kind, times=4))
    path.write_bytes(DATA)
    server.faults[:] = [Fault(kind=kind, times=4, method="GET")]
    assert path.read_range(1000, 5000) == DATA[1000:6000]
    server.faults[:] = [Fault(kind=kind, times=4, method="GET")]
    assert b"".join(path.chunks()) == DATA
    assert server.faults[0].times == (0 if kind != "slow" else 3)


def test_a_broken_off_read_goes_on_where_it_broke(folder: ObjectPath, server: ObjectServer) -> None:
    path, data = folder / "object", os.urandom(6 << 20)
    path.write_bytes(data)
    server.faults.append(Fault(kind="reset", times=1, method="GET"))
    server.seen.clear()
    assert path.read_bytes() == data
    first, second = server.seen
    assert (first.range, second.range[:6]) == ("", "bytes=") and second.range[:8] != "bytes=0-"


def test_what_fails_for_good_has_a_type_and_a_line(
    folder: ObjectPath, server: ObjectServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = folder / "object"
    with pytest.raises(FileNotFoundError, match="no such object") as missing:
        path.read_bytes()
    assert missing.value.filename == path.uri
    with pytest.raises(FileNotFoundError, match="no such bucket"):
        ObjectPath("s3://nowhere/x").write_bytes(b"x")
    server.faults.append(Fault(kind="403"))
    with pytest.raises(PermissionError, match="403 Forbidden AccessDenied"):
        path.write_bytes(b"x")
    server.faults[:] = [Fault(kind="503")]
    with pytest.raises(ConnectionError, match="503 Service Unavailable SlowDown") as caught:
        path.write_bytes(b"x")
    server.faults.clear()
    assert not path.exists()
    for word in ("hush", "X-Amz", "Credential", "127.0.0.1"):
        assert word not in str(caught.value)
    assert len(server.seen) >= 3


def test_nothing_half_written_is_visible(folder: ObjectPath, server: ObjectServer) -> None:
    big = os.urandom(11 << 20)
    server.faults.append(Fault(kind="drop", method="PUT", skip=1))
    with pytest.raises(ConnectionError):
        (folder / "large").write_bytes(big)
    server.faults.clear()
    with pytest.raises(KeyError), atomic_path(folder / "table") as local:
        local.write_bytes(b"half")
        raise KeyError("the writer dies")
    assert not local.exists() and not folder.exists()


def test_reasons_hold_no_secret() -> None:
    text = (
        "Generic S3 error: Error performing GET https://b.s3/x?X-Amz-Signature=hush in 1s, "
        "after 3 retries - HTTP error: error sending request for url (https://b.s3/x?X-Amz-Signature=hush)"
    )
    assert "hush" not in reason(text) and "error sending request" in reason(text)
    refused = "status code: 403 Forbidden: <Error><Code>InvalidAccessKeyId</Code><AWSAccessKeyId>AKIA</AWSAccessKeyId>"
    assert reason(refused) == "403 Forbidden InvalidAccessKeyId"


def test_a_forked_child_is_told_instead_of_waiting_forever(folder: ObjectPath) -> None:
    code = (
        "import os, sys\n"
        "from pipeline.store.paths import location\n"
        f"path = location({folder.uri!r})\n"
        "path.exists()\n"
        "pid = os.fork()\n"
        "if pid == 0:\n"
        "    try: path.exists()\n"
        "    except RuntimeError as error: os._exit(7 if 'spawn' in str(error) else 1)\n"
        "sys.exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], timeout=300, check=False)
    assert done.returncode == 7
