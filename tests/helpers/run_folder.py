"""A run folder written without Ray: real clips in a shard, scores that rise, captions of two kinds, some embeddings."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from pipeline import schema as s
from pipeline.shards.write import video_hash, write_video_table
from pipeline.store.parquet import write_table
from pipeline.tables import captions_schema, clips_schema, embeddings_schema, manifest_schema
from tests.helpers.shard_media import make_rows


def table(rows: list[dict[str, Any]], schema: pa.Schema) -> pa.Table:
    """Rows as a table of ``schema``; what they lack is NULL."""
    return pa.table({n: [row.get(n) for row in rows] for n in schema.names}, schema=schema)


def write_run(
    folder: Path, count: int, *, per_source: int = 3, dim: int = 24
) -> list[dict[str, Any]]:
    """``count`` clips, ``per_source`` of one source; clip i has motion i / 10. Returns the manifest rows."""
    rows = make_rows(count)
    clips = table(rows, clips_schema())
    ranges = write_video_table(folder / "clips" / "part-00000.parquet", clips)
    vectors = np.random.default_rng(0).normal(size=(count, dim))
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    for i, (row, (offset, length)) in enumerate(zip(rows, ranges, strict=True)):
        source, place = divmod(i, per_source)
        row.update({s.SHARD: "part-00000.parquet", s.BYTE_OFFSET: offset, s.BYTE_LENGTH: length})
        row.update({s.VIDEO_XXH3: video_hash(row[s.VIDEO]), s.MOTION_MEAN: i / 10})
        row.update({s.SOURCE_ID: f"source{source}", s.SOURCE_URI: f"/films/film-{source}.mp4"})
        row.update({s.START_S: place * 5.0, s.END_S: place * 5.0 + 4.0, s.START_PTS: place * 5000})
        row.update({s.END_PTS: place * 5000 + 4000, s.TIME_BASE_NUM: 1, s.TIME_BASE_DEN: 1000})
        row.update({s.SHOT: place, s.CAMERA: "pan" if i % 2 else "static"})
    write_table(folder / "manifest" / "part-00000.parquet", table(rows, manifest_schema()))
    captions = [
        {s.CLIP_ID: row[s.CLIP_ID], s.KIND: kind, s.TEXT: f"{kind} {i}", s.OUTCOME: "ok"}
        for i, row in enumerate(rows)
        for kind in ("dense", "short")
    ]
    write_table(folder / "captions" / "part-00000.parquet", table(captions, captions_schema()))
    embeddings = [
        {s.CLIP_ID: row[s.CLIP_ID], s.CLIP_EMBEDDING: vector.astype(np.float16)}
        for row, vector in zip(rows, vectors, strict=True)
    ]
    write_table(
        folder / "embeddings" / "part-00000.parquet", table(embeddings, embeddings_schema(dim))
    )
    return rows
