"""Shards and latents on a store: written and read back by range as on a disk, through failures."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import pytest

from pipeline import schema as s
from pipeline.latents.index import CACHE_VARIABLE
from pipeline.latents.store import LatentStore
from pipeline.loader.quarantine import DataError
from pipeline.loader.videos import VideoBatches
from pipeline.loader.workers import with_workers
from pipeline.shards.layout import manifest_of
from pipeline.shards.part import OpenPart
from pipeline.shards.ranges import ClipError, read_clip
from pipeline.shards.read import open_manifest
from pipeline.shards.write import ShardWriter
from pipeline.store import client as store_client
from pipeline.store.paths import ObjectPath, matching
from pipeline.tables import clips_schema, shards_schema
from tests.helpers.json_lines import json_lines
from tests.helpers.object_server import Fault, ObjectServer, no_faults, server_with
from tests.helpers.shard_media import make_rows, make_shards
from tests.helpers.warm_python import spawned_warm
from tests.pipeline.loader.test_latent_packs import make_latents

server = server_with("shards")


@pytest.fixture
def folder(server: ObjectServer, monkeypatch: pytest.MonkeyPatch) -> Iterator[ObjectPath]:
    path = ObjectPath("s3://shards/run/shards")
    with no_faults(server, monkeypatch):
        yield path
        server.faults.clear()
        for file in path.glob("**"):
            file.unlink()


def write(folder: ObjectPath, n: int = 12) -> None:
    with ShardWriter(folder, shards_schema(), shard_bytes=20_000) as writer:
        for row in make_rows(n):
            writer.add(row)


def test_shards_are_the_bytes_of_a_disk_and_a_clip_is_one_request_of_its_size(
    folder: ObjectPath, server: ObjectServer, tmp_path: Path
) -> None:
    local = make_shards(tmp_path / "shards", make_rows(12))
    server.faults += [Fault(kind="503", times=3), Fault(kind="drop", times=2, method="PUT", skip=3)]
    write(folder)
    assert [(path.name, path.read_bytes()) for path in matching(folder, "*")] == [
        (path.name, path.read_bytes()) for path in sorted(local.iterdir())
    ]
    here, there = open_manifest(local), open_manifest("s3://shards/run")
    assert (there.root, there.hash) == (str(folder), here.hash)
    server.seen.clear()
    server.faults[:] = [Fault(kind="503", times=2), Fault(kind="reset", times=2, skip=2)]
    assert [there.read(i) for i in range(12)] == [here.read(i) for i in range(12)]
    lengths = there.table[s.BYTE_LENGTH].to_pylist()
    good = [seen for seen in server.seen if seen.sent in lengths]
    assert len(server.seen) <= 12 + 4 and len(good) >= 10 and all(seen.range for seen in good)


def test_batches_are_those_of_a_disk_with_workers_too(folder: ObjectPath, tmp_path: Path) -> None:
    write(folder)
    make_shards(tmp_path, make_rows(12))
    drawn = []
    for place, workers in ((tmp_path, 0), (folder, 0), (folder, 1)):
        batches = VideoBatches(place, samples_per_step=4, same_shape=False)
        with spawned_warm():
            steps = list(islice(with_workers(batches, workers), 3))
        drawn.append(
            [
                [
                    (unit[s.CLIP_ID], unit[s.CAPTION], int(unit["frames"].sum()))
                    for unit in step.units
                ]
                for step in steps
            ]
        )
    assert drawn[0] == drawn[1] == drawn[2]


def test_what_is_read_ahead_changes_nothing(folder: ObjectPath, tmp_path: Path) -> None:
    write(folder)
    make_shards(tmp_path, make_rows(12))
    near, far = (VideoBatches(p, samples_per_step=4, same_shape=False) for p in (tmp_path, folder))
    here, there, saved = iter(near), iter(far), far.state
    for turn in range(8):  # over the ends of epochs, with a step back in between
        if turn == 5:
            near.seek(saved)
            far.seek(saved)
        one, other = next(here), next(there)
        assert (one.epoch, one.step, one.state) == (other.epoch, other.step, other.state)
        assert [u[s.CLIP_ID] for u in one.units] == [u[s.CLIP_ID] for u in other.units]
        assert near.state == far.state
        if turn == 1:
            saved = far.state
    there.close()


def test_damage_is_a_bad_clip_and_a_store_that_does_not_answer_is_none(
    folder: ObjectPath, server: ObjectServer
) -> None:
    write(folder, 4)
    manifest = open_manifest(folder)
    row = manifest.row(0)
    part = folder / row[s.SHARD]
    data = bytearray(part.read_bytes())
    data[row[s.BYTE_OFFSET] + 40] ^= 1
    part.write_bytes(bytes(data))
    with pytest.raises(ClipError, match="do not match their hash"):
        read_clip(folder, row)
    part.write_bytes(bytes(data[: row[s.BYTE_OFFSET] + 10]))
    with pytest.raises(ClipError) as short:
        read_clip(folder, row)
    assert short.value.kind == "truncated"
    part.unlink()
    with pytest.raises(ClipError) as gone:
        read_clip(folder, row)
    assert gone.value.kind == "missing"
    server.faults.append(Fault(kind="503"))
    with pytest.raises(ConnectionError, match="SlowDown"):
        read_clip(folder, row)


def test_an_interrupted_write_is_no_dataset(folder: ObjectPath) -> None:
    with (
        pytest.raises(KeyError),
        ShardWriter(folder, shards_schema(), shard_bytes=20_000) as writer,
    ):
        for row in make_rows(12):
            writer.add(row)
        raise KeyError("killed")
    left = matching(folder)
    assert left and not manifest_of(folder).exists()
    with pytest.raises(ValueError, match="the write was interrupted"):
        open_manifest(folder)
    write(folder, 2)
    assert len(open_manifest(folder)) == 2 and len(matching(folder)) <= 2


def test_a_part_that_is_dropped_leaves_nothing(folder: ObjectPath) -> None:
    part = OpenPart(folder / "part-1.parquet", clips_schema(), {})
    scratch = part.tmp
    assert scratch.exists()
    part.discard()
    assert not scratch.exists() and not folder.exists()


def test_an_object_that_a_store_keeps_refusing_costs_its_clips_and_a_dead_store_the_run(
    folder: ObjectPath, server: ObjectServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    write(folder)
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    store_client._open.cache_clear()
    lines = tmp_path / "quarantine.jsonl"

    def loader() -> VideoBatches:
        return VideoBatches(folder, samples_per_step=6, same_shape=False, quarantine=lines)

    manifest = open_manifest(folder)
    refused = manifest.row(0)[s.SHARD]
    lost = [i for i in range(12) if manifest.row(i)[s.SHARD] == refused]
    assert 1 <= len(lost) <= 6
    shown = []
    for _ in range(2):  # the same stand-ins each time
        batches = loader()
        server.faults[:] = [Fault(kind="503", path=refused)]
        shown.append([unit[s.CLIP_ID] for step in islice(batches, 2) for unit in step.units])
        server.faults.clear()
    order = batches.steps.order(0)
    readable = [i for i in order if i not in lost]
    expected = []
    for at, index in enumerate(order):
        after = [*order[at + 1 :], *order[:at]]
        expected.append(next(i for i in [index, *after] if i in readable))
    assert shown[0] == shown[1] == [manifest.row(i)[s.CLIP_ID] for i in expected]
    told = json_lines(lines)
    assert {line[s.CLIP_ID] for line in told} == {manifest.row(i)[s.CLIP_ID] for i in lost}
    assert {line["kind"] for line in told} == {"store"} and "503" in told[0]["error"]
    batches = loader()
    server.faults[:] = [Fault(kind="503", method="GET")]
    with pytest.raises(DataError, match="more than the budget of 8.*the store does not answer"):
        list(islice(batches, 2))


def test_the_same_latents_in_other_parts_have_an_index_of_their_own(
    folder: ObjectPath, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Their rows, and the hash of them, are the same; where the rows lie is not: at another place, or made anew."""
    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path))
    many, one = (make_latents(folder / str(n), 8, per_part=n) for n in (4, 16))
    stores = [LatentStore(str(place)) for place in (many, one)]
    assert stores[0].hash == stores[1].hash
    for part in [*matching(many), *matching(many / "texts")]:
        part.unlink()
    again = LatentStore(str(make_latents(many, 8, per_part=6)))
    for store in (stores[1], again):
        assert [store.item(i)[s.CAPTION] for i in range(3)] == ["dense 0", "short 0", "dense 1"]
