"""Pure order and slices."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from pipeline.loader.order import (
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
    assert step_positions(2, 20, 8, 0, 1) == [16, 17, 18, 19, 0, 1, 2, 3]


def test_impossible_worlds_are_refused():
    with pytest.raises(ValueError, match="cannot feed 5 ranks"):
        step_positions(0, 10, 4, 0, 5)
    with pytest.raises(ValueError, match="rank 2 is outside"):
        step_positions(0, 10, 4, 2, 2)
    with pytest.raises(ValueError, match="needs data"):
        n_steps(0, 4)


def test_groups_share_a_key_and_rare_keys_fill_one():
    keys = ["a"] * 10 + ["b"] * 3 + ["c"]
    order = epoch_order(14, "x", 0, 0).tolist()
    groups = plan_groups(keys, order, 4)
    assert all(len(group) == 4 and len({keys[i] for i in group}) == 1 for group in groups)
    counts = Counter(keys[group[0]] for group in groups)
    assert counts == {"a": 2, "b": 1, "c": 1}
    used = [i for group in groups if keys[group[0]] == "a" for i in group]
    assert len(set(used)) == 8
