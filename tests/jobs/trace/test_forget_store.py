"""A run folder in an object store: a work is gone from every byte of every object, after a kill at any write too."""

from __future__ import annotations

import gzip
import io
import json
import sys
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import pyarrow.parquet as pq
import pytest

from jobs.core.run import FORGETTING, open_run
from jobs.core.uses import note_use
from jobs.trace import forget
from pipeline import schema as s
from pipeline.shards.read import open_manifest
from pipeline.store.paths import ObjectPath
from tests.helpers.object_server import Fault, ObjectServer, no_faults, object_server
from tests.helpers.run_folders import encode_run, ingest_id, make_run, tree

FILM = "harbour-at-dawn"


class Killed(BaseException):
    """A process that ends in the middle of a write."""


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, bytes], list[bytes]]:
    """Every file of a run folder with all tables, and what is of one source in it."""
    home = tmp_path_factory.mktemp("home")
    run = make_run(home / "run", home / "raw", (FILM, "quay"))
    encode_run(run)
    rows = pq.read_table(run.manifest).to_pylist()
    mine = [row for row in rows if FILM in row[s.SOURCE_URI]]
    needles = [FILM.encode(), ingest_id(home / "raw" / f"{FILM}.mp4").encode()]
    for row in mine:
        video = run.read_clip(row)
        needles += [row[s.CLIP_ID].encode(), row[s.VIDEO_XXH3].encode(), video[-200:-140]]
        needles.append(f"word{row[s.CLIP_ID][:8]}".encode())
    edits = [json.dumps({"clip": row[s.CLIP_ID], "note": "good"}) for row in rows]
    (home / "run" / "edits.jsonl").write_text("\n".join(edits) + "\n")
    (home / "run" / "report.html").write_text(f"<p>{mine[0][s.CLIP_ID]}</p>")
    export = home / "export"
    export.mkdir()
    for row in rows:
        (export / f"{row[s.CLIP_ID]}.mp4").write_bytes(run.read_clip(row))
        (export / f"{row[s.CLIP_ID]}.txt").write_text("a caption")
    return tree(home), needles


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[ObjectServer]:
    with object_server("sets", "versioned") as started, no_faults(started, monkeypatch):
        yield started


@pytest.fixture
def s3(server: ObjectServer) -> Any:
    import boto3

    return boto3.client("s3", endpoint_url=server.url)


def put(files: dict[str, bytes], place: ObjectPath) -> ObjectPath:
    """The run folder in the store, with an export of it beside."""
    for name, data in files.items():
        if name.startswith(("run/", "export/")):
            (place / name).write_bytes(data)
    note_use(place / "run", "export", place / "export")
    return place / "run"


def every_byte(objects: dict[str, bytes]) -> bytes:
    """Objects as they lie and as they read, with their names."""
    parts: list[bytes] = []
    for name, data in objects.items():
        parts += [name.encode(), data]
        if name.endswith(".gz"):
            parts.append(gzip.decompress(data))
        if name.endswith(".parquet"):
            parts.append(repr(pq.read_table(io.BytesIO(data)).to_pylist()).encode())
    return b"\n".join(parts)


def test_a_source_is_gone_from_every_object(
    server: ObjectServer, made: tuple[dict[str, bytes], list[bytes]], capsys: Any
) -> None:
    files, needles = made
    run = put(files, ObjectPath("s3://sets/a"))
    before = every_byte(server.keys("sets", "a/"))
    assert all(needle in before for needle in needles), "the search finds what is there"
    assert forget.main([f"{FILM}.mp4", "--run", str(run)]) == 0
    assert "1 sources and 3 clips" in capsys.readouterr().out
    after = every_byte(server.keys("sets", "a/"))
    assert [needle for needle in needles if needle in after] == []
    names = {name.removeprefix("a/") for name in server.keys("sets", "a/")}
    assert sum(name.startswith("export/") for name in names) == 6
    assert f"run/{FORGETTING}" not in names and "run/.lock/lease" not in names
    manifest = open_manifest(run)
    assert len(manifest) == 3 and all(manifest.read(i) for i in range(3))
    here = open_run(run)
    for row in here.kept_clips().to_pylist():
        here.read_clip(row)


class Dying:
    """Writes to the store until the process is killed; from then on nothing reaches it."""

    def __init__(self, patch: pytest.MonkeyPatch, writes: int) -> None:
        self.left, self.dead = writes, False
        for name in ("write_bytes", "create", "replace", "unlink"):
            patch.setattr(ObjectPath, name, self.counted(getattr(ObjectPath, name)))

    def counted(self, real: Any) -> Any:
        def write(path: ObjectPath, *args: Any, **named: Any) -> Any:
            if path.name == "lease":
                return None if self.dead else real(path, *args, **named)
            if self.dead or self.left == 0:
                self.dead = True
                raise Killed
            self.left -= 1
            return real(path, *args, **named)

        return write


