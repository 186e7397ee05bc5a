"""Duplicate detection: who is kept, who points at whom, and what never matches."""

from __future__ import annotations

import dataclasses
from base64 import b64encode
from dataclasses import replace
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.select import duplicates
from pipeline.select.duplicates import (
    KINDS,
    Candidates,
    Duplicates,
    find_duplicates,
    in_order,
)

PLAIN_LOOK = "1" + b64encode(bytes(72)).decode()
"""A look that agrees with itself."""


def clips(
    n: int,
    *,
    order: list[int] | None = None,
    videos: list[str | None] | None = None,
    hashes: list[int | None] | None = None,
    embeddings: np.ndarray | None = None,
    earlier: int = 0,
) -> Candidates:
    phash = hashes or [None] * n
    place = np.empty(n)
    place[order if order is not None else list(range(n))] = np.arange(n)
    return Candidates(
        worth=(place,),
        video_hash=pa.array(videos or [None] * n, pa.string()),
        phash=np.array([value or 0 for value in phash], np.uint64),
        has_phash=np.array([value is not None for value in phash], bool),
        looks=pa.array([None if value is None else PLAIN_LOOK for value in phash], pa.string()),
        embeddings=embeddings,
        earlier=earlier,
    )


def rejected(found: Duplicates) -> dict[int, int]:
    return {row: int(k) for row, k in enumerate(found.keeper) if k != row}


def test_the_first_of_equal_videos_is_kept():
    found = find_duplicates(clips(4, order=[3, 1, 2, 0], videos=["x", "x", "x", "y"]))
    assert rejected(found) == {0: 1, 2: 1}
    assert found.kinds.tolist() == [[True, False, False], [False] * 3, [True, False, False], [False] * 3]  # fmt: skip


def test_missing_hashes_never_match():
    found = find_duplicates(clips(4, hashes=[None, None, None, 0]), phash_bits=63)
    assert rejected(found) == {}


def test_a_chain_does_not_reach_a_clip_that_differs():
    found = find_duplicates(clips(3, hashes=[0, 0b111, 0b111111]), phash_bits=3)
    assert rejected(found) == {1: 0}, "the last is 6 bits from the only kept one"


def test_every_kind_of_match_is_named_and_the_strongest_names_the_keeper():
    vectors = np.array([[1, 0], [1, 0], [0, 1], [0, 1]], np.float32)
    same = clips(4, videos=["x", "x", "y", "x"], hashes=[5, 5, 9, 9], embeddings=vectors)
    found = find_duplicates(same, phash_bits=0, cosine=0.9)
    assert found.kinds[1].tolist() == [True, True, True] and len(KINDS) == 3
    assert rejected(found) == {1: 0, 3: 0}, "3 has the bytes of 0, the look of 2"
    assert found.kinds[3].all()


def test_later_keys_decide_ties_and_what_is_not_known_loses():
    keys = (np.array([np.nan, 1.0, 1.0, 1.0]), np.array([0.0, np.nan, 3.0, 2.0]))
    same = dataclasses.replace(clips(4, videos=["x"] * 4), worth=keys)
    assert in_order(same, np.arange(4)).tolist() == [3, 2, 1, 0]
    assert rejected(find_duplicates(same)) == {0: 3, 1: 3, 2: 3}


def test_kinds_that_are_off_find_nothing():
    vectors = np.ones((2, 1), np.float32)
    same = clips(2, videos=["x", "x"], hashes=[5, 5], embeddings=vectors)
    assert rejected(find_duplicates(same, exact=False)) == {}


def test_cosine_keeps_the_best_of_near_vectors_and_skips_missing_ones():
    near = [np.cos(0.1), np.sin(0.1)]
    vectors = np.array([[1, 0], near, [0, 1], [np.nan, np.nan]], np.float16)
    found = find_duplicates(clips(4, order=[3, 2, 1, 0], embeddings=vectors), cosine=0.99)
    assert rejected(found) == {0: 1}


