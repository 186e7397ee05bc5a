"""What the embedded models are trained on is what the world renders."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.embedded.render import render_all
from benchmarks.embedded.scenes import FPS, Bucket, as_numbers, draw
from pipeline.world.captions import caption
from pipeline.world.render import render
from pipeline.world.scene import random_scene


@pytest.mark.parametrize("size", [(64, 64), (80, 48), (48, 96)])
@pytest.mark.parametrize("frames", [1, 5])
def test_scenes_rendered_together_are_those_rendered_one_by_one(
    size: tuple[int, int], frames: int
) -> None:
    bucket = Bucket(width=size[0], height=size[1], frames=frames)
    scenes = [random_scene(seed, duration_s=2.0) for seed in range(60)]
    together = render_all(as_numbers(scenes, bucket), "cpu").numpy().astype(int)
    for scene, video in zip(scenes, together, strict=True):
        alone = render(scene, width=size[0], height=size[1], fps=FPS, n_frames=frames)
        off = np.abs(video - alone.astype(int))
        assert off.max() <= 1, scene
        assert (off > 0).mean() < 0.02


def test_draws_name_their_scenes_and_never_repeat_one() -> None:
    bucket = Bucket(width=64, height=64, frames=1)
    first, second = draw(bucket, 0, 8, 7), draw(bucket, 8, 8, 7)
    assert len(set(first.dense) & set(second.dense)) < 4
    again = draw(bucket, 8, 8, 7)
    assert second.dense == again.dense
    assert (second.x == again.x).all()
    scene = random_scene(7 * 10_000_000 + 8, duration_s=17 / FPS)
    assert second.dense[0] == caption(scene, "dense", still=True)
    assert second.short[0] == caption(scene, "short", still=True)
