"""Reasons as columns of bits come out as a list per clip, and ids sort as text does."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from pipeline.select.reasons import Reasons, id_order


def test_reasons_come_out_per_clip_in_the_order_they_were_added():
    reasons = Reasons(3)
    reasons.add("failed:x", np.array([2]))
    reasons.add("dark", np.array([True, False, True]), step=True)
    reasons.add("still", np.array([True, False, False]), step=True)
    assert reasons.rejected().tolist() == [True, False, True]
    assert reasons.column(np.array([2, 0, 1])).to_pylist() == [
        ["failed:x", "dark"],
        ["dark", "still"],
        [],
    ]
    names, hits = reasons.steps()
    assert names == ["dark", "still"]
    assert hits.tolist() == [[True, True], [False, False], [True, False]]


def test_no_reason_at_all_is_an_empty_list():
    assert Reasons(2).column(np.arange(2)).to_pylist() == [[], []]
    assert Reasons(0).column(np.arange(0)).to_pylist() == []
    names, hits = Reasons(3).steps()
    assert names == [] and hits.shape == (3, 0) and hits.dtype == bool


@pytest.mark.parametrize(
    "ids",
    [
        ["c10", "c2", "c1", "c"],
        ["0011223344556677aabb", "0011223344556677aaba", "ff11223344556677aaba"],
        ["b1", "a2", "a1"],
        [],
    ],
)
def test_ids_sort_as_text(ids: list[str]):
    sliced = pa.array(["other", *ids])[1:]
    order, rank = id_order(sliced)
    assert [ids[row] for row in order] == sorted(ids)
    assert [sorted(ids)[place] for place in rank] == ids


def test_many_hex_ids_sort_as_text():
    rng = np.random.default_rng(0)
    ids = [f"{int(a):08x}{int(b):012x}" for a, b in rng.integers(0, [9, 2**48], (500, 2))]
    order, _ = id_order(pa.array(ids))
    assert [ids[row] for row in order] == sorted(ids)
