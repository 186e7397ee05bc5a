"""Duplicates among clips: same bytes, near-equal perceptual hash and the same look, or near-equal CLIP embedding.

A near hash of the middle frame finds a pair; ``looks`` says whether several frames, colours and what moves agree.
Pieces of one shot are no duplicates of each other, unless their bytes are the same: what follows in time is not a copy.

Greedy, best first: a clip is a duplicate of the best kept clip it matches, so every keeper is itself kept and no
chain a~b~c makes c a duplicate of a clip it does not resemble. Clips of earlier datasets come before all others and
are never rejected. Nothing is decoded, and only clips that match something are looked at one by one.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from pipeline.select.alikes import Alikes, shot_ids
from pipeline.select.id_columns import fingerprints
from pipeline.select.near_hashes import HASH_BITS

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
    """bool (N,): where there is one, and a look; the others never match."""
    looks: pa.Array | pa.ChunkedArray
    """string (R,): looks, see ``scores.look``, of these clips or of more: they are long, and few are looked at."""
    look_rows: np.ndarray | None = None
    """int64 (N,): which of ``looks`` is each clip's; None: they are in order."""
    sources: pa.Array | None = None
    """string (N,): source of each clip; None: all clips are of different shots."""
    shots: np.ndarray | None = None
    """int (N,): number of its shot in the source, -1 where that is not known."""
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
    shots = partial(shot_ids, clips.sources, clips.shots)
    alikes = None
    if phash_bits is not None:

        def looks(rows: np.ndarray) -> list[str]:
            at = rows if clips.look_rows is None else clips.look_rows[rows]
            return list(clips.looks.take(at).to_pylist())

        alikes = Alikes(clips.phash, clips.has_phash, looks, shots, phash_bits)
    first_bytes: dict[int, int] = {}  # group -> the kept row that came first
    suspects = np.array(sorted({*same_bytes, *(alikes.rows if alikes else ())}), np.int64)
    # only rows that may match something are put in order, which for a million clips is most of the time saved
    order = in_order(clips, suspects if cosine is None else np.arange(n))
    rank = np.zeros(n, np.int64)
    rank[order] = np.arange(len(order))
    for row, like in _pairs(clips, state, order, suspects, cosine):
        group = same_bytes.get(row)
        equal = None if group is None else first_bytes.get(group)
        alike = alikes.best_kept(row, rank) if alikes else None
        matched = equal is not None or alike is not None or like is not None
        if matched and row < n - clips.earlier:
            state.reject(row, equal, alike, like)
            continue
        if group is not None:
            first_bytes.setdefault(group, row)
        if alikes:
            alikes.keep(row)
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
    shots = shot_ids(clips.sources, clips.shots, np.arange(len(measured)))
    for start in range(0, len(order), COSINE_ROWS):
        rows = order[start : start + COSINE_ROWS]
        known = measured[rows]
        vectors = np.where(known[:, None], clips.embeddings[rows], 0).astype(np.float32)
        before = _first_like(vectors, clips.embeddings, kept, cosine, shots[rows], shots)
        # cosines within the block: only those with better rows of the block that are still kept count
        within = np.tril(vectors @ vectors.T >= cosine, -1) & (shots[rows, None] != shots[rows])
        for at in np.flatnonzero(suspected[rows] | (before >= 0) | within.any(1)).tolist():
            like = int(before[at]) if before[at] >= 0 else None
            if like is None:
                better = state.kept(rows[np.flatnonzero(within[at])])
                like = int(better[0]) if len(better) else None
            yield int(rows[at]), like
        kept = np.concatenate([kept, state.kept(rows[known])])


def _first_like(
    vectors: np.ndarray,
    embeddings: np.ndarray,
    kept: np.ndarray,
    cosine: float,
    own: np.ndarray,
    shots: np.ndarray,
) -> np.ndarray:
    """First of the rows ``kept`` whose embedding has this cosine with each vector, int64, -1 where none has.

    ``own``: the shot of each vector, of which none may be; ``shots``: that of every row.
    """
    found = np.full(len(vectors), -1, np.int64)
    for start in range(0, len(kept), COSINE_KEPT):
        open_rows = np.flatnonzero(found < 0)
        if not len(open_rows):
            break
        block = kept[start : start + COSINE_KEPT]
        like = vectors[open_rows] @ embeddings[block].astype(np.float32).T >= cosine
        like &= own[open_rows, None] != shots[block]
        hit = like.any(1)
        found[open_rows[hit]] = block[like[hit].argmax(1)]
    return found


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
