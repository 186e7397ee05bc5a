"""Video batches: the same global steps for every world, worker count and resume; bad clips replaced."""

from __future__ import annotations

import itertools
import json

import pytest
import torch

from pipeline import schema as s
from pipeline.config import MixConfig
from pipeline.loader.api import ClipView, VideoBatches
from pipeline.loader.quarantine import DataError, Quarantine
from pipeline.shards.read import open_manifest
from tests.helpers.json_lines import json_lines
from tests.helpers.shard_media import flip_byte, make_rows, make_shards

VIEW = ClipView(max_pixels=48 * 48)
SIZE = 12


@pytest.fixture(scope="module")
def shards(tmp_path_factory):
    return make_shards(tmp_path_factory.mktemp("videos") / "shards", make_rows(40))


def signature(steps):
    """What a trainer sees, in a form that compares."""
    return [
        [
            (u[s.CLIP_ID], u[s.KIND], tuple(u["frames"].shape), int(u["frames"].sum()))
            for u in step.units
        ]
        for step in steps
    ]


def first(loader, n):
    return list(itertools.islice(loader, n))


def test_worlds_see_the_same_global_steps(shards):
    whole = signature(first(VideoBatches(shards, samples_per_step=SIZE, view=VIEW), 3))
    for world in (2, 3, 4):
        ranks = [
            signature(
                first(
                    VideoBatches(shards, samples_per_step=SIZE, view=VIEW, rank=r, world=world), 3
                )
            )
            for r in range(world)
        ]
        for step in range(3):
            merged = [ranks[i % world][step][i // world] for i in range(SIZE)]
            assert merged == whole[step]


def test_resume_at_every_step_and_across_worlds(shards):
    loader = VideoBatches(shards, samples_per_step=4, view=VIEW, same_shape=False)
    steps = first(loader, 25)
    assert steps[-1].epoch == 2
    want = signature(steps)
    for k in range(24):
        state = json.loads(json.dumps(steps[k].state.to_dict()))
        again = VideoBatches(
            shards, samples_per_step=4, view=VIEW, same_shape=False, rank=k % 2, world=2
        )
        again.seek(state)
        (step,) = first(again, 1)
        assert signature([step])[0] == want[k + 1][k % 2 :: 2]
        again.seek(step.state)  # resuming from a resumed run
        if k < 23:
            assert signature(first(again, 1))[0] == want[k + 2][k % 2 :: 2]


def test_every_clip_once_per_epoch(shards):
    loader = VideoBatches(shards, samples_per_step=8, view=VIEW, same_shape=False)
    seen = [u[s.CLIP_ID] for step in first(loader, 5) for u in step.units]
    assert sorted(seen) == sorted(open_manifest(shards).table[s.CLIP_ID].to_pylist())


def test_same_shape_steps_stack(shards):
    loader = VideoBatches(shards, samples_per_step=6, view=VIEW)
    shapes = set()
    for step in first(loader, 8):
        shapes.add(tuple(torch.stack([u["frames"] for u in step.units]).shape[1:]))
        assert step.units[0]["frames"].dtype == torch.uint8
    assert len(shapes) > 1


def test_resharding_does_not_move_anything(shards, tmp_path):
    other = make_shards(tmp_path / "other", make_rows(40)[::-1], shard_bytes=1 << 20)
    a = VideoBatches(shards, samples_per_step=4, view=VIEW)
    b = VideoBatches(other, samples_per_step=4, view=VIEW)
    assert signature(first(a, 6)) == signature(first(b, 6))


def test_bad_clips_are_replaced_alike_on_every_rank(tmp_path):
    folder = make_shards(tmp_path / "shards", make_rows(40))
    manifest = open_manifest(folder)
    clean = VideoBatches(folder, samples_per_step=SIZE, view=VIEW)
    want = signature(first(clean, 6))
    bad = [unit[0] for unit in want[0][:2]] + [want[2][1][0]]
    for i in range(len(manifest)):
        row = manifest.row(i)
        if row[s.CLIP_ID] in bad:
            flip_byte(folder, row)
    lines = tmp_path / "quarantine.jsonl"
    loader = VideoBatches(folder, samples_per_step=SIZE, view=VIEW, quarantine=lines)
    got = signature(first(loader, 6))
    for clean_step, step in zip(want, got, strict=True):
        for before, after in zip(clean_step, step, strict=True):
            assert after[0] not in bad
            assert after == before if before[0] not in bad else after[2] == before[2]
    pair = [VideoBatches(folder, samples_per_step=SIZE, view=VIEW, rank=r, world=2) for r in (0, 1)]
    ranks = [signature(first(p, 6)) for p in pair]
    for k in range(6):
        assert [ranks[i % 2][k][i // 2] for i in range(SIZE)] == got[k]
    found = json_lines(lines)
    assert sorted(line["clip_id"] for line in found) == sorted(set(bad))
    assert {line["kind"] for line in found} == {"hash"}
    assert len(loader.quarantine) == len(set(bad))


@pytest.mark.parametrize("damage", ["missing", "truncated"])
def test_a_damaged_shard_is_survived_alike_in_every_world(tmp_path, damage):
    folder = make_shards(tmp_path / "shards", make_rows(24), shard_bytes=12_000)
    rows = open_manifest(folder).table.to_pylist()
    name = rows[0][s.SHARD]
    inside = [row for row in rows if row[s.SHARD] == name]
    cut = max(row[s.BYTE_OFFSET] for row in inside)  # the last clip of the shard
    if damage == "missing":
        (folder / name).unlink()
    else:
        with (folder / name).open("r+b") as file:
            file.truncate(cut + 10)
    lost = {row[s.CLIP_ID] for row in inside if damage == "missing" or row[s.BYTE_OFFSET] == cut}
    assert 0 < len(lost) <= 8 < len(rows)
    want = None
    for world in (1, 2, 3):
        log = tmp_path / f"{world}.jsonl"
        options = {"samples_per_step": 12, "view": VIEW, "same_shape": False, "quarantine": log}
        loaders = [VideoBatches(folder, rank=r, world=world, **options) for r in range(world)]
        ranks = [signature(first(loader, 2)) for loader in loaders]
        steps = [[ranks[i % world][k][i // world] for i in range(12)] for k in range(2)]
        assert {unit[0] for step in steps for unit in step}.isdisjoint(lost)
        found = json_lines(log)
        assert {line["clip_id"] for line in found} == lost
        assert {line["kind"] for line in found} == {damage}
        assert want is None or steps == want
        want = steps


def test_error_budget_stops_the_run(tmp_path):
    folder = make_shards(tmp_path / "shards", make_rows(24))
    manifest = open_manifest(folder)
    for i in range(len(manifest)):
        flip_byte(folder, manifest.row(i))
    loader = VideoBatches(folder, samples_per_step=4, view=VIEW)
    with pytest.raises(DataError, match="no readable clip can stand in"):
        first(loader, 1)
    loader = VideoBatches(folder, samples_per_step=4, view=VIEW, same_shape=False)
    with pytest.raises(DataError, match="9 of 24 clips are unreadable, more than the budget of 8"):
        first(loader, 1)
    assert Quarantine(None, 100_000).budget == 100


def test_changed_data_or_seed_is_refused(shards, tmp_path):
    loader = VideoBatches(shards, samples_per_step=4, view=VIEW)
    (step,) = first(loader, 1)
    other = make_shards(tmp_path / "other", make_rows(39))
    with pytest.raises(ValueError, match="the data changed since the checkpoint"):
        VideoBatches(other, samples_per_step=4, view=VIEW).seek(step.state)
    with pytest.raises(ValueError, match="used seed 0, this run uses 1"):
        VideoBatches(shards, samples_per_step=4, view=VIEW, seed=1).seek(step.state)


def test_captions_are_drawn_by_weight(shards):
    mix = MixConfig(short=1, empty=0)
    loader = VideoBatches(shards, samples_per_step=8, view=VIEW, mix=mix)
    (step,) = first(loader, 1)
    assert {u[s.KIND] for u in step.units} == {"short"}
    assert all(u[s.CAPTION].startswith("clip ") for u in step.units)
    loader = VideoBatches(shards, samples_per_step=8, view=VIEW, mix=MixConfig(empty=1))
    assert {(u[s.KIND], u[s.CAPTION]) for u in first(loader, 1)[0].units} == {("", "")}
