"""Quotas: exact counts, ties told apart by clip_id, what is not eligible left alone."""

from __future__ import annotations

import numpy as np
import pytest

from pipeline.select.quotas import best_concept, best_share, descending, over_cap

EVERY = np.ones(6, bool)
RANK = np.arange(6)


def test_the_best_share_is_rounded_up_and_ties_go_to_the_first_id():
    values = np.array([1.0, 3.0, 3.0, 3.0, 0.0, 2.0])
    missed, cut = best_share(values, EVERY, RANK, 1 / 3)
    assert (missed.tolist(), cut) == ([True, False, False, True, True, True], 3.0)
    missed, _ = best_share(values, EVERY, RANK[::-1], 1 / 3)
    assert np.flatnonzero(~missed).tolist() == [2, 3]
    assert best_share(values, EVERY, RANK, 0.34)[0].sum() == 3
    assert not best_share(values, EVERY, RANK, 1.0)[0].any()


@pytest.mark.parametrize(("share", "n", "count"), [(0.07, 100, 7), (0.2, 5, 1), (0.01, 5, 1)])
def test_rounding_is_of_the_number_meant(share: float, n: int, count: int):
    missed, _ = best_share(np.arange(n) * 1.0, np.ones(n, bool), np.arange(n), share)
    assert (~missed).sum() == count


def test_others_miss_the_target_only_below_the_cut():
    values = np.array([5.0, 4.0, 3.0, 2.0, 3.0, np.nan])
    eligible = np.array([0, 1, 1, 1, 0, 0], bool)
    missed, cut = best_share(values, eligible, RANK, 0.5)
    assert cut == 3.0
    assert missed.tolist() == [False, False, False, True, False, False]
    assert best_share(values, ~EVERY, RANK, 0.5)[1] is None


def test_a_cap_holds_in_every_group_and_counts_the_eligible_only():
    group = np.array([0, 0, 0, 1, 1, 0])
    eligible = np.array([0, 1, 1, 1, 1, 1], bool)
    over = over_cap(group, eligible, RANK[::-1], 1)
    assert over.tolist() == [False, True, True, True, False, False]
    assert not over_cap(group, eligible, RANK, 3).any()
    assert not over_cap(group, ~EVERY, RANK, 1).any()


def test_larger_values_come_first_missing_ones_last():
    values = np.array([1.0, np.nan, 2.0, 1.0, -1.0, np.nan])
    assert descending(values, RANK[::-1]).tolist() == [2, 5, 0, 1, 3, 4]


def test_a_clip_belongs_to_its_strongest_concept():
    group, member = best_concept(np.array([[0.1, 0.6], [0.7, 0.6], [0.2, 0.3]]), 0.5)
    assert group.tolist() == [1, 0, 1]
    assert member.tolist() == [True, True, False]
