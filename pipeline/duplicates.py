"""Duplicates among clips: same bytes, near-equal perceptual hash, or near-equal CLIP embedding.

Greedy, best first: a clip is a duplicate of the best kept clip it matches, so every keeper is itself kept and no
chain a~b~c makes c a duplicate of a clip it does not resemble. Nothing is decoded.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

PHASH_BITS = 64
EXACT, PHASH, COSINE = "duplicate_exact", "duplicate_phash", "duplicate_clip"
"""Reasons written to the selection, in the order they are looked for."""

COSINE_BLOCK = 1024
"""Kept embeddings are compared in blocks of this many rows, to bound memory."""


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """What duplicate detection needs to know of one clip."""

    clip_id: str
    """Id of the clip; the smaller wins between equally good ones."""
    quality: float
    """Pixels times seconds: the larger clip is kept."""
    video_hash: str | None
    """Hash of the video bytes; None never matches."""
    phash: int | None
    """64-bit perceptual hash; None never matches."""


@dataclass(frozen=True, kw_only=True)
class Match:
    """A clip that duplicates a kept one."""

    keeper: str
    """clip_id that is kept instead."""
    reasons: tuple[str, ...]
    """Every way in which it duplicates some kept clip."""


def find_duplicates(
    clips: Sequence[Candidate],
    *,
    exact: bool = True,
    phash_bits: int | None = None,
    cosine: float | None = None,
    embeddings: np.ndarray | None = None,
) -> dict[str, Match]:
    """clip_id -> match, for every clip that duplicates a better one.

    ``embeddings`` (N, D) unit rows in the order of ``clips``, NaN rows never match; needed for ``cosine`` only.
    """
    if phash_bits is not None and not 0 <= phash_bits < PHASH_BITS:
        raise ValueError(f"dedup_phash_bits {phash_bits} is out of range; use 0 to 63, 4 is usual")
    if cosine is not None and embeddings is None:
        raise ValueError("dedup_cosine needs embeddings; run ingest with a CLIP model first")
    order = sorted(range(len(clips)), key=lambda i: (-clips[i].quality, clips[i].clip_id))
    by_hash: dict[str, int] = {}
    hashes = _HashIndex(phash_bits or 0)
    vectors = _VectorIndex()
    matches: dict[str, Match] = {}
    for index in order:
        clip = clips[index]
        found: dict[str, int] = {}
        if exact and clip.video_hash is not None and clip.video_hash in by_hash:
            found[EXACT] = by_hash[clip.video_hash]
        if phash_bits is not None and clip.phash is not None:
            near = hashes.first_near(clip.phash)
            if near is not None:
                found[PHASH] = near
        if cosine is not None and embeddings is not None:
            near = vectors.first_near(embeddings[index], cosine)
            if near is not None:
                found[COSINE] = near
        if found:
            keeper = clips[next(iter(found.values()))].clip_id
            matches[clip.clip_id] = Match(keeper=keeper, reasons=tuple(found))
            continue
        if clip.video_hash is not None:
            by_hash[clip.video_hash] = index
        if phash_bits is not None and clip.phash is not None:
            hashes.add(clip.phash, index)
        if cosine is not None and embeddings is not None:
            vectors.add(embeddings[index], index)
    return matches


class _HashIndex:
    """Kept hashes by band: two hashes within b bits agree on at least one of b + 1 bands (pigeonhole)."""

    def __init__(self, bits: int) -> None:
        self.bits = bits
        edges = np.linspace(0, PHASH_BITS, bits + 2).astype(int).tolist()
        self.bands = [
            (low, (1 << (high - low)) - 1) for low, high in zip(edges, edges[1:], strict=False)
        ]
        self.buckets: dict[tuple[int, int], list[tuple[int, int, int]]] = {}
        self.count = 0

    def add(self, phash: int, index: int) -> None:
        for key in self._keys(phash):
            self.buckets.setdefault(key, []).append((self.count, phash, index))
        self.count += 1

    def first_near(self, phash: int) -> int | None:
        """Index added first among the kept hashes within ``bits``."""
        near = [
            (rank, index)
            for key in self._keys(phash)
            for rank, other, index in self.buckets.get(key, ())
            if (phash ^ other).bit_count() <= self.bits
        ]
        return min(near)[1] if near else None

    def _keys(self, phash: int) -> list[tuple[int, int]]:
        return [(band, (phash >> low) & mask) for band, (low, mask) in enumerate(self.bands)]


class _VectorIndex:
    """Kept unit vectors, compared block by block; memory grows by blocks, not by copies."""

    def __init__(self) -> None:
        self.blocks: list[np.ndarray] = []
        self.indices: list[int] = []

    def add(self, vector: np.ndarray, index: int) -> None:
        if np.isnan(vector).any():
            return
        at = len(self.indices) % COSINE_BLOCK
        if at == 0:
            self.blocks.append(np.zeros((COSINE_BLOCK, vector.shape[0]), np.float32))
        self.blocks[-1][at] = vector
        self.indices.append(index)

    def first_near(self, vector: np.ndarray, cosine: float) -> int | None:
        """Index added first among the kept vectors with at least this cosine."""
        if np.isnan(vector).any():
            return None
        query = vector.astype(np.float32)
        for number, block in enumerate(self.blocks):
            filled = min(COSINE_BLOCK, len(self.indices) - number * COSINE_BLOCK)
            hits = np.flatnonzero(block[:filled] @ query >= cosine)
            if hits.size:
                return self.indices[number * COSINE_BLOCK + int(hits[0])]
        return None
