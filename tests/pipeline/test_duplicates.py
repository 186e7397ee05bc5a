"""Duplicate detection: who is kept, who points at whom, and what never matches."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.duplicates import COSINE, EXACT, PHASH, Candidate, find_duplicates


def clip(
    name: str, quality: float = 1.0, video: str | None = None, phash: int | None = None
) -> Candidate:
    return Candidate(clip_id=name, quality=quality, video_hash=video, phash=phash)


def test_the_largest_of_equal_videos_is_kept():
    clips = [clip("a", 1, "x"), clip("b", 3, "x"), clip("c", 2, "x"), clip("d", 9, "y")]
    matches = find_duplicates(clips)
    assert {name: match.keeper for name, match in matches.items()} == {"a": "b", "c": "b"}
    assert matches["a"].reasons == (EXACT,)


def test_equal_quality_keeps_the_smaller_id_in_any_input_order():
    clips = [clip("b", 1, "x"), clip("a", 1, "x")]
    assert find_duplicates(clips)["b"].keeper == "a"
    assert find_duplicates(clips[::-1])["b"].keeper == "a"


def test_missing_hashes_never_match():
    clips = [clip("a"), clip("b"), clip("c", phash=None), clip("d", phash=0)]
    assert find_duplicates(clips, phash_bits=63) == {}


def test_a_chain_does_not_reach_a_clip_that_differs():
    chain = [clip("a", 3, phash=0), clip("b", 2, phash=0b111), clip("c", 1, phash=0b111111)]
    matches = find_duplicates(chain, phash_bits=3)
    assert set(matches) == {"b"}, "c is 6 bits from a, the only kept one it could duplicate"


def test_every_kind_of_match_is_named():
    clips = [clip("a", 2, "x", 5), clip("b", 1, "x", 5)]
    vectors = np.array([[1.0, 0.0], [1.0, 0.0]], np.float32)
    matches = find_duplicates(clips, phash_bits=0, cosine=0.9, embeddings=vectors)
    assert matches["b"].reasons == (EXACT, PHASH, COSINE)


def test_cosine_keeps_the_best_of_near_vectors_and_skips_missing_ones():
    clips = [clip(name, quality) for name, quality in zip("abcd", (1, 2, 3, 4), strict=True)]
    near = np.array([np.cos(0.1), np.sin(0.1)])
    vectors = np.array([[1, 0], near, [0, 1], [np.nan, np.nan]], np.float32)
    matches = find_duplicates(clips, cosine=0.99, embeddings=vectors)
    assert {name: match.keeper for name, match in matches.items()} == {"a": "b"}


def test_cosine_works_beyond_one_block():
    rng = np.random.default_rng(0)
    vectors = rng.normal(size=(1100, 64)).astype(np.float32)
    vectors[1099] = vectors[1050]
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    clips = [clip(f"{i:04d}") for i in range(1100)]
    matches = find_duplicates(clips, cosine=0.999, embeddings=vectors)
    assert {name: match.keeper for name, match in matches.items()} == {"1099": "1050"}


@settings(max_examples=60, deadline=None)
@given(
    hashes=st.lists(st.integers(0, 2**12 - 1).map(lambda v: v * 0x1001001001 % 2**64), max_size=25),
    bits=st.integers(0, 10),
)
def test_hash_bands_find_what_comparing_all_pairs_finds(hashes: list[int], bits: int):
    clips = [clip(f"{i:03d}", phash=value) for i, value in enumerate(hashes)]
    kept: list[Candidate] = []
    expected = {}
    for item in clips:
        near = [k for k in kept if (k.phash ^ item.phash).bit_count() <= bits]
        if near:
            expected[item.clip_id] = near[0].clip_id
        else:
            kept.append(item)
    found = find_duplicates(clips, exact=False, phash_bits=bits)
    assert {name: match.keeper for name, match in found.items()} == expected


def test_settings_out_of_range_say_what_to_use():
    with pytest.raises(ValueError, match="dedup_phash_bits 64"):
        find_duplicates([], phash_bits=64)
    with pytest.raises(ValueError, match="needs embeddings"):
        find_duplicates([clip("a")], cosine=0.9)