def settled(objects: dict[str, bytes]) -> dict[str, bytes]:
    """Objects of the run folder that say no time and no place."""
    own = (".gz", ".json", ".jsonl")
    found = {name.partition("/")[2]: data for name, data in objects.items()}
    return {name: b"" if name.endswith(own) else data for name, data in found.items()}


@pytest.mark.timeout(1800)
@pytest.mark.slow  # a folder is put into the store, and forgotten from twice, for every fifth write
def test_killed_at_any_write_the_same_command_ends_in_the_same_objects(
    server: ObjectServer,
    made: tuple[dict[str, bytes], list[bytes]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    files, needles = made
    command = [f"{FILM}.mp4", "--no-verify", "--run"]
    assert forget.main([*command, str(put(files, ObjectPath("s3://sets/whole")))]) == 0
    want, kills = settled(server.keys("sets", "whole/")), 0
    for writes in range(0, 200, 5):
        run = put(files, ObjectPath(f"s3://sets/{writes}"))
        with monkeypatch.context() as patch:
            dying = Dying(patch, writes)
            with suppress(Killed):
                forget.main([*command, str(run)])
        if not dying.dead:
            break
        kills += 1
        (run / ".lock" / "lease").unlink()  # of a process that is dead: here it is this one
        assert forget.main([*command, str(run)]) == 0
        have = server.keys("sets", f"{writes}/")
        assert settled(have) == want, writes
        left = every_byte(have)
        assert [needle for needle in needles if needle in left] == [], writes
    assert kills > 4


def kept_bytes(server: ObjectServer) -> bytes:
    """Every version of every object, and the parts of unfinished uploads."""
    bucket = server.backend.buckets["versioned"]
    versions = [
        (f"{name}#{number}/{name.rpartition('/')[2]}", version.value)
        for name in list(bucket.keys)
        for number, version in enumerate(bucket.keys.getlist(name))
        if hasattr(version, "value")
    ]
    parts = [part.value for upload in bucket.multiparts.values() for part in upload.parts.values()]
    return b"\n".join([every_byte(dict(versions)), *parts])


def test_old_versions_and_unfinished_uploads_are_told_and_taken_out(
    server: ObjectServer, s3: Any, made: tuple[dict[str, bytes], list[bytes]], capsys: Any
) -> None:
    files, needles = made
    s3.put_bucket_versioning(Bucket="versioned", VersioningConfiguration={"Status": "Enabled"})
    run = put(files, ObjectPath("s3://versioned/a"))
    s3.put_object(Bucket="versioned", Key="other/x", Body=b"1")
    s3.put_object(Bucket="versioned", Key="other/x", Body=b"2")
    begun = s3.create_multipart_upload(Bucket="versioned", Key="a/run/clips/part-x.parquet")
    s3.upload_part(
        Bucket="versioned",
        Key=begun["Key"],
        PartNumber=1,
        UploadId=begun["UploadId"],
        Body=needles[-1] * 2,
    )
    assert forget.main([f"{FILM}.mp4", "--run", str(run)]) == 3
    said = capsys.readouterr().err
    assert "old versions of objects and 1 unfinished uploads below s3://versioned/a/run" in said
    assert "old versions of objects below s3://versioned/a/export" in said
    assert any(needle in kept_bytes(server) for needle in needles)
    assert forget.main([f"{FILM}.mp4", "--run", str(run), "--old-versions"]) == 0
    left = kept_bytes(server)
    assert [needle for needle in needles if needle in left] == []
    assert len(server.backend.buckets["versioned"].keys.getlist("other/x")) == 2, (
        "others are as they were"
    )
    assert len(open_manifest(run)) == 3


def test_a_bucket_that_cannot_be_looked_at_is_told(
    server: ObjectServer, made: tuple[dict[str, bytes], list[bytes]], monkeypatch: Any
) -> None:
    from jobs.trace.buckets import kept_by_bucket

    place = ObjectPath("s3://sets/a")
    server.faults.append(Fault(kind="403", path="versions"))
    assert "the bucket refuses" in kept_by_bucket(place, remove=False).told(place)
    monkeypatch.setitem(sys.modules, "boto3", None)
    assert "pip install boto3" in kept_by_bucket(place, remove=False).told(place)
    assert "only buckets of S3" in kept_by_bucket(ObjectPath("gs://b/a"), remove=False).unknown
