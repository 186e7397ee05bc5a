"""Frames that are picked are those of the whole shot."""

from __future__ import annotations

import numpy as np
import pytest

from pipeline.world.render import render
from pipeline.world.scene import random_scene


@pytest.mark.parametrize("seed", range(12))
def test_frames_that_are_picked_are_those_of_the_whole(seed: int) -> None:
    scene = random_scene(seed)
    form = {"width": 48 + seed, "height": 40, "fps": 8, "n_frames": 14}
    whole = render(scene, **form)
    picked = [1, 5, 6, 13]
    off = np.abs(whole[picked].astype(int) - render(scene, **form, picked=picked))
    assert off.max() <= 1 and (off > 0).mean() < 0.01
    assert whole.shape == (14, 40, 48 + seed, 3)


def test_what_cannot_be_rendered_is_refused() -> None:
    with pytest.raises(ValueError, match="cannot render 0 frames of 8x8 at 8 fps"):
        render(random_scene(0), width=8, height=8, fps=8, n_frames=0)
