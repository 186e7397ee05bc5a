"""What moves by itself, under a camera that moves or not."""

from __future__ import annotations

import numpy as np
import pytest

from pipeline.scores.object_motion import object_motion
from pipeline.world.render import render
from pipeline.world.scene import random_scene

OPPOSITE = {"left": "right", "right": "left", "up": "down", "down": "up"}


def shots(motions, cameras, count):
    seed = found = 0
    while found < count:
        scene = random_scene(seed, split="heldout")
        seed += 1
        alone = len(scene.objects) == 1 and scene.objects[0].motion in motions
        if alone and scene.camera.split("_")[0] in cameras:
            found += 1
            n = int(scene.duration_s * 12)
            yield scene.objects[0].motion, render(scene, width=96, height=72, fps=12, n_frames=n)


@pytest.mark.parametrize("cameras", [("static",), ("pan", "tilt", "zoom")])
def test_most_travel_goes_the_way_of_the_only_object(cameras):
    right = [
        motion.share(way) > motion.share(OPPOSITE[way])
        for way, frames in shots(OPPOSITE, cameras, 12)
        for motion in [object_motion(frames, 12)]
        if motion.total > 0.002  # slower things are not judged
    ]
    assert len(right) >= 8 and sum(right) >= len(right) - 1


def test_under_a_static_camera_still_things_do_not_travel():
    totals = [object_motion(frames, 12) for _, frames in shots(("still",), ("static",), 5)]
    assert all(motion.total < 0.001 and motion.still == 1.0 for motion in totals)


def test_one_frame_and_a_flat_picture_have_no_motion():
    flat = np.full((9, 40, 60, 3), 120, np.uint8)
    for frames in (flat[:1], flat):
        motion = object_motion(frames, 12)
        assert motion.total == 0 and motion.still == 1.0 and motion.share("left") == 0