def test_earlier_clips_are_kept_even_when_they_match_each_other():
    found = find_duplicates(
        clips(4, order=[0, 1, 2, 3], videos=["x", "y", "x", "x"], earlier=2), phash_bits=4
    )
    assert rejected(found) == {0: 2}
    vectors = np.array([[1, 0], [0, 1], [1, 0], [1, 0]], np.float32)
    near = clips(4, order=[0, 1, 2, 3], embeddings=vectors, earlier=2)
    assert rejected(find_duplicates(near, cosine=0.9)) == {0: 2}


@settings(max_examples=80, deadline=None)
@given(data=st.data(), n=st.integers(0, 24), bits=st.integers(0, 6))
def test_all_kinds_together_find_what_comparing_all_pairs_finds(
    data: st.DataObject, n: int, bits: int
):
    """Against the definition itself: go through the clips best first, compare with every kept one."""
    order = list(data.draw(st.permutations(range(n))))
    hashes = data.draw(st.lists(st.integers(0, 2**10 - 1) | st.none(), min_size=n, max_size=n))
    videos = data.draw(st.lists(st.sampled_from("abcdefgh") | st.none(), min_size=n, max_size=n))
    angles = data.draw(st.lists(st.integers(0, 60), min_size=n, max_size=n))
    earlier = data.draw(st.integers(0, n))
    vectors = np.array([[np.cos(a / 10), np.sin(a / 10)] for a in angles], np.float32)
    vectors = vectors.reshape(n, 2)
    keeper = list(range(n))
    kept: list[int] = []
    order = [r for r in order if r >= n - earlier] + [r for r in order if r < n - earlier]
    for row in order:
        tests = (
            lambda k, row=row: videos[k] is not None and videos[k] == videos[row],
            lambda k, row=row: (
                hashes[k] is not None
                and hashes[row] is not None
                and (hashes[k] ^ hashes[row]).bit_count() <= bits
            ),
            lambda k, row=row: bool(vectors[k] @ vectors[row] >= 0.985),
        )
        hits = [next((k for k in kept if test(k)), None) for test in tests]
        if row < n - earlier and any(hit is not None for hit in hits):
            keeper[row] = next(hit for hit in hits if hit is not None)
        else:
            kept.append(row)
    given_clips = clips(
        n,
        order=order,
        videos=videos,
        hashes=hashes,
        embeddings=vectors,
        earlier=earlier,
    )
    for rows, others in ((1024, 8192), (3, 2)):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(duplicates, "COSINE_ROWS", rows)
            patch.setattr(duplicates, "COSINE_KEPT", others)
            found = find_duplicates(given_clips, phash_bits=bits, cosine=0.985)
        assert found.keeper.tolist() == keeper


def test_cosine_works_beyond_one_block_and_never_holds_all_pairs(monkeypatch: pytest.MonkeyPatch):
    rng = np.random.default_rng(0)
    vectors = rng.normal(size=(700, 64)).astype(np.float32)
    vectors[699] = vectors[450]
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    monkeypatch.setattr(duplicates, "COSINE_ROWS", 32)
    monkeypatch.setattr(duplicates, "COSINE_KEPT", 128)
    sizes = []
    first_like = duplicates._first_like

    def spy(block: np.ndarray, *rest: Any) -> np.ndarray:
        sizes.append(len(block))
        return first_like(block, *rest)

    monkeypatch.setattr(duplicates, "_first_like", spy)
    assert rejected(find_duplicates(clips(700, embeddings=vectors), cosine=0.999)) == {699: 450}
    assert max(sizes) == 32


def test_equal_texts_of_one_length_are_duplicates():
    column = pa.array(["skipped!skipped!", "abcdefgh12345678", "abcdefgh12345679", "abcdefgh12345678"])  # fmt: skip
    found = find_duplicates(clips(3, videos=column[1:].to_pylist()))
    assert rejected(found) == {2: 0}


