"""Cropped frames are the same pixels and keep what belongs to the frame."""

from __future__ import annotations

from fractions import Fraction

import av
import numpy as np
import pytest

from pipeline.video.crop import Cropper
from pipeline.video.letterbox import Box


@pytest.mark.parametrize("form", ["yuv420p", "yuv422p10le", "rgb24"])
def test_pixels_time_and_colours_stay(form: str) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (48, 64, 3), dtype=np.uint8)
    box = Box(x=8, y=6, width=40, height=30)
    crop = Cropper(box)
    for pts in (5, 9):
        frame = av.VideoFrame.from_ndarray(pixels, format="rgb24").reformat(format=form)
        frame.pts, frame.time_base = pts, Fraction(1, 90)
        frame.color_range = 1
        out = crop(frame)
        assert (out.width, out.height, out.format.name, out.pts) == (40, 30, form, pts)
        assert out.color_range == frame.color_range
        a, b = (samples(each) for each in (frame, out))
        across = 3 if form == "rgb24" else 1
        np.testing.assert_array_equal(a[6:36, 8 * across : 48 * across], b[:, : 40 * across])


def test_nothing_to_cut_is_the_frame_itself() -> None:
    frame = av.VideoFrame(64, 48, "yuv420p")
    assert Cropper(None)(frame) is frame
    assert Cropper(Box(x=0, y=0, width=64, height=48))(frame) is frame


def samples(frame: av.VideoFrame) -> np.ndarray:
    """First plane of a frame, one row a line, padding included."""
    kind = np.uint16 if frame.format.name.endswith("10le") else np.uint8
    return np.frombuffer(frame.planes[0], kind).reshape(frame.height, -1)
