"""What both loaders share: stand-ins for bad clips, and reading ahead from a store."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from threading import Barrier
from typing import Any

import numpy as np
import pytest

from pipeline.loader.order import LoaderState, epoch_order
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

    def many(self, read: Callable[[int], int], wanted: list[int]) -> list[int]:
        return self._all(read, wanted)

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


def test_ranks_share_each_global_step_and_what_is_left_of_an_epoch_is_dropped_or_shown() -> None:
    whole = StepLoader(10, 3, "data", 4)
    order = whole.order(0)
    assert order == epoch_order(10, "data", 3, 0).tolist() and sorted(order) == list(range(10))
    assert whole.drawn(1).dtype == np.int64 and whole.order(1) != order
    ranks = [StepLoader(10, 3, "data", 4, rank, 2) for rank in (0, 1)]
    for step in (0, 1):
        state = LoaderState(manifest_hash="data", seed=3, step=step)
        mine = [loader.units_at(state) for loader in ranks]
        together = ranks[1].units_at(state, all_ranks=True)
        assert (
            sorted(mine[0] + mine[1]) == sorted(together) == sorted(order[4 * step : 4 * step + 4])
        )
        assert len(mine[0]) == len(mine[1]) == 2
    assert (
        ranks[0].steps_in(0) == 2 and StepLoader(10, 3, "data", 4, drop_last=False).steps_in(0) == 3
    )
    with pytest.raises(ValueError, match="a step of 2 cannot feed 3 ranks"):
        StepLoader(10, 3, "data", 2, 0, 3)


def test_steps_go_on_over_the_ends_of_epochs() -> None:
    loader = StepLoader(10, 3, "data", 4)
    start = LoaderState(manifest_hash="data", seed=3)
    walked, state = list[tuple[int, int]](), start
    for _ in range(5):
        walked.append((state.epoch, state.step))
        state = loader.advance(state, 1)
    assert walked == [(0, 0), (0, 1), (1, 0), (1, 1), (2, 0)]
    far = loader.advance(start, 7)
    assert (far.epoch, far.step, far.seed, far.manifest_hash) == (3, 1, 3, "data")
    drawn = list(itertools.islice(loader, 5))
    again = StepLoader(10, 3, "data", 4)
    again.seek({"manifest_hash": "data", "seed": 3, "epoch": 1, "step": 0})
    assert list(itertools.islice(again, 3)) == drawn[2:]
    assert (again.state.epoch, again.state.step) == (2, 1)


def test_a_plan_is_made_once_while_it_is_worked_on_and_epochs_without_a_step_are_passed_over() -> (
    None
):
    made: list[int] = []

    def plan(epoch: int) -> list[str]:
        made.append(epoch)
        return [] if epoch % 3 == 1 else [f"{epoch}a", f"{epoch}b"]

    loader = StepLoader(9, 0, "data", 1, plan=plan, gaps=True)
    assert list(itertools.islice(loader, 6)) == [["0a"], ["0b"], ["2a"], ["2b"], ["3a"], ["3b"]]
    assert made[:4] == [0, 1, 2, 3] and len(made) == len(set(made))
    assert [loader.steps_in(epoch) for epoch in (0, 1, 2)] == [2, 0, 2]
    assert made[-3:] == [0, 1, 2], "only the last two are kept"
    loader.state = LoaderState(manifest_hash="data", seed=0, epoch=0, step=2)
    assert (loader.state.epoch, loader.state.step) == (2, 0)


class Silent(Numbers):
    """A store that says nothing of some clips, through all retries."""

    def _sample(self, index: int, epoch: int) -> dict[str, Any]:
        if index in self.bad:
            raise ConnectionError(f"no answer for {index}")
        return {"number": index}


def test_a_clip_that_a_store_refuses_is_listed_and_another_stands_in(
    caplog: pytest.LogCaptureFixture,
) -> None:
    clips = Silent("/shards", frozenset({3}))
    found: list[Any] = []
    clips.quarantine.add_found = found.append  # type: ignore[method-assign]
    got = numbers(clips, N)
    assert 3 not in got and len(got) == N
    assert {(one.clip_id, one.kind, one.error) for one in found} == {
        ("clip3", "store", "no answer for 3")
    }
    assert found[0].where == {"epoch": 0}
    assert "clip clip3 skipped: no answer for 3" in caplog.text


def test_of_a_store_many_are_asked_for_at_once_and_answered_in_order() -> None:
    asked = Barrier(3, timeout=60)

    def read(number: int) -> int:
        asked.wait()  # one after the other they would wait for ever
        return 10 * number

    assert Numbers("s3://shards").remote and not Numbers("/shards").remote
    assert Numbers("s3://shards").many(read, [3, 1, 2]) == [30, 10, 20]
    assert Numbers("/shards").many(lambda number: -number, [3, 1]) == [-3, -1]
