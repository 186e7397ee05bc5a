"""The loader's promise, on real clips: one order for every world, worker count and resume; each clip exactly once."""

from __future__ import annotations

import itertools
import json
import pickle
from dataclasses import replace

import pytest
import torch
from torch.utils.data import DataLoader

from pipeline import schema as s
from pipeline.loader.api import ClipView, LoaderState, VideoBatches, with_workers
from pipeline.loader.quarantine import DataError
from pipeline.loader.workers import ALIGNED, Answer
from pipeline.shards.read import open_manifest
from tests.helpers.json_lines import json_lines
from tests.helpers.shard_media import flip_byte, make_rows, make_shards

pytestmark = pytest.mark.filterwarnings("ignore:This DataLoader will create")

CLIPS = 100
PER_STEP = 24
WORLDS = (1, 2, 3, 4, 6, 8)
WORKERS = (0, 1, 2, 4)
QUICK = [(world, 0) for world in WORLDS] + [(1, 1), (2, 2), (1, 4)]


@pytest.fixture(scope="module")
def shards(tmp_path_factory):
    rows = make_rows(CLIPS, shapes=((1, 32, 32), (5, 32, 32)))
    return make_shards(tmp_path_factory.mktemp("order") / "shards", rows)


def batches(shards, per_step=PER_STEP, **options):
    options = {"same_shape": False, "view": ClipView(max_pixels=32 * 32), **options}
    return VideoBatches(shards, samples_per_step=per_step, **options)


def seen(step):
    """Ids, drawn captions and pixels of a step."""
    return [(u[s.CLIP_ID], u[s.CAPTION], u["frames"].numpy().tobytes()) for u in step.units]


def take(steps, n):
    return [seen(step) for step in itertools.islice(steps, n)]


