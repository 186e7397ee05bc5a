"""What duplicate detection compares: the clips that passed, their worth, and the clips of earlier datasets."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from pipeline import schema
from pipeline.config import SelectConfig
from pipeline.select.duplicates import Candidates
from pipeline.select.id_columns import take
from pipeline.select.predicates import numbers

if TYPE_CHECKING:
    import pyarrow as pa


@dataclass(frozen=True, kw_only=True)
class Embeddings:
    """CLIP embeddings of M clips."""

    clip_ids: pa.Array
    """string (M,)."""
    vectors: np.ndarray
    """float (M, D), unit rows."""

    def of(self, clip_ids: pa.Array) -> np.ndarray:
        """float (N, D): the vector of each clip, NaN where there is none."""
        import pyarrow.compute as pc

        at = pc.index_in(clip_ids, value_set=self.clip_ids)
        rows = np.full((len(clip_ids), self.vectors.shape[1]), np.nan, self.vectors.dtype)
        found = at.is_valid().to_numpy(zero_copy_only=False)
        rows[found] = self.vectors[at.drop_null().to_numpy()]
        return rows


@dataclass(frozen=True, kw_only=True)
class Earlier:
    """Clips of earlier datasets, which ours may duplicate."""

    table: pa.Table
    """clip_id, video_xxh3, phash, look (each may be NULL) and duplicate_in, the folder; E rows."""
    embeddings: Embeddings | None = None
    """Their embeddings, for ``dedup_cosine``."""


def make_candidates(
    manifest: pa.Table,
    passed: np.ndarray,
    id_rank: np.ndarray,
    config: SelectConfig,
    embeddings: Embeddings | None,
    earlier: Earlier | None,
) -> Candidates:
    """The clips that passed, then those of earlier datasets, as the last rows.

    Args:
        manifest: N clips.
        passed: int64 (M,), rows of those that take part.
        id_rank: int64 (N,), place of each clip in the order of clip_id.
        config: its ``dedup_keep`` ranks the clips.
        embeddings: for ``dedup_cosine``.
        earlier: clips of earlier datasets.
    """
    import pyarrow as pa

    settings = {f"select.dedup_keep {text!r}": text for text in config.dedup_keep}
    # a larger value is better and a smaller key is kept; NaN, which is NULL, stays last
    worth = [-values[passed] for values in numbers(manifest, settings).values()]
    worth.append(id_rank[passed])
    rows = pa.array(passed)
    hashes = manifest.column(schema.PHASH).combine_chunks().take(rows)
    videos = take(manifest.column(schema.VIDEO_XXH3).combine_chunks(), passed)
    looks, look_rows = _looks(manifest, config), passed
    sources, shots = _pieces(manifest, rows, config)
    vectors = None
    if config.dedup_cosine is not None and embeddings is not None:
        ids = manifest.column(schema.CLIP_ID).take(pa.array(passed))
        vectors = embeddings.of(ids.combine_chunks())
    count = 0
    if earlier is not None:
        count = earlier.table.num_rows
        mine = ((schema.PHASH, hashes), (schema.VIDEO_XXH3, videos))
        hashes, videos = (
            pa.concat_arrays([column, *earlier.table.column(name).chunks]) for name, column in mine
        )
        looks = pa.chunked_array([*looks.chunks, *earlier.table.column(schema.LOOK).chunks])
        look_rows = np.concatenate([passed, manifest.num_rows + np.arange(count)])
        if sources is not None and shots is not None:
            sources = pa.concat_arrays([sources, pa.nulls(count, pa.string())])
            shots = np.concatenate([shots, np.full(count, -1, shots.dtype)])
        # how earlier clips rank among themselves is the order in which they were given
        worth = [np.concatenate([key, np.zeros(count, key.dtype)]) for key in worth]
        if vectors is not None:
            vectors = _with_earlier(vectors, earlier)
    return Candidates(
        worth=tuple(worth),
        video_hash=videos,
        phash=hashes.fill_null(0).to_numpy(),
        has_phash=(hashes.is_valid().to_numpy(zero_copy_only=False))
        & looks.is_valid().to_numpy()[look_rows],
        looks=looks,
        look_rows=look_rows,
        sources=sources,
        shots=shots,
        embeddings=vectors,
        earlier=count,
    )


def _looks(manifest: pa.Table, config: SelectConfig) -> pa.ChunkedArray:
    """string (N,): looks of a manifest; NULLs where nobody asks for them. Raises ValueError for a run of a time when
    there were none: its hashes alone cannot tell clips of a fixed camera apart."""
    import pyarrow as pa

    if schema.LOOK in manifest.column_names:
        return manifest.column(schema.LOOK)
    if config.dedup_phash:
        raise ValueError(
            f"this run has no column {schema.LOOK}, which duplicates are told by: it was ingested by an older version. "
            "Ingest it anew into another folder, or set dedup_phash = false"
        )
    return pa.chunked_array([pa.nulls(manifest.num_rows, pa.string())])


def _pieces(
    manifest: pa.Table, rows: pa.Array, config: SelectConfig
) -> tuple[pa.Array | None, np.ndarray | None]:
    """Source and number of the shot of ``rows``, None where pieces of one shot may duplicate each other."""
    names = (schema.SOURCE_ID, schema.SHOT)
    if config.dedup_pieces or any(name not in manifest.column_names for name in names):
        return None, None
    source, shot = (manifest.column(name).combine_chunks().take(rows) for name in names)
    return source, shot.fill_null(-1).to_numpy()


def _with_earlier(vectors: np.ndarray, earlier: Earlier) -> np.ndarray:
    shape = (earlier.table.num_rows, vectors.shape[1])
    others = np.full(shape, np.nan, vectors.dtype)
    if earlier.embeddings is not None:
        others = earlier.embeddings.of(earlier.table.column(schema.CLIP_ID).combine_chunks())
    return np.concatenate([vectors, others])


def keeper_columns(
    ids: pa.Array,
    passed: np.ndarray,
    keeper: np.ndarray,
    earlier: Earlier | None,
    order: np.ndarray,
) -> tuple[pa.Array, pa.Array]:
    """Columns duplicate_of and duplicate_in of the N clips of a manifest, in the order of ``order``.

    Args:
        ids: string (N,), their clip_id.
        passed: int64 (M,), rows that took part.
        keeper: int64 (M + E,), what ``find_duplicates`` found for candidates made with ``passed`` and ``earlier``.
        earlier: clips of earlier datasets.
        order: int64 (N,), rows of the manifest as they are to be given out.
    """
    import pyarrow as pa

    mine = keeper[: len(passed)]
    gone = np.flatnonzero(mine != np.arange(len(passed)))
    # rows of the manifest, then those of the earlier clips: texts are moved once, and only those that are needed
    rows = np.concatenate([passed, len(ids) + np.arange(len(keeper) - len(passed))])
    nowhere = pa.nulls(len(ids), pa.string())
    # a take by NULL gives NULL, which is what a clip that duplicates nothing has
    at = np.zeros(len(ids), np.int64)
    none = np.ones(len(ids), bool)
    at[passed[gone]] = rows[mine[gone]]
    none[passed[gone]] = False
    index = pa.array(at[order], mask=none[order])
    if earlier is None:
        return ids.take(index), nowhere
    names = pa.chunked_array([ids, *earlier.table.column(schema.CLIP_ID).chunks])
    folders = pa.chunked_array([nowhere, *earlier.table.column(schema.DUPLICATE_IN).chunks])
    return names.take(index), folders.take(index)
