"""Pure order and slices."""

from __future__ import annotations

import json
from collections import Counter

import numpy as np
import pytest

from pipeline.loader.order import (
    LoaderState,
    epoch_order,
    n_steps,
    plan_groups,
    step_positions,
)


def test_order_is_a_permutation_fixed_for_all_time():
    order = epoch_order(1000, "abc", 7, 3)
    assert sorted(order.tolist()) == list(range(1000))
    assert (order == epoch_order(1000, "abc", 7, 3)).all()
    # Pinned: a change here would silently reorder every run that resumes.
    assert epoch_order(8, "abc", 7, 3).tolist() == [6, 7, 1, 5, 0, 3, 2, 4]


def test_seed_epoch_and_data_each_change_the_order():
    orders = [
        epoch_order(100, *key) for key in (("a", 0, 0), ("b", 0, 0), ("a", 1, 0), ("a", 0, 1))
    ]
    assert len({tuple(order.tolist()) for order in orders}) == 4


def test_positions_are_uniform():
    n, epochs = 20, 4000
    counts = np.zeros((n, n))
    for epoch in range(epochs):
        counts[epoch_order(n, "x", 0, epoch), np.arange(n)] += 1
    expected = epochs / n
    chi2 = ((counts - expected) ** 2 / expected).sum()
    freedom = (n - 1) ** 2
    assert abs(chi2 - freedom) < 5 * np.sqrt(2 * freedom)


def test_neighbours_are_not_kept_together():
    order = epoch_order(5000, "x", 0, 0)
    assert np.mean(np.abs(np.diff(order))) == pytest.approx(5000 / 3, rel=0.05)


@pytest.mark.parametrize("per_step", [4, 5, 12])
@pytest.mark.parametrize("world", [1, 2, 3, 4])
def test_all_worlds_see_the_same_global_steps(per_step, world):
    n = 53
    for step in range(n_steps(n, per_step)):
        slices = [step_positions(step, n, per_step, rank, world) for rank in range(world)]
        merged = [slices[i % world][i // world] for i in range(per_step)]
        assert merged == list(range(step * per_step, (step + 1) * per_step))


def test_short_epochs_wrap_and_long_ones_may_drop_or_fill():
    assert n_steps(3, 8) == 1
    assert step_positions(0, 3, 8, 0, 1) == [0, 1, 2, 0, 1, 2, 0, 1]
    assert n_steps(20, 8) == 2 and n_steps(20, 8, drop_last=False) == 3
    assert n_steps(16, 8, drop_last=False) == 2, "no step more where it divides"
    assert step_positions(2, 20, 8, 0, 1) == [16, 17, 18, 19, 0, 1, 2, 3]


def test_one_unit_and_one_a_step_are_an_epoch():
    assert n_steps(1, 1) == 1 and n_steps(1, 4, drop_last=False) == 1 and n_steps(5, 1) == 5


def test_a_state_survives_json():
    """A cursor that comes back changed resumes at other data."""
    state = LoaderState(manifest_hash="abc", seed=7, epoch=2, step=5)
    plain = json.loads(json.dumps(state.to_dict()))
    assert plain == {"manifest_hash": "abc", "seed": 7, "epoch": 2, "step": 5}
    assert LoaderState.from_dict(plain) == state
    assert LoaderState(manifest_hash="abc", seed=7).to_dict()["step"] == 0


def test_impossible_worlds_are_refused():
    with pytest.raises(ValueError, match="cannot feed 5 ranks"):
        step_positions(0, 10, 4, 0, 5)
    with pytest.raises(ValueError, match="rank 2 is outside"):
        step_positions(0, 10, 4, 2, 2)
    with pytest.raises(ValueError, match="needs data"):
        n_steps(0, 4)


def groups_of(keys, size, epoch, seed=0):
    return plan_groups(keys, size, manifest_hash="x", seed=seed, epoch=epoch)


def test_groups_share_a_key_and_come_in_a_drawn_order():
    keys = ["a"] * 10 + ["b"] * 3 + ["c"]
    groups = [group for epoch in range(4) for group in groups_of(keys, 4, epoch)]
    assert all(len(group) == 4 and len({keys[i] for i in group}) == 1 for group in groups)
    # 4 epochs of 10, 3 and 1 members in groups of 4
    assert Counter(keys[group[0]] for group in groups) == {"a": 10, "b": 3, "c": 1}
    many = groups_of(["a", "b"] * 40, 4, 0)
    kinds = [group[0] % 2 for group in many]
    assert kinds != sorted(kinds) and groups_of(["a", "b"] * 40, 4, 0, seed=1) != many
    assert many == groups_of(["a", "b"] * 40, 4, 0)


def test_groups_and_their_order_follow_seed_epoch_and_data():
    """Drawn without one of them, every epoch shows the same clips together, or every seed trains the same run."""
    keys = ["a"] * 24 + ["b"] * 24
    plans = {
        name: plan_groups(keys, 4, **{"manifest_hash": "x", "seed": 0, "epoch": 0, **changed})
        for name, changed in {
            "first": {}, "data": {"manifest_hash": "y"}, "seed": {"seed": 1}, "epoch": {"epoch": 1},
        }.items()
    }  # fmt: skip
    members = {name: {frozenset(group) for group in plan} for name, plan in plans.items()}
    kinds = {name: [keys[group[0]] for group in plan] for name, plan in plans.items()}
    for name in ("data", "seed", "epoch"):
        assert members[name] != members["first"], f"the same clips together for another {name}"
        assert kinds[name] != kinds["first"], f"the same order of groups for another {name}"
    first, second = (
        [[i % 24 for i in group] for group in plans["first"] if keys[group[0]] == key]
        for key in "ab"
    )
    assert sorted(first) != sorted(second), "each shape is shuffled by itself"
    # Pinned: a change here would silently change what every run that resumes sees next.
    assert groups_of(["a"] * 5 + ["b"] * 3, 2, 0) == [[0, 3], [2, 1], [7, 6]]


@pytest.mark.parametrize("size", [1, 3, 8, 64])
def test_no_index_comes_more_often_than_once_an_epoch(size):
    """25 clips of nine shapes, as small real footage has them: rare shapes wait, they are not shown over and over."""
    counts = {"wide": 9, "tall": 5, "square": 4, "short": 2, **{f"odd{i}": 1 for i in range(5)}}
    keys = [name for name, count in counts.items() for _ in range(count)]
    drawn: Counter[int] = Counter()
    for epochs in range(1, 70):
        for group in groups_of(keys, size, epochs - 1):
            drawn.update(group)
        for index, key in enumerate(keys):
            assert drawn[index] <= epochs
            assert drawn[index] >= epochs - -(-size // counts[key])
    if size <= 8:  # within an epoch the members of a large shape are all different
        shown = [i for group in groups_of(keys, size, 0) for i in group if keys[i] == "wide"]
        assert len(set(shown)) == len(shown) == 9 // size * size
