"""Which clips are pieces of one shot, and how many pairs are compared at once; what is found is in test_duplicates."""

from __future__ import annotations

from base64 import b64encode

import numpy as np
import pyarrow as pa
import pytest

from pipeline.select import alikes
from pipeline.select.alikes import Alikes, shot_ids

LOOK = "1" + b64encode(bytes(72)).decode()


def test_pieces_of_one_shot_share_a_number_and_nothing_else_does() -> None:
    """Two that share one are never duplicates: a number too many alike, and a copy stays in."""
    sources = pa.array(["a", "b", None, "a", "a", "b", "a"])
    shots = np.array([0, 0, 0, -1, 1, 0, 0])
    found = shot_ids(sources, shots, np.arange(7))
    assert found.dtype == np.int64
    assert found[1] == found[5] and found[0] == found[6] and len(set(found.tolist())) == 5
    for shot in (0, 1):
        beside = shot_ids(pa.array([None, None, "a"]), np.array([0, 0, shot]), np.arange(3))
        assert len(set(beside.tolist())) == 3, "a clip of no known shot shares none"
    some = shot_ids(sources, shots, np.array([5, 1, 0]))
    assert some[0] == some[1] != some[2]
    for none in (shot_ids(None, shots, np.arange(3)), shot_ids(sources, None, np.arange(3))):
        assert len(set(none.tolist())) == 3


@pytest.mark.parametrize(("most", "at_once"), [(199, 0), (200, 190)])
def test_pairs_are_compared_at_once_only_where_they_are_few(
    most: int, at_once: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ten thousand clips of a fixed camera are fifty million pairs: listed, they take the memory of the machine."""
    compared: list[int] = []
    real = alikes.same_look

    def same_look(first: np.ndarray, second: np.ndarray) -> np.ndarray:
        compared.append(len(first))
        return real(first, second)

    monkeypatch.setattr(alikes, "same_look", same_look)
    monkeypatch.setattr(alikes, "MOST_PAIRS", most)
    # ten clips of one hash, ten of one near it, and two of a third that is near to none
    hashes = np.array([0] * 10 + [1] * 10 + [0xFFFF << 40] * 2, np.uint64)
    found = Alikes(
        hashes[:20], np.ones(20, bool), lambda rows: [LOOK] * len(rows), lambda rows: rows, 3
    )
    assert sum(compared) == at_once
    rank = np.arange(22)[::-1]
    for row in (3, 12):
        found.keep(row)
    assert found.best_kept(15, rank) == 12 and found.best_kept(0, rank) == 12
    alone = Alikes(hashes, np.ones(22, bool), lambda rows: [LOOK] * len(rows), lambda rows: rows, 3)
    assert alone.best_kept(20, rank) is None
    alone.keep(21)
    assert alone.best_kept(20, rank) == 21 and alone.best_kept(0, rank) is None
