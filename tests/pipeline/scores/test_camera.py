"""The camera of a clip against the world's truth, through H.264."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from pipeline import schema as s
from pipeline.motion.analysis import analyse
from pipeline.scores.camera import camera_scores, classify, smooth
from pipeline.world.junk import junk_shot
from pipeline.world.render import render
from pipeline.world.scene import Obj, Scene, random_scene
from tests.helpers.counter_media import rotate_mp4, write_video

FPS, N = 24, 48
BALL = Obj(
    shape="circle",
    colour="red",
    size="large",
    radius=0.25,
    x=0.3,
    y=0.5,
    vx=0.6,
    vy=0.0,
    motion="bounce_h",
    speed="",
)


def a_scene(camera: str, **changes: object) -> Scene:
    speed = 0.22 if camera.startswith("zoom") else 0.3
    fields = {"camera": camera, "camera_speed": speed, "texture": "clouds", "objects": (BALL,)}
    return dataclasses.replace(random_scene(1), **{**fields, **changes})  # type: ignore[arg-type]


def scores_of(folder: Path, frames: np.ndarray, stop: int | None = None) -> dict[str, object]:
    *_, analysis = analyse(write_video(folder / "a.mp4", list(frames), options={"crf": "23"}))
    assert analysis is not None
    return dict(camera_scores(analysis, 0, stop or len(analysis.pts)))


def shot(scene: Scene) -> np.ndarray:
    return render(scene, width=160, height=96, fps=FPS, n_frames=N)


@pytest.mark.parametrize(
    "camera,kind,column,sign",
    [
        ("pan_left", "pan", s.CAMERA_PAN, -1),
        ("pan_right", "pan", s.CAMERA_PAN, 1),
        ("tilt_up", "tilt", s.CAMERA_TILT, 1),
        ("tilt_down", "tilt", s.CAMERA_TILT, -1),
        ("zoom_in", "zoom", s.CAMERA_ZOOM, 1),
        ("zoom_out", "zoom", s.CAMERA_ZOOM, -1),
    ],
)
def test_camera_and_its_speed(
    tmp_path: Path, camera: str, kind: str, column: str, sign: int
) -> None:
    found = scores_of(tmp_path, shot(a_scene(camera)))
    assert found[s.CAMERA] == kind
    truth = 0.22 if kind == "zoom" else 0.3 * 96 / np.hypot(160, 96)
    assert found[column] == pytest.approx(sign * truth, rel=0.45)
    assert found[s.JITTER] < 0.04  # type: ignore[operator]


@pytest.mark.parametrize("size", [(96, 160), (112, 112)])
def test_speed_in_other_shapes(tmp_path: Path, size: tuple[int, int]) -> None:
    frames = render(a_scene("tilt_up"), width=size[0], height=size[1], fps=FPS, n_frames=N)
    found = scores_of(tmp_path, frames)
    assert found[s.CAMERA] == "tilt"
    truth = 0.3 * min(size) / np.hypot(*size)
    assert found[s.CAMERA_TILT] == pytest.approx(truth, rel=0.3)


def test_a_turned_file_is_seen_upright(tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.mp4", list(shot(a_scene("pan_right"))))
    *_, analysis = analyse(rotate_mp4(path, 90))
    assert analysis is not None
    found = camera_scores(analysis, 0, N)
    assert found[s.CAMERA] == "tilt"
    assert found[s.CAMERA_TILT] < 0  # type: ignore[operator] # turned clockwise, what was on the right is below


def test_a_big_object_under_a_static_camera(tmp_path: Path) -> None:
    found = scores_of(tmp_path, shot(a_scene("static")))
    assert found[s.CAMERA] == "static"
    assert found[s.JITTER] < 0.01  # type: ignore[operator]


def test_over_a_flat_ground_nothing_is_claimed(tmp_path: Path) -> None:
    moving = shot(a_scene("static", texture="plain", light="even"))
    assert scores_of(tmp_path, moving) == dict.fromkeys(s.CAMERA_COLUMNS)
    assert scores_of(tmp_path, np.repeat(moving[:1], N, axis=0))[s.CAMERA] == "static"


def test_shaking_is_jitter_and_a_pan_is_none(tmp_path: Path) -> None:
    form = {"width": 160, "height": 96, "fps": FPS, "n_frames": N}
    shaking = scores_of(tmp_path, junk_shot("shaking", a_scene("static"), seed=1, **form))  # type: ignore[arg-type]
    assert shaking[s.CAMERA] == "handheld"
    assert shaking[s.JITTER] > 0.15  # type: ignore[operator]


def test_repeated_frames_are_no_jitter(tmp_path: Path) -> None:
    smooth_pan = shot(a_scene("pan_left"))
    doubled = np.repeat(smooth_pan[: N // 2], 2, axis=0)
    assert scores_of(tmp_path, doubled)[s.JITTER] < 0.02  # type: ignore[operator]


def test_a_glimpse_is_not_measured(tmp_path: Path) -> None:
    frames = shot(a_scene("pan_left"))
    assert scores_of(tmp_path, frames, stop=1) == dict.fromkeys(s.CAMERA_COLUMNS)
    assert scores_of(tmp_path, frames, stop=8) == dict.fromkeys(s.CAMERA_COLUMNS)


@pytest.mark.parametrize("n", [2, 3, 4, 5, 9, 30])
def test_smoothing_leaves_a_straight_line_alone(n: int) -> None:
    line = np.arange(n)[:, None] * [0.5, -2.0] + [1.0, 3.0]
    np.testing.assert_allclose(smooth(line, 5), line, atol=1e-9)


@pytest.mark.parametrize(
    "amount,net,jitter,kind",
    [
        ((0.01, 0.0, 0.0), (0.01, 0.0, 0.0), 0.02, "static"),
        ((0.01, 0.0, 0.0), (0.01, 0.0, 0.0), 0.05, "handheld"),
        ((0.02, 0.0, 0.0), (0.002, 0.0, 0.0), 0.005, "static"),
        ((0.02, 0.0, 0.0), (0.002, 0.0, 0.0), 0.015, "handheld"),
        ((0.2, 0.1, 0.0), (0.02, 0.0, 0.0), 0.01, "handheld"),
        ((0.05, 0.2, 0.1), (0.0, 0.2, 0.0), 0.03, "tilt"),
        ((0.05, 0.0, 0.06), (0.05, 0.0, 0.06), 0.02, "zoom"),
    ],
)
def test_classes(
    amount: tuple[float, ...], net: tuple[float, ...], jitter: float, kind: str
) -> None:
    assert classify(np.array(amount), np.array(net), jitter) == kind
