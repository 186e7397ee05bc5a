"""What a training sees of its clips, in words."""

from __future__ import annotations

from collections import Counter
from types import SimpleNamespace

import pyarrow as pa

from jobs.train.seen import latents_line, sizes, view_line
from pipeline import schema as s
from pipeline.loader.view import ClipView


def test_sizes_are_named_by_frequency_and_the_rest_counted() -> None:
    shapes = Counter({(17, 64, 48): 2, (5, 32, 32): 7, (9, 16, 16): 1, (1, 16, 16): 1})
    told = "5 frames of 32x32 (7 clips), 17 frames of 64x48 (2 clips), 9 frames of 16x16 (1 clip)"
    assert sizes(shapes) == f"{told}, 1 more sizes"


def test_latents_are_told_with_their_seconds() -> None:
    store = SimpleNamespace(pixels=lambda: {(17.0, 64.0, 48.0, 8.0): 2, (5.0, 64.0, 48.0, 4.0): 1})
    told = "17 frames of 64x48 (2 clips), 5 frames of 64x48 (1 clip): 5.5 s in all; "
    assert latents_line(store).startswith(told)  # type: ignore[arg-type]


def test_what_a_view_leaves_of_shards_is_told_beside_what_they_have() -> None:
    columns = {
        s.N_FRAMES: [240, 240],
        s.FPS: [24.0, 24.0],
        s.WIDTH: [1280] * 2,
        s.HEIGHT: [720] * 2,
    }
    manifest = SimpleNamespace(columns={name: pa.array(values) for name, values in columns.items()})
    view = ClipView(fps=8.0, max_frames=17, max_pixels=64 * 64, multiple=16)
    line = view_line(manifest, view)  # type: ignore[arg-type]
    assert line.startswith("17 frames of 80x48 (2 clips): 4.2 of 20.0 s; set by --max-pixels")
