"""What a training sees of its clips, said before it begins: sizes, frames and seconds."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from pipeline import schema as s

if TYPE_CHECKING:
    from pipeline.latents.store import LatentStore
    from pipeline.loader.view import ClipView
    from pipeline.shards.read import Manifest

SHOWN = 3
"""Sizes that are named; the others are counted."""


def latents_line(store: LatentStore) -> str:
    """``17 frames of 64x64 (20 clips), ...: 41.0 s in all``: what ``encode`` has left of the clips."""
    shapes: Counter[tuple[int, int, int]] = Counter()
    seconds = 0.0
    for (frames, width, height, fps), count in store.pixels().items():
        shapes[int(frames), int(width), int(height)] += count
        seconds += count * frames / fps
    told = sizes(shapes)
    return f"{told}: {seconds:.1f} s in all; set by encode --max-pixels, --max-frames, --fps"


def view_line(manifest: Manifest, view: ClipView) -> str:
    """What a view leaves of the clips of shards, beside what they have."""
    columns = (s.N_FRAMES, s.FPS, s.WIDTH, s.HEIGHT)
    rows = Counter(zip(*(manifest.columns[name].to_pylist() for name in columns), strict=True))
    shapes: Counter[tuple[int, int, int]] = Counter()
    used = native = 0.0
    for (frames, fps, width, height), count in rows.items():
        taken, high, wide = view.shape(frames, fps, width, height)
        shapes[taken, wide, high] += count
        native += count * frames / fps
        used += count * min(frames / fps, taken / view.rate(fps))
    told = sizes(shapes)
    return f"{told}: {used:.1f} of {native:.1f} s; set by --max-pixels, --max-frames, --fps"


def sizes(shapes: Counter[tuple[int, int, int]]) -> str:
    """Counts of (frames, width, height) of clips in words, the most frequent first."""
    counts = shapes.most_common()
    told = [f"{f} frames of {w}x{h} ({n} clip{'s'[: n > 1]})" for (f, w, h), n in counts[:SHOWN]]
    if len(counts) > SHOWN:
        told.append(f"{len(counts) - SHOWN} more sizes")
    return ", ".join(told)
