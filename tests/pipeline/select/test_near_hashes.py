"""Near hashes: every pair that comparing all pairs finds, each once, for any number of blocks."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.select import near_hashes
from pipeline.select.near_hashes import blocks_to_agree, near_pairs


def all_pairs(hashes: list[int], bits: int) -> list[list[int]]:
    n = len(hashes)
    return [
        [i, j]
        for i in range(n)
        for j in range(i + 1, n)
        if (hashes[i] ^ hashes[j]).bit_count() <= bits
    ]


@settings(max_examples=60, deadline=None)
@given(
    hashes=st.sets(st.integers(0, 2**12 - 1).map(lambda v: v * 0x1001001001 % 2**64), max_size=25),
    bits=st.integers(0, 63),
)
def test_blocks_find_what_comparing_all_pairs_finds(hashes: set[int], bits: int):
    values = sorted(hashes)
    assert near_pairs(np.array(values, np.uint64), bits).tolist() == all_pairs(values, bits)


@pytest.mark.parametrize("agree", [1, 2, 3, 4])
def test_any_number_of_blocks_finds_the_same(agree: int, monkeypatch: pytest.MonkeyPatch):
    rng = np.random.default_rng(0)
    base = rng.integers(0, 2**64, 40, dtype=np.uint64)
    flips = np.uint64(1) << rng.integers(0, 64, (40, 5), dtype=np.uint64)
    near = base ^ np.bitwise_xor.reduce(flips, axis=1)
    values = np.unique(np.concatenate([base, near]))
    monkeypatch.setattr(near_hashes, "blocks_to_agree", lambda n, bits: agree)
    expected = all_pairs([int(value) for value in values], 4)
    assert near_pairs(values, 4).tolist() == expected
    assert near_pairs(values, 5).tolist() == all_pairs([int(value) for value in values], 5)
    assert len(near_pairs(values, 5)) >= 40


@pytest.mark.parametrize(("bits", "agree"), [(2, 1), (1, 2), (1, 3), (4, 3)])
def test_hashes_that_differ_in_any_few_places_are_sorted_on_all_of_them(
    bits: int, agree: int, monkeypatch: pytest.MonkeyPatch
):
    """Equal keys that do not come to lie side by side are pairs that are missed, and near copies that are kept."""
    rng = np.random.default_rng(bits)
    monkeypatch.setattr(near_hashes, "blocks_to_agree", lambda n, bits: agree)
    for _ in range(25):
        places = rng.permutation(64)[:6].astype(np.uint64)
        numbers = rng.permutation(64).astype(np.uint64)
        values = np.zeros(64, np.uint64)
        for bit, place in enumerate(places):
            values |= ((numbers >> np.uint64(bit)) & np.uint64(1)) << place
        expected = all_pairs([int(value) for value in values], bits)
        found = near_pairs(values, bits)
        assert found.tolist() == expected and expected and found.dtype == np.int64


def test_more_hashes_agree_on_more_blocks_before_they_are_compared():
    assert blocks_to_agree(100, 4) == 1
    assert blocks_to_agree(1_000_000, 4) == 2
    assert blocks_to_agree(1_000_000, 63) == 1


def test_nothing_and_one_give_no_pairs():
    assert near_pairs(np.zeros(0, np.uint64), 4).shape == (0, 2)
    one = near_pairs(np.ones(1, np.uint64), 4)
    assert one.shape == (0, 2) and one.dtype == np.int64


@pytest.mark.parametrize("agree", [1, 2, 3])
def test_few_pairs_are_compared(agree: int, monkeypatch: pytest.MonkeyPatch):
    """The sorts are for nothing when keys do not tell hashes apart: a million clips would take hours."""
    n, bits = 3000, 4
    hashes = np.random.default_rng(1).integers(0, 2**64, n, dtype=np.uint64)
    compared: list[int] = []
    real = np.bitwise_count
    monkeypatch.setattr(np, "bitwise_count", lambda v: compared.append(len(v)) or real(v))
    monkeypatch.setattr(near_hashes, "blocks_to_agree", lambda n, bits: agree)
    assert len(near_pairs(hashes, bits)) == 0
    expected = math.comb(bits + agree, agree) * n * n / 2 * 2.0 ** -(64 * agree / (bits + agree))
    assert sum(compared) <= 2 * expected + 20
