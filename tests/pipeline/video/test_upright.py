"""What a command is given is read as a player shows it: turned, of square pixels, in colours of a screen."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image

from jobs.generate.inputs import read_picture, read_video
from jobs.generate.shown import video_size
from tests.helpers.counter_media import rotate_mp4

HALVES = np.zeros((48, 80, 3), np.uint8)
HALVES[:, :40] = (200, 40, 40)
"""Red on the left, black on the right."""


def write(path: Path, *, aspect: Fraction | None = None) -> Path:
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=8)
        stream.width, stream.height, stream.pix_fmt = 80, 48, "yuv420p"
        if aspect:
            stream.codec_context.sample_aspect_ratio = aspect
        for _ in range(3):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(HALVES, "rgb24")))
        container.mux(stream.encode())
    return path


def red(pixels: np.ndarray) -> str:
    """Which half of a picture is red."""
    light = pixels[..., 0].astype(float)
    height, width = light.shape
    sides = {
        "left": light[:, : width // 2],
        "right": light[:, width // 2 :],
        "top": light[: height // 2],
        "bottom": light[height // 2 :],
    }
    return max(sides, key=lambda name: sides[name].mean())


@pytest.mark.parametrize(("turn", "where"), [(90, "top"), (180, "right"), (270, "bottom")])
def test_a_video_that_a_phone_turned_is_read_upright(tmp_path: Path, turn: int, where: str) -> None:
    path = rotate_mp4(write(tmp_path / "a.mp4"), turn)
    frames = read_video(path, None, 8.0)
    assert len(frames) == 3 and red(frames[0]) == where
    assert video_size(path) == (frames.shape[2], frames.shape[1])
    assert frames.shape[1:3] == ((48, 80) if turn == 180 else (80, 48))


def test_pixels_become_square(tmp_path: Path) -> None:
    path = write(tmp_path / "a.mp4", aspect=Fraction(2))
    frames = read_video(path, None, 8.0)
    assert frames.shape == (3, 48, 160, 3) and red(frames[0]) == "left"
    assert video_size(path) == (160, 48)


def test_a_plain_video_keeps_its_pixels(tmp_path: Path) -> None:
    path = write(tmp_path / "a.mp4")
    with av.open(str(path)) as container:
        want = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
    np.testing.assert_array_equal(read_video(path, None, 8.0), want)


def test_a_picture_that_a_phone_turned_is_read_upright(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(HALVES).save(tmp_path / "a.jpg", exif=exif)
    picture = read_picture(tmp_path / "a.jpg", None)
    assert picture.shape == (80, 48, 3) and red(picture) == "top"
