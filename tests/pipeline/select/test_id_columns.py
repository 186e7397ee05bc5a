"""Texts of one width as rows of bytes: the same answers as from Arrow, text by text."""

import numpy as np
import pyarrow as pa
import pytest

from pipeline.select.id_columns import fingerprints, letters, order, take

COLUMNS = {
    "one width": ["0011223344", "ff11223344", "0011223343", "aa11223344"],
    "several widths": ["c10", "c2", "", "c"],
    "with NULL": ["0011", None, "aa11", "0000"],
    "not ASCII": ["é1", "a12", "b12", "ü1"],
}


@pytest.mark.parametrize("name", COLUMNS)
def test_taken_and_ordered_as_arrow_does(name: str):
    texts = COLUMNS[name]
    column = pa.array(["skipped", *texts])[1:]
    rows = np.array([3, 0, 0, 2, 1])
    assert take(column, rows).to_pylist() == [texts[row] for row in rows]
    assert take(column, rows[:0]).to_pylist() == []
    given = [text for text in texts if text is not None]
    found = [texts[row] for row in order(column)]
    assert found == sorted(given, key=str.encode) + [None] * (len(texts) - len(given))


def test_order_goes_by_every_byte():
    rng = np.random.default_rng(0)
    texts = [f"{int(a):08x}{int(b):012x}" for a, b in rng.integers(0, [9, 2**48], (500, 2))]
    assert [texts[row] for row in order(pa.array(texts))] == sorted(texts)


def test_prints_are_equal_for_equal_texts():
    column = pa.array(
        ["skipped!skipped!", "abcdefgh12345678", "abcdefgh12345679", "abcdefgh12345678"]
    )
    prints = fingerprints(column[1:])
    assert prints is not None
    assert prints[0] == prints[2] != prints[1]
    assert fingerprints(pa.array(["a", "bb"])) is None
    assert fingerprints(pa.array(["abcdefgh", None])) is None
    assert fingerprints(pa.array(["abc", "abd"])) is None


def test_nothing_has_no_letters():
    assert letters(pa.array([], pa.string())) is None
    assert letters(pa.array(["", ""])) is None
