"""Frames that stand for a foreign file: evenly spaced, scaled, with the video's length; failures typed."""

from __future__ import annotations

import numpy as np
import pytest

from pipeline.video.encode import encode_mp4
from pipeline.video.probe import MediaError
from pipeline.video.stills import sample_video


def test_frames_are_spread_over_the_video(tmp_path):
    grey = np.linspace(20, 230, 200).astype(np.uint8)
    video = np.broadcast_to(grey[:, None, None, None], (200, 32, 64, 3))
    (tmp_path / "a.mp4").write_bytes(encode_mp4(np.ascontiguousarray(video), 25.0))
    found = sample_video(tmp_path / "a.mp4", count=4, side=32)
    assert found.frames.shape == (4, 16, 32, 3)
    assert found.seconds == pytest.approx(8.0, abs=0.001), (
        "the last frame is shown as long as the others"
    )
    centres = [grey[25], grey[75], grey[125], grey[175]]
    assert np.abs(found.frames.mean(axis=(1, 2, 3)) - centres).max() < 8


def test_a_short_video_gives_every_frame(tmp_path):
    video = np.random.default_rng(0).integers(0, 256, (3, 32, 32, 3), np.uint8)
    (tmp_path / "a.mp4").write_bytes(encode_mp4(video, 8.0))
    found = sample_video(tmp_path / "a.mp4", count=8)
    assert found.frames.shape == (3, 32, 32, 3)
    assert found.seconds == pytest.approx(3 / 8, abs=0.001)


def test_a_file_that_is_no_video_is_a_typed_error(tmp_path):
    (tmp_path / "a.mp4").write_bytes(b"not a video")
    with pytest.raises(MediaError) as raised:
        sample_video(tmp_path / "a.mp4")
    assert raised.value.stage == "open"
