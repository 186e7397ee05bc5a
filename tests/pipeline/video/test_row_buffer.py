"""Rows added a few at a time are those of one array."""

import numpy as np
import pytest

from pipeline.video.row_buffer import Rows


@pytest.mark.parametrize("shape", [(), (3,), (2, 2)])
def test_rows_come_back_joined(shape):
    rng = np.random.default_rng(0)
    parts = [rng.normal(size=(n, *shape)).astype(np.float32) for n in (3, 0, 1, 200)]
    rows = Rows()
    for part in parts:
        rows.add(part)
    assert np.array_equal(rows.array(), np.concatenate(parts))
    assert rows.array().dtype == np.float32


def test_views_are_copied_in_their_own_order():
    table = np.arange(12, dtype=np.int64).reshape(3, 4)
    rows = Rows()
    rows.add(table[:, ::2])
    rows.add(table[::-1, :2])
    assert rows.array().tolist() == [[0, 2], [4, 6], [8, 10], [8, 9], [4, 5], [0, 1]]


def test_nothing_added_is_an_empty_array():
    assert Rows().array().shape == (0,)
