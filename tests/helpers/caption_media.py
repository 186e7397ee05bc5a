"""A run folder as ingest and select leave it, made from world scenes, for the tests of captioning."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from pipeline import schema as s
from pipeline.shards.write import video_hash, write_video_table
from pipeline.tables import manifest_schema, selection_schema
from pipeline.video.encode import encode_mp4
from pipeline.video.tags import WORLD
from pipeline.world.render import render
from pipeline.world.scene import random_scene

FPS = 8.0
FRAMES = 10


def clip_bytes(seed: int, width: int = 64, height: int = 48) -> bytes:
    frames = render(random_scene(seed), width=width, height=height, fps=FPS, n_frames=FRAMES)
    return encode_mp4(frames, FPS)


def make_run_folder(
    folder: Path, clips: int, broken: tuple[int, ...] = (), rejected: int = 0
) -> list[str]:
    """Write clips/, manifest/ and selection.parquet; returns the ids of the kept clips, ``rejected`` last ones not."""
    ids = [f"clip{i:03d}" for i in range(clips)]
    videos = [b"not a video" if i in broken else clip_bytes(i) for i in range(clips)]
    table = pa.table({s.CLIP_ID: ids, s.VIDEO: pa.array(videos, pa.binary())})
    (folder / "clips").mkdir(parents=True)
    (folder / "manifest").mkdir()
    ranges = write_video_table(folder / "clips" / "part-00000.parquet", table)
    rows = [
        {
            s.CLIP_ID: clip_id,
            s.SOURCE_ID: "source",
            s.START_PTS: i * 100,
            s.START_S: i * 2.0,
            s.END_S: i * 2.0 + FRAMES / FPS,
            s.N_FRAMES: FRAMES,
            s.FPS: FPS,
            s.WIDTH: 64,
            s.HEIGHT: 48,
            s.DOMAIN: WORLD,
            s.SHARD: "clips/part-00000.parquet",
            s.BYTE_OFFSET: offset,
            s.BYTE_LENGTH: length,
            s.VIDEO_XXH3: video_hash(video),
        }
        for i, (clip_id, video, (offset, length)) in enumerate(
            zip(ids, videos, ranges, strict=True)
        )
    ]
    pq.write_table(
        pa.Table.from_pylist(rows, schema=manifest_schema()),
        folder / "manifest" / "part-00000.parquet",
    )
    write_selection(folder, ids, ids[: clips - rejected])
    return ids[: clips - rejected]


def measure(folder: Path, scores: dict[str, Any]) -> None:
    """Write scores into every row of the manifest."""
    part = next((folder / "manifest").glob("*.parquet"))
    rows = [row | scores for row in pq.read_table(part).to_pylist()]
    pq.write_table(pa.Table.from_pylist(rows, schema=manifest_schema()), part)


def write_selection(folder: Path, ids: list[str], kept: list[str]) -> None:
    rows = [
        {s.CLIP_ID: i, s.DECISION: "keep" if i in kept else "reject", s.REASONS: []} for i in ids
    ]
    pq.write_table(
        pa.Table.from_pylist(rows, schema=selection_schema()), folder / "selection.parquet"
    )


def caption_rows(folder: Path) -> list[dict[str, Any]]:
    """Rows of ``captions/`` of a run folder, by clip and kind."""
    found: list[dict[str, Any]] = []
    for part in sorted((folder / "captions").glob("part-*.parquet")):
        found += pq.read_table(part).to_pylist()
    return sorted(found, key=lambda row: (row[s.CLIP_ID], row[s.KIND]))
