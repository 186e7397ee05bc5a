"""A mark that stays is found under a moving camera; under one that stands nothing is claimed."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFont

from pipeline.scores.watermark import watermark_score
from pipeline.world.render import render
from pipeline.world.scene import Scene, random_scene


def frames_of(camera: str, texture: str = "dots") -> np.ndarray:
    scene: Scene = random_scene(3)
    moving = dataclasses.replace(scene.objects[0], motion="bounce_h", vx=0.6, vy=0.0)
    scene = dataclasses.replace(
        scene, camera=camera, camera_speed=0.25, texture=texture, objects=(moving,)
    )
    return render(scene, width=320, height=180, fps=4, n_frames=8)


def marked(frames: np.ndarray, opacity: float, size: int, where: tuple[int, int]) -> np.ndarray:
    picture = Image.new("L", (320, 180))
    ImageDraw.Draw(picture).text(where, "FILMTV", fill=255, font=ImageFont.load_default(size))
    share = np.asarray(picture, np.float32)[None, ..., None] / 255 * opacity
    return (frames * (1 - share) + 255 * share + 0.5).astype(np.uint8)


@pytest.mark.parametrize("camera", ["pan_left", "tilt_up"])
@pytest.mark.parametrize("opacity,size", [(0.3, 20), (0.6, 10), (1.0, 12)])
def test_marks_under_a_moving_camera(camera: str, opacity: float, size: int) -> None:
    frames = frames_of(camera)
    clean = watermark_score(frames)
    assert clean is not None and clean < 0.2
    for where in ((8, 8), (230, 150), (130, 80)):
        score = watermark_score(marked(frames, opacity, size, where))
        assert score is not None and score > 0.5, where


@pytest.mark.parametrize("texture", ["dots", "plain"])
def test_nothing_is_claimed_of_a_camera_that_stands(texture: str) -> None:
    frames = frames_of("static", texture)
    assert watermark_score(frames) is None
    assert watermark_score(marked(frames, 1.0, 16, (8, 8))) is None


def test_a_line_along_the_movement_is_no_mark() -> None:
    frames = frames_of("pan_right")
    frames[:, 90:] = frames[:, 90:] // 3
    score = watermark_score(frames)
    assert score is not None and score < 0.3


def test_too_little_to_go_by() -> None:
    frames = frames_of("pan_left")
    assert watermark_score(frames[:3]) is None
    assert watermark_score(np.full((8, 90, 160, 3), 120, np.uint8)) is None
    assert watermark_score(frames[:, :20]) is None
