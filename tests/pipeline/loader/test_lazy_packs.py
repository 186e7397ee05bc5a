"""Packs that are made when they are asked for: those of the whole plan, in any order of asking."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.loader.lazy_packs import KEPT, LazyPacks
from pipeline.loader.packs import Balance, plan_packs


@settings(max_examples=60, deadline=None)
@given(
    lengths=st.lists(st.integers(1, 50), min_size=1, max_size=150),
    window=st.integers(1, 20),
    step=st.sampled_from([0, 1, 2, 4]),
    seed=st.integers(0, 5),
)
def test_each_pack_is_that_of_the_whole_plan(lengths, window, step, seed):
    balance = Balance(linear_tokens=7, packs_per_step=step) if step else None
    order = np.random.default_rng(seed).permutation(len(lengths))
    whole = plan_packs(lengths, order.tolist(), 50, window, balance)
    packs = LazyPacks(np.array(lengths), order, 50, window, balance)
    assert len(packs) == len(whole)
    asked = np.random.default_rng(seed).permutation(len(whole))
    assert [packs[i] for i in asked] == [whole[i] for i in asked]
    assert list(packs) == whole and packs[-1] == whole[-1] and packs[1:3] == whole[1:3]
    assert len(packs._made) <= KEPT


def test_what_is_outside_or_too_long_is_refused():
    packs = LazyPacks(np.array([3, 4]), np.arange(2), 8)
    with pytest.raises(IndexError, match="pack 1 of 1"):
        packs[1]
    with pytest.raises(ValueError, match="clip 1 has 99 tokens, the pack budget is 64"):
        LazyPacks(np.array([10, 99]), np.arange(2), 64)
    assert len(LazyPacks(np.array([3]), np.arange(0), 8)) == 0
