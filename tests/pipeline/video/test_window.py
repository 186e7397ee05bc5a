"""The first frames of a file: count, size and rate; a broken file is a typed error."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from pipeline.video.encode import encode_mp4
from pipeline.video.probe import MediaError
from pipeline.video.window import decode_window, read_window
from tests.helpers.counter_media import rotate_mp4


def test_the_first_frames_with_their_rate(tmp_path: Path) -> None:
    frames = np.zeros((9, 48, 80, 3), np.uint8)
    frames[:] = (np.arange(9) * 20).astype(np.uint8)[:, None, None, None]
    path = tmp_path / "a.mp4"
    path.write_bytes(encode_mp4(frames, 12))
    found = read_window(path, most=5, side=40)
    assert found.frames.shape == (5, 24, 40, 3) and found.fps == pytest.approx(12)
    assert np.abs(found.frames.mean(axis=(1, 2, 3)) - np.arange(5) * 20).max() < 3
    assert decode_window(str(path), 99, 512).frames.shape == (9, 48, 80, 3)


@pytest.mark.parametrize("angle", [90, 180, 270])
def test_a_turned_video_is_looked_at_upright(tmp_path: Path, angle: int) -> None:
    """Upside down, gravity pulls upwards: motion of phones' videos would be measured against nothing real."""
    frame = np.zeros((48, 80, 3), np.uint8)
    frame[:24, :40] = 250
    path = tmp_path / "a.mp4"
    path.write_bytes(encode_mp4(np.repeat(frame[None], 3, axis=0), 12))
    found = decode_window(str(rotate_mp4(path, angle)), 9, 512).frames[0]
    upright = np.rot90(frame, -angle // 90)  # players turn it clockwise
    assert found.shape == upright.shape
    assert np.abs(found.astype(int) - upright.astype(int)).mean() < 6


def test_a_broken_file_is_a_typed_error(tmp_path: Path) -> None:
    path = tmp_path / "a.mp4"
    path.write_bytes(b"no video")
    with pytest.raises(MediaError):
        read_window(path)
