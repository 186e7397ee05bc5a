"""Scores have the units they state and move with what they measure."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from pipeline import schema as s
from pipeline.motion.analysis import Analysis, analyse
from pipeline.scores.pixels import (
    blur_score,
    exposure_scores,
    luma_scores,
    motion_scores,
    resize_area,
)
from tests.helpers.counter_media import write_video
from tests.helpers.moving_scenes import SIZE, scene, to_uint8


def analysis_of(tmp_path: Path, frames: np.ndarray, **options: object) -> Analysis:
    path = write_video(
        tmp_path / f"a.{options.pop('suffix', 'mp4')}", list(to_uint8(frames)), **options
    )  # type: ignore[arg-type]
    *_, analysis = analyse(path)
    assert analysis is not None
    return analysis


@pytest.mark.parametrize("speed", [0.5, 1.0, 2.0])
def test_motion_is_in_diagonals_per_second(tmp_path: Path, speed: float) -> None:
    analysis = analysis_of(tmp_path, scene(3, 50, speed=speed))
    scores = motion_scores(analysis, 0, 50)
    truth = speed * 25 / np.hypot(*SIZE)
    assert scores[s.MOTION_MEAN] == pytest.approx(truth, rel=0.35)
    assert scores[s.MOTION_P95] >= scores[s.MOTION_MEAN]  # type: ignore[operator]
    assert scores[s.STATIC_SHARE] == 0.0


def test_a_still_is_static_and_one_frame_is_not_measured(tmp_path: Path) -> None:
    analysis = analysis_of(tmp_path, np.repeat(scene(3, 1), 30, axis=0), options={"crf": "30"})
    scores = motion_scores(analysis, 0, 30)
    assert scores[s.MOTION_MEAN] < 0.003  # type: ignore[operator]
    assert scores[s.STATIC_SHARE] == 1.0
    assert set(motion_scores(analysis, 4, 5).values()) == {None}


def test_motion_does_not_depend_on_the_codec(tmp_path: Path) -> None:
    frames = scene(4, 40, speed=1.5)
    values = [
        motion_scores(analysis_of(tmp_path, frames, **options), 0, 40)[s.MOTION_MEAN]
        for options in (
            {"options": {"crf": "15"}},
            {"suffix": "avi", "codec": "mpeg4", "options": {"b": "1M"}},
            {
                "suffix": "webm",
                "codec": "libvpx-vp9",
                "options": {"deadline": "realtime", "b": "1M"},
            },
        )
    ]
    assert max(values) / min(values) < 1.05  # type: ignore[type-var,operator]


def test_half_moving_half_still(tmp_path: Path) -> None:
    moving = scene(5, 30, speed=2)
    frames = np.concatenate([moving, np.repeat(moving[-1:], 30, axis=0)])
    scores = motion_scores(analysis_of(tmp_path, frames), 0, 60)
    assert scores[s.STATIC_SHARE] == pytest.approx(0.5, abs=0.05)


def test_luma(tmp_path: Path) -> None:
    frames = np.concatenate([np.full((10, 90, 160, 3), v, np.float32) for v in (51, 153)])
    analysis = analysis_of(tmp_path, frames)
    assert luma_scores(analysis, 0, 20)[s.LUMA_MEAN] == pytest.approx(0.4, abs=0.01)
    assert luma_scores(analysis, 0, 20)[s.LUMA_STD] == pytest.approx(0.2, abs=0.01)
    assert luma_scores(analysis, 0, 10)[s.LUMA_MEAN] == pytest.approx(0.2, abs=0.01)
    assert luma_scores(analysis, 0, 10)[s.LUMA_STD] == pytest.approx(0.0, abs=0.01)


def test_exposure_is_a_share_of_the_pixels() -> None:
    frames = np.full((2, 10, 20, 3), 128, np.uint8)
    frames[:, :, :5] = 255
    frames[0, :3, 5:] = 3
    scores = exposure_scores(frames)
    assert scores[s.OVEREXPOSED] == pytest.approx(0.25)
    assert scores[s.UNDEREXPOSED] == pytest.approx(45 / 400)


def test_blur_falls_with_smoothing_not_with_contrast() -> None:
    rng = np.random.default_rng(0)
    sharp = rng.integers(0, 255, (2, 64, 64, 3)).astype(np.float64)
    soft = sharp.copy()
    for axis in (1, 2):
        soft = (np.roll(soft, 1, axis) + soft + np.roll(soft, -1, axis)) / 3
    high, low = blur_score(to_uint8(sharp)), blur_score(to_uint8(soft))
    assert high is not None and low is not None and high > 5 * low
    assert blur_score(to_uint8(sharp * 0.4 + 90)) == pytest.approx(high, rel=0.05)
    assert blur_score(np.full((3, 32, 32, 3), 128, np.uint8)) is None


def test_resize_area_keeps_means() -> None:
    picture = np.random.default_rng(0).random((45, 70))
    assert resize_area(picture, 9, 7).mean() == pytest.approx(picture.mean())
    np.testing.assert_allclose(resize_area(picture, 9, 7)[0, 0], picture[:5, :10].mean())
    assert resize_area(picture, 90, 140).shape == (90, 140)
