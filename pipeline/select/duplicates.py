"""Duplicates among clips: same bytes, near-equal perceptual hash, or near-equal CLIP embedding.

Greedy, best first: a clip is a duplicate of the best kept clip it matches, so every keeper is itself kept and no
chain a~b~c makes c a duplicate of a clip it does not resemble. Clips of earlier datasets come before all others and
are never rejected. Nothing is decoded, and only clips that match something are looked at one by one.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from pipeline.select.id_columns import fingerprints
from pipeline.select.near_hashes import HASH_BITS, near_pairs

if TYPE_CHECKING:
    import pyarrow as pa

EXACT, PHASH, COSINE = "duplicate_exact", "duplicate_phash", "duplicate_clip"
"""Reasons written to the selection, in the order they are looked for."""
KINDS = (EXACT, PHASH, COSINE)

COSINE_ROWS = 1024
"""Embeddings compared at once with the kept ones."""
COSINE_KEPT = 8192
"""Kept embeddings compared at once: bounds memory to COSINE_ROWS x COSINE_KEPT cosines, 32 MB."""


@dataclass(frozen=True, kw_only=True)
class Candidates:
    """What duplicate detection needs to know of N clips, a row each."""

    worth: tuple[np.ndarray, ...]
    """Sort keys, float or int (N,) each: the clip with the smaller value is kept, later keys decide ties; NaN loses."""
    video_hash: pa.Array
    """string (N,): hash of the video bytes; NULL never matches."""
    phash: np.ndarray
    """uint64 (N,): perceptual hashes."""
    has_phash: np.ndarray
    """bool (N,): where there is one; the others never match."""
    embeddings: np.ndarray | None = None
    """float (N, D) unit vectors, for ``cosine`` only; a row of NaN never matches."""
    earlier: int = 0
    """The last ``earlier`` rows belong to earlier datasets: they come first and are kept whatever they match."""


@dataclass(frozen=True, kw_only=True)
class Duplicates:
    """What was found among N clips."""

    keeper: np.ndarray
    """int64 (N,): the row that is kept instead of this one; a kept row has its own."""
    kinds: np.ndarray
    """bool (N, 3): every one of ``KINDS`` in which a rejected row duplicates some kept one."""


def find_duplicates(
    clips: Candidates,
    *,
    exact: bool = True,
    phash_bits: int | None = None,
    cosine: float | None = None,
) -> Duplicates:
    """Find every clip that duplicates a better one; ``None`` leaves a kind of matching out.

    Raises:
        ValueError: ``phash_bits`` is not in 0 to 63, or ``cosine`` is given without embeddings or not in (0, 1].
    """
    if phash_bits is not None and not 0 <= phash_bits < HASH_BITS:
        raise ValueError(f"dedup_phash_bits {phash_bits} is out of range; use 0 to 63, 4 is usual")
    if cosine is not None and not 0 < cosine <= 1:
        raise ValueError(f"dedup_cosine {cosine} is out of range; use e.g. 0.95")
    if cosine is not None and clips.embeddings is None:
        raise ValueError("dedup_cosine needs embeddings; run ingest with a CLIP model first")
    n = len(clips.video_hash)
    state = _State(n)
    same_bytes = _same_value(clips.video_hash) if exact else {}
    same_hash, near = _like_hashes(clips, phash_bits) if phash_bits is not None else ({}, {})
    first_bytes: dict[int, int] = {}  # group -> the kept row that came first
    first_hash: dict[int, int] = {}
    suspects = np.array(sorted(same_bytes.keys() | same_hash.keys()), np.int64)
    # only rows that may match something are put in order, which for a million clips is most of the time saved
    order = in_order(clips, suspects if cosine is None else np.arange(n))
    rank = np.zeros(n, np.int64)
    rank[order] = np.arange(len(order))
    for row, like in _pairs(clips, state, order, suspects, cosine):
        group, value = same_bytes.get(row), same_hash.get(row)
        equal = None if group is None else first_bytes.get(group)
        alike = None if value is None else _first_near(first_hash, value, near, rank)
        matched = equal is not None or alike is not None or like is not None
        if matched and row < n - clips.earlier:
            state.reject(row, equal, alike, like)
            continue
        if group is not None:
            first_bytes.setdefault(group, row)
        if value is not None:
            first_hash.setdefault(value, row)
    return Duplicates(keeper=state.keeper, kinds=state.kinds)


class _State:
    """What has been decided so far."""

    def __init__(self, n: int) -> None:
        self.keeper = np.arange(n)
        self.kinds = np.zeros((n, len(KINDS)), bool)

    def reject(self, row: int, equal: int | None, alike: int | None, like: int | None) -> None:
        """Reject a row, given the kept row it matches in each of ``KINDS``."""
        found = (equal, alike, like)
        self.keeper[row] = next(keeper for keeper in found if keeper is not None)
        for kind, keeper in enumerate(found):
            if keeper is not None:
                self.kinds[row, kind] = True

    def kept(self, rows: np.ndarray) -> np.ndarray:
        return rows[self.keeper[rows] == rows]


def in_order(clips: Candidates, rows: np.ndarray) -> np.ndarray:
    """``rows`` with those of earlier datasets first, then the best to keep first."""
    old = rows >= len(clips.video_hash) - clips.earlier
    # lexsort takes its last key first, and puts NaN last
    keys = [key[rows] for key in reversed(clips.worth)]
    return rows[np.lexsort((rows, *keys, ~old))]


def _pairs(
    clips: Candidates,
    state: _State,
    order: np.ndarray,
    suspects: np.ndarray,
    cosine: float | None,
) -> Iterator[tuple[int, int | None]]:
    """Rows of ``order`` that may match something, each with the best kept row of near-equal embedding.

    The consumer decides on a row before it asks for the next one.
    """
    if cosine is None or clips.embeddings is None:
        for row in order.tolist():
            yield row, None
        return
    suspected = np.zeros(len(order), bool)
    suspected[suspects] = True
    measured = ~np.isnan(clips.embeddings[:, 0])
    kept = np.zeros(0, np.int64)
    for start in range(0, len(order), COSINE_ROWS):
        rows = order[start : start + COSINE_ROWS]
        known = measured[rows]
        vectors = np.where(known[:, None], clips.embeddings[rows], 0).astype(np.float32)
        before = _first_like(vectors, clips.embeddings, kept, cosine)
        # cosines within the block: only those with better rows of the block that are still kept count
        within = np.tril(vectors @ vectors.T >= cosine, -1)
        for at in np.flatnonzero(suspected[rows] | (before >= 0) | within.any(1)).tolist():
            like = int(before[at]) if before[at] >= 0 else None
            if like is None:
                better = state.kept(rows[np.flatnonzero(within[at])])
                like = int(better[0]) if len(better) else None
            yield int(rows[at]), like
        kept = np.concatenate([kept, state.kept(rows[known])])


def _first_like(
    vectors: np.ndarray, embeddings: np.ndarray, kept: np.ndarray, cosine: float
) -> np.ndarray:
    """First of the rows ``kept`` whose embedding has this cosine with each vector, int64, -1 where none has."""
    found = np.full(len(vectors), -1, np.int64)
    for start in range(0, len(kept), COSINE_KEPT):
        open_rows = np.flatnonzero(found < 0)
        if not len(open_rows):
            break
        block = kept[start : start + COSINE_KEPT]
        like = vectors[open_rows] @ embeddings[block].astype(np.float32).T >= cosine
        hit = like.any(1)
        found[open_rows[hit]] = block[like[hit].argmax(1)]
    return found


def _first_near(
    first: dict[int, int], value: int, near: dict[int, list[int]], rank: np.ndarray
) -> int | None:
    """The best kept row among those whose hash is ``value`` or near it."""
    if value not in near:
        return first.get(value)
    rows = [first[other] for other in (value, *near[value]) if other in first]
    return min(rows, key=lambda row: rank[row]) if rows else None


def _like_hashes(clips: Candidates, bits: int) -> tuple[dict[int, int], dict[int, list[int]]]:
    """Row -> number of its hash, for rows that match another; number -> numbers of the hashes near it."""
    rows = np.flatnonzero(clips.has_phash)
    order = rows[np.argsort(clips.phash[rows])]
    hashes = clips.phash[order]
    new = np.ones(len(hashes), bool)
    new[1:] = hashes[1:] != hashes[:-1]
    number = np.cumsum(new) - 1
    pairs = near_pairs(hashes[new], bits)
    near: dict[int, list[int]] = {}
    for first, second in pairs.tolist():
        near.setdefault(first, []).append(second)
        near.setdefault(second, []).append(first)
    matches = np.bincount(number, minlength=1) > 1
    matches[pairs.ravel()] = True
    chosen = matches[number] if len(number) else new
    return dict(zip(order[chosen].tolist(), number[chosen].tolist(), strict=True)), near


def _same_value(column: pa.Array) -> dict[int, int]:
    """Row -> number of its value, for rows whose text some other row has too."""
    import pyarrow as pa

    rows = np.flatnonzero(column.is_valid().to_numpy(zero_copy_only=False))
    prints = fingerprints(column)
    if prints is not None:
        rows = _repeated(prints, rows)
    codes = column.take(pa.array(rows)).dictionary_encode().indices.to_numpy()
    repeated = np.bincount(codes, minlength=1)[codes] > 1 if len(codes) else codes.astype(bool)
    return dict(zip(rows[repeated].tolist(), codes[repeated].tolist(), strict=True))


def _repeated(values: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Those of ``rows`` whose value another one of them has too."""
    order = rows[np.argsort(values[rows])]
    ordered = values[order]
    same = ordered[1:] == ordered[:-1]
    either = np.zeros(len(order), bool)
    either[1:] |= same
    either[:-1] |= same
    return order[either]