def test_texts_whose_prints_collide_are_still_told_apart(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(duplicates, "fingerprints", lambda column: np.zeros(len(column), np.uint64))
    found = find_duplicates(clips(4, videos=["a" * 8, "b" * 8, "c" * 8, "b" * 8]))
    assert rejected(found) == {3: 1}


def test_settings_out_of_range_say_what_to_use():
    with pytest.raises(ValueError, match="dedup_phash_bits 64"):
        find_duplicates(clips(0), phash_bits=64)
    with pytest.raises(ValueError, match="needs embeddings"):
        find_duplicates(clips(1), cosine=0.9)
    with pytest.raises(ValueError, match=r"dedup_cosine 1.5"):
        find_duplicates(clips(0), cosine=1.5)


@pytest.mark.parametrize("rows", [1, 2])
def test_a_pair_at_the_very_limit_is_a_pair(monkeypatch: pytest.MonkeyPatch, rows: int):
    """Vectors with this very cosine count, in one block or in two; 1 is for those that are equal, and is no mistake."""
    monkeypatch.setattr(duplicates, "COSINE_ROWS", rows)
    vectors = np.array([[1, 0], [0.5, np.sqrt(0.75)], [1, 0]], np.float32)
    near = clips(3, embeddings=vectors)
    assert rejected(find_duplicates(near, cosine=0.5)) == {1: 0, 2: 0}
    assert rejected(find_duplicates(near, cosine=0.5001)) == {2: 0}
    assert rejected(find_duplicates(near, cosine=1.0)) == {2: 0}


def in_shots(count: int, shots: list[int], **given: Any) -> Candidates:
    """Clips of one source, each of a shot of this number."""
    sources = pa.array(["film"] * count)
    return replace(clips(count, **given), sources=sources, shots=np.array(shots))


@pytest.mark.parametrize("rows", [1, 1024])
def test_pieces_of_one_shot_are_no_duplicates_of_each_other(
    monkeypatch: pytest.MonkeyPatch, rows: int
):
    """Nor where they fall into two blocks: of a long shot that is split, one piece alone would be left."""
    monkeypatch.setattr(duplicates, "COSINE_ROWS", rows)
    vectors = np.tile([1.0, 0.0], (4, 1))
    for what in ({"hashes": [7, 7, 7, 7]}, {"embeddings": vectors}):
        bits, cosine = (4, None) if "hashes" in what else (None, 0.9)
        found = find_duplicates(in_shots(4, [0, 0, 1, 0], **what), phash_bits=bits, cosine=cosine)
        assert rejected(found) == {2: 0}, "another shot of that source is a copy"
    same = in_shots(2, [0, 0], videos=["x", "x"], hashes=[7, 7])
    assert rejected(find_duplicates(same, phash_bits=4)) == {1: 0}, "bytes are bytes"
    unknown = in_shots(2, [-1, -1], hashes=[7, 7])
    assert rejected(find_duplicates(unknown, phash_bits=4)) == {1: 0}


def test_a_hash_alone_makes_no_duplicate():
    other = np.zeros(9, "<u8")
    other[6:] = 0xFFFF  # much moves here
    three = clips(3, hashes=[7, 7, 7])
    looks = [PLAIN_LOOK, "1" + b64encode(other.tobytes()).decode(), PLAIN_LOOK]
    found = find_duplicates(replace(three, looks=pa.array(looks)), phash_bits=4)
    assert rejected(found) == {2: 0}
    older = [PLAIN_LOOK, "0" + PLAIN_LOOK[1:], PLAIN_LOOK]
    found = find_duplicates(replace(three, looks=pa.array(older)), phash_bits=4)
    assert rejected(found) == {2: 0}, "looks of two versions are not compared"


def test_many_clips_of_one_hash_are_decided_alike(monkeypatch: pytest.MonkeyPatch):
    rng = np.random.default_rng(5)
    n = 300
    words = np.zeros((n, 9), "<u8")
    words[:, 6:] = rng.choice(np.array([0, 0xFF, 0xFF00FF, 0xFF << 40], "<u8"), (n, 3))
    many = replace(
        clips(n, order=rng.permutation(n).tolist(), hashes=rng.choice([7, 6, 1 << 40], n).tolist()),
        looks=pa.array(["1" + b64encode(row.tobytes()).decode() for row in words]),
        sources=pa.array(rng.choice(["a", "b"], n).tolist()),
        shots=rng.integers(0, 3, n),
    )
    listed = find_duplicates(many, phash_bits=4)
    monkeypatch.setattr("pipeline.select.alikes.MOST_PAIRS", 0)
    assert rejected(find_duplicates(many, phash_bits=4)) == rejected(listed)
    assert 20 < len(rejected(listed)) < n - 20