def in_world(shards, world, workers, n, start=None, **options):
    """The first ``n`` global steps, put together from the slices of all ranks."""
    ranks = []
    for rank in range(world):
        steps = with_workers(batches(shards, rank=rank, world=world, **options), workers)
        if start is not None:
            steps.seek(start)
        ranks.append(take(steps, n))
    return [[ranks[i % world][k][i // world] for i in range(PER_STEP)] for k in range(n)]


@pytest.fixture(scope="module")
def whole(shards):
    """Six steps of one process: an epoch of four steps and a half."""
    return take(batches(shards), 6)


@pytest.mark.parametrize(("world", "workers"), QUICK)
def test_the_order_is_the_same_for_every_world_and_worker_count(shards, whole, world, workers):
    assert in_world(shards, world, workers, 6) == whole


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("same_shape", [False, True])
@pytest.mark.parametrize("world", WORLDS)
@pytest.mark.parametrize("workers", WORKERS)
def test_the_whole_grid_of_worlds_and_workers(shards, world, workers, same_shape):
    steps = list(itertools.islice(batches(shards, same_shape=same_shape), 6))
    want = [seen(step) for step in steps]
    assert in_world(shards, world, workers, 6, same_shape=same_shape) == want
    start = steps[2].state.to_dict()
    assert in_world(shards, world, workers, 3, start, same_shape=same_shape) == want[3:]


@pytest.mark.parametrize("seed", [0, 1])
@pytest.mark.parametrize("per_step", [4, 10])
def test_each_clip_exactly_once_when_steps_divide_the_clips(shards, seed, per_step):
    loader = batches(shards, per_step, seed=seed, cache_bytes=1 << 22)  # decodes each clip once
    ids = sorted(open_manifest(shards).table[s.CLIP_ID].to_pylist())
    for epoch in range(2):
        steps = list(itertools.islice(loader, CLIPS // per_step))
        assert {step.epoch for step in steps} == {epoch}
        assert sorted(unit[s.CLIP_ID] for step in steps for unit in step.units) == ids


@pytest.mark.parametrize("per_step", [7, 24, 64])
def test_a_remainder_is_left_out_for_one_epoch_and_no_clip_comes_twice(shards, per_step):
    loader = batches(shards, per_step)
    left_out = []
    for epoch in range(3):
        plan = loader.steps
        states = [
            LoaderState(manifest_hash=loader.manifest.hash, seed=0, epoch=epoch, step=k)
            for k in range(plan.steps_in(epoch))
        ]
        units = [unit for state in states for unit in plan.units_at(state)]
        assert len(set(units)) == len(units) == CLIPS // per_step * per_step
        left_out.append(frozenset(range(CLIPS)) - set(units))
    assert len(set(left_out)) == 3


def test_resume_at_every_step_of_an_epoch_twice_in_a_row_and_over_its_end(shards):
    steps = list(itertools.islice(batches(shards, 2, cache_bytes=1 << 22), 54))
    want = [seen(step) for step in steps]
    assert (steps[49].epoch, steps[50].epoch) == (0, 1)
    again = batches(shards, 2)
    for k in range(52):
        again.seek(json.loads(json.dumps(steps[k].state.to_dict())))
        (first,) = itertools.islice(again, 1)
        assert seen(first) == want[k + 1]
        fresh = batches(shards, 2)
        fresh.seek(first.state.to_dict())
        assert take(fresh, 1) == [want[k + 2]]


def test_resume_at_every_step_with_persistent_workers(shards):
    steps = list(itertools.islice(batches(shards, 10), 14))
    want = [seen(step) for step in steps]
    again = with_workers(batches(shards, 10), 2)
    running = iter(again)  # an iterator made before the state is loaded must follow it
    for k in (*range(12), 3):  # and back again
        again.seek(steps[k].state.to_dict())
        assert seen(next(running)) == want[k + 1]
        again.seek(again.state.to_dict())
        assert seen(next(running)) == want[k + 2]
    assert again._loader is not None and again._loader.persistent_workers
    processes = [process.pid for process in again._loader._iterator._workers]
    again.seek(steps[0].state)
    epoch_and_more = take(again, 13)  # no epoch is shortened by an earlier resume
    assert epoch_and_more == want[1:]
    assert [process.pid for process in again._loader._iterator._workers] == processes


@pytest.mark.parametrize(("before", "after"), [((1, 2), (4, 0)), ((3, 0), (2, 1))])
def test_resume_on_another_world_with_other_workers(shards, whole, before, after):
    (world, workers), (other_world, other_workers) = before, after
    steps = with_workers(batches(shards, rank=world - 1, world=world), workers)
    (*_, last) = itertools.islice(steps, 3)
    assert in_world(shards, other_world, other_workers, 3, last.state) == whole[3:]


def test_steps_read_ahead_are_not_counted_as_done(shards):
    steps = with_workers(batches(shards, 10), 2)
    first = next(iter(steps))
    assert steps.state == first.state == steps.batches.state


def test_workers_are_sent_nothing_but_a_state(shards, monkeypatch):
    keys = []
    whole = DataLoader.__init__

    def spy(self, dataset, *, sampler, **options):
        whole(self, dataset, sampler=sampler, **options)
        keys.extend(itertools.islice(sampler, 3))

    monkeypatch.setattr(DataLoader, "__init__", spy)
    next(iter(with_workers(batches(shards, 10), 1)))
    assert {type(key) for key in keys} == {LoaderState}
    assert max(len(pickle.dumps(key)) for key in keys) < 300


def test_a_step_travels_as_one_tensor_and_comes_out_as_it_was(shards):
    step = next(iter(batches(shards, 10)))
    answer = Answer.of(step, [])
    assert len(answer.head) < 5_000 < sum(unit["frames"].numel() for unit in step.units)
    assert answer.data.is_shared()
    opened, found = answer.opened()
    assert (seen(opened), opened.state, found) == (seen(step), step.state, [])
    opened.units[0]["frames"][:] = 0  # they may be written to, as those of this process
    odd = [torch.arange(3, dtype=torch.uint8), torch.zeros(0, 4), torch.rand(2, 5)]
    answer = Answer.of(replace(step, units=odd), [])
    assert all(start % ALIGNED == 0 for start, _ in answer.ends)
    for there, here in zip(answer.opened()[0].units, odd, strict=True):
        assert there.dtype == here.dtype and torch.equal(there, here)


@pytest.mark.parametrize("workers", [0, 2])
def test_what_workers_find_is_replaced_listed_and_budgeted_as_one(tmp_path, workers):
    folder = make_shards(tmp_path / "shards", make_rows(40, shapes=((1, 32, 32),)))
    manifest = open_manifest(folder)
    clean = batches(folder, 4)
    order = [unit[s.CLIP_ID] for step in itertools.islice(clean, 10) for unit in step.units]
    rows = {manifest.row(i)[s.CLIP_ID]: manifest.row(i) for i in range(40)}
    for clip in order[::4]:  # one in every step, 10 in all; the budget is 8
        flip_byte(folder, rows[clip])
    lines = tmp_path / "quarantine.jsonl"
    loader = batches(folder, 4, quarantine=lines)
    got = []
    with pytest.raises(DataError, match="9 of 40 clips are unreadable, more than the budget of 8"):
        for step in with_workers(loader, workers):
            got += [unit[s.CLIP_ID] for unit in step.units]
    good = [clip for clip in order if clip not in order[::4]]
    follows = {clip: order[order.index(clip) + 1] for clip in order[::4]}
    assert got[:16] == [follows.get(clip, clip) for clip in order[:16]]
    assert set(got) <= set(good)
    found = json_lines(lines)
    assert [line["clip_id"] for line in found] == order[::4][:9]
