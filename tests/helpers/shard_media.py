"""Clips and shards that tests make for themselves: moving gradients, encoded once per shape and seed."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from pipeline import schema as s
from pipeline.shards.write import ShardWriter
from pipeline.tables import shards_schema
from pipeline.video.encode import encode_mp4

SHAPES = ((9, 32, 48), (9, 48, 32), (1, 32, 32), (5, 32, 32))
"""(frames, height, width) that ``make_rows`` cycles through."""


@cache
def clip_bytes(seed: int, n_frames: int, height: int, width: int) -> bytes:
    """MP4 of a gradient that drifts; different seeds give different bytes."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:height, :width]
    t = np.arange(n_frames)[:, None, None]
    planes = [(a * x + b * y + c * t) % 256 for a, b, c in rng.integers(1, 9, (3, 3))]
    return encode_mp4(np.stack(planes, axis=-1).astype(np.uint8), 8)


def make_rows(n: int, shapes: tuple[tuple[int, int, int], ...] = SHAPES) -> list[dict[str, Any]]:
    """Shard rows with real video, short and dense captions."""
    rows = []
    for i in range(n):
        frames, height, width = shapes[i % len(shapes)]
        rows.append(
            {
                s.CLIP_ID: s.clip_id("source", i * 100, i * 100 + 99),
                s.VIDEO: clip_bytes(i, frames, height, width),
                s.CAPTION_SHORT: f"clip {i}",
                s.CAPTION_DENSE: f"clip number {i} drifts slowly",
                s.N_FRAMES: frames,
                s.FPS: 8.0,
                s.WIDTH: width,
                s.HEIGHT: height,
                s.START_S: i * 10.0,
                s.END_S: i * 10.0 + frames / 8,
            }
        )
    return rows


def make_shards(folder: Path, rows: list[dict[str, Any]], shard_bytes: int = 20_000) -> Path:
    """Write ``rows`` as several small shards; returns the folder."""
    with ShardWriter(folder, shards_schema(), shard_bytes=shard_bytes) as writer:
        for row in rows:
            writer.add(row)
    return folder


def flip_byte(folder: Path, row: dict[str, Any], at: int = 40) -> None:
    """Damage one byte inside a clip of a shard."""
    with (folder / row[s.SHARD]).open("r+b") as file:
        file.seek(row[s.BYTE_OFFSET] + at)
        old = file.read(1)
        file.seek(row[s.BYTE_OFFSET] + at)
        file.write(bytes([old[0] ^ 0x55]))
