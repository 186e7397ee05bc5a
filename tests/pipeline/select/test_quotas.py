"""Quotas: exact counts, ties told apart by clip_id, what is not eligible left alone."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

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


def test_ties_at_the_cut_fill_only_the_room_that_better_clips_leave():
    """Counted wrongly, a keep rate of a half keeps three quarters wherever scores repeat."""
    values = np.array([9.0, 8.0, 5.0, 5.0, 5.0, 5.0])
    missed, cut = best_share(values, EVERY, RANK, 0.5)
    assert (missed.tolist(), cut) == ([False, False, False, True, True, True], 5.0)


@given(st.lists(st.tuples(st.integers(0, 4), st.booleans()), min_size=1, max_size=30), st.data())
def test_the_best_share_is_that_of_sorting(rows: list[tuple[int, bool]], data: st.DataObject):
    """Against the plain way: sort the eligible by value and id, keep the first so many."""
    values = np.array([float(value) for value, _ in rows])
    eligible = np.array([one for _, one in rows])
    rank = np.array(data.draw(st.permutations(range(len(rows)))))
    share = data.draw(st.sampled_from([0.1, 0.25, 1 / 3, 0.5, 0.9, 1.0]))
    missed, cut = best_share(values, eligible, rank, share)
    order = sorted(np.flatnonzero(eligible), key=lambda i: (-values[i], rank[i]))
    kept = order[: math.ceil(share * len(order) - 1e-9)]
    assert set(np.flatnonzero(eligible & ~missed)) == set(kept)
    assert missed.dtype == bool and (cut is None) == (not order)
    if order:
        assert cut == values[kept[-1]]
        assert (missed[~eligible] == (values[~eligible] < cut)).all()


@given(st.lists(st.tuples(st.integers(0, 3), st.booleans()), min_size=1, max_size=25), st.data())
def test_a_cap_is_that_of_counting(rows: list[tuple[int, bool]], data: st.DataObject):
    group = np.array([number for number, _ in rows])
    eligible = np.array([one for _, one in rows])
    preferred = np.array(data.draw(st.permutations(range(len(rows)))))
    cap = data.draw(st.integers(1, 4))
    over = over_cap(group, eligible, preferred, cap)
    expected = np.zeros(len(rows), bool)
    for number in set(group):
        members = [i for i in np.argsort(preferred) if eligible[i] and group[i] == number]
        expected[members[cap:]] = True
    assert over.tolist() == expected.tolist() and over.dtype == bool


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
    nobody, cut = best_share(values, ~EVERY, RANK, 0.5)
    assert cut is None and nobody.dtype == bool and not nobody.any()


def test_a_cap_holds_in_every_group_and_counts_the_eligible_only():
    group = np.array([0, 0, 0, 1, 1, 0])
    eligible = np.array([0, 1, 1, 1, 1, 1], bool)
    over = over_cap(group, eligible, RANK[::-1], 1)
    assert over.tolist() == [False, True, True, True, False, False]
    assert not over_cap(group, eligible, RANK, 3).any()
    assert not over_cap(group, ~EVERY, RANK, 1).any()


def test_larger_values_come_first_missing_ones_last():
    values = np.array([1.0, np.nan, 2.0, 1.0, -1.0, np.nan])
    place = descending(values, RANK[::-1])
    assert place.tolist() == [2, 5, 0, 1, 3, 4] and place.dtype == np.int64


def test_a_clip_belongs_to_its_strongest_concept():
    group, member = best_concept(np.array([[0.1, 0.6], [0.7, 0.6], [0.2, 0.3]]), 0.5)
    assert group.tolist() == [1, 0, 1]
    assert member.tolist() == [True, True, False]
    assert best_concept(np.array([[0.5, 0.1]]), 0.5)[1].tolist() == [True], "least is enough"
