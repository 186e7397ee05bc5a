"""What both loaders share: stand-ins for bad clips, and reading ahead from a store."""

from __future__ import annotations

import itertools
from typing import Any

import pytest

from pipeline.loader.order import LoaderState
from pipeline.loader.quarantine import DataError, Quarantine
from pipeline.loader.steps import AHEAD, Batches, Step, StepLoader
from pipeline.shards.ranges import ClipError

N = 12


class Numbers(Batches):
    """Clips that are their numbers; those in ``bad`` cannot be read, even and odd ones do not fit each other."""

    def __init__(self, root: str, bad: frozenset[int] = frozenset(), seed: int = 0) -> None:
        self.root, self.bad = root, bad
        self.steps = StepLoader(N, seed, "data", 1)
        self.quarantine = Quarantine(None, N, floor=N)
        self.asked: list[LoaderState] = []

    def at(self, state: LoaderState) -> Step:
        self.asked.append(state)
        units = [
            self._fetch(index, state.epoch, lambda j, own=index % 2: j % 2 == own)["number"]
            for index in self.steps.units_at(state)
        ]
        after = self.steps.advance(state, 1)
        return Step(epoch=state.epoch, step=state.step, units=units, n_tokens=0, state=after)

    def _sample(self, index: int, epoch: int) -> dict[str, Any]:
        if index in self.bad:
            raise ClipError("decode", "damaged")
        return {"number": index}

    def _clip_id(self, index: int) -> str:
        return f"clip{index}"


def numbers(steps: Any, count: int) -> list[int]:
    return [step.units[0] for step in itertools.islice(steps, count)]


def test_the_next_of_its_kind_in_the_order_of_the_epoch_stands_in() -> None:
    """With the first of the order in each one's place, one clip would be shown for every damaged one."""
    for epoch in range(3):
        order = StepLoader(N, 0, "data", 1).order(epoch)
        bad = frozenset(order[2:5])
        clips = Numbers("/shards", bad)
        clips.seek(LoaderState(manifest_hash="data", seed=0, epoch=epoch, step=0))
        for index, got in zip(order, numbers(clips, N), strict=True):
            at = order.index(index)
            after = [j for j in order[at:] + order[:at] if j not in bad and j % 2 == index % 2]
            assert got == after[0]
        assert clips.quarantine.clips == {f"clip{index}" for index in bad}


def test_where_none_fits_the_run_ends() -> None:
    clips = Numbers("/shards", frozenset(range(0, N, 2)))
    with pytest.raises(DataError, match="no readable clip can stand in for clip clip"):
        numbers(clips, N)


def test_a_store_is_read_ahead_in_order_and_a_seek_drops_what_was_read() -> None:
    plain, ahead = Numbers("/shards"), Numbers("s3://shards")
    there = numbers(plain, 30)
    steps = iter(ahead)
    assert numbers(steps, 5) == there[:5]
    assert len(ahead.asked) <= 5 + AHEAD - 1
    assert ahead.state == ahead.steps.advance(LoaderState(manifest_hash="data", seed=0), 5)
    back = ahead.steps.advance(LoaderState(manifest_hash="data", seed=0), 2)
    ahead.seek(back)
    assert numbers(steps, 20) == there[2:22], "after the seek, and over the end of the epoch"


def test_a_state_of_another_seed_or_of_other_data_is_refused() -> None:
    clips = Numbers("/shards")
    for data, seed, says in (("data", 1, "used seed 1, this run uses 0"), ("other", 0, "changed")):
        with pytest.raises(ValueError, match=says):
            clips.seek(LoaderState(manifest_hash=data, seed=seed, step=3))
    clips.seek(LoaderState(manifest_hash="data", seed=0, step=N))
    assert (clips.state.epoch, clips.state.step) == (1, 0), "the end of an epoch is a beginning"
