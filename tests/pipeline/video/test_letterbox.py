"""Bars to the pixel, and no bar where a picture is merely dark or plain."""

from __future__ import annotations

from pathlib import Path

import av
import numpy as np
import pytest
from av.video.reformatter import VideoReformatter

from pipeline.motion.analysis import analyse
from pipeline.video.letterbox import COLUMNS, Box, frame_bars, luma_bars, picture_box, picture_boxes
from tests.helpers.counter_media import write_video
from tests.helpers.moving_scenes import scene, to_uint8

W, H = 160, 96
WHOLE = Box(x=0, y=0, width=W, height=H)


def picture(seed: int = 0, low: int = 40, high: int = 220) -> np.ndarray:
    """uint8 luma (96, 160) full of coarse texture."""
    cells = np.random.default_rng(seed).integers(low, high, (H // 8, W // 8), dtype=np.uint8)
    return cells.repeat(8, 0).repeat(8, 1)


def barred(luma: np.ndarray, top: int, bottom: int, left: int, right: int, level: int = 16):
    out = np.full_like(luma, level)
    out[top : H - bottom, left : W - right] = luma[top : H - bottom, left : W - right]
    return out


def box_of(*frames: np.ndarray) -> Box | None:
    return picture_box(np.stack([luma_bars(frame) for frame in frames]), W, H)


@pytest.mark.parametrize("bars", [(11, 11, 0, 0), (0, 0, 21, 20), (5, 7, 9, 2), (0, 13, 0, 0)])
@pytest.mark.parametrize("noise", [0, 4])
def test_black_bars(bars: tuple[int, int, int, int], noise: int) -> None:
    rng = np.random.default_rng(1)
    frames = [
        barred(picture(i), *bars) + rng.integers(0, noise + 1, (H, W)).astype(np.uint8)
        for i in range(3)
    ]
    top, bottom, left, right = bars
    assert box_of(*frames) == Box(x=left, y=top, width=W - left - right, height=H - top - bottom)


def test_no_bars_in_what_is_only_dark() -> None:
    assert box_of(picture()) == WHOLE
    night = picture(low=16, high=22)
    for column, roof in enumerate(np.random.default_rng(2).integers(44, 80, W // 8)):
        night[roof:, 8 * column : 8 * column + 8] = 90  # a town under a black sky: no straight edge
    assert box_of(night, night) == WHOLE
    y, x = np.mgrid[:H, :W]
    spot = np.clip(16 + 200 * (1 - np.hypot(x - 80, y - 48) / 40), 16, 235).astype(np.uint8)
    assert box_of(spot, spot) == WHOLE
    half = picture()
    half[:, :70] = 16
    half[20:60, 66:70] = 90  # a curtain whose edge is not straight
    half[60:, 70:76] = 16
    assert box_of(half) == WHOLE


def test_black_frames_say_nothing_and_do_no_harm() -> None:
    black = np.full((H, W), 17, np.uint8)
    assert box_of(black) is None
    assert picture_box(np.empty((0, COLUMNS), np.float32), W, H) is None
    dim = barred(picture(low=16, high=60), 10, 10, 0, 0)
    assert box_of(black, dim, barred(picture(), 10, 10, 0, 0)) == Box(x=0, y=10, width=W, height=76)


def test_what_shows_in_a_bar_keeps_it() -> None:
    frame = barred(picture(), 20, 20, 0, 0)
    titled = frame.copy()
    titled[H - 14 : H - 8, 40:120] = 235
    assert box_of(frame, titled, frame) == Box(x=0, y=20, width=W, height=76)


def test_plain_bars_come_in_pairs() -> None:
    frames = [barred(picture(i), 15, 15, 0, 0, level=210) for i in range(3)]
    assert box_of(*frames) == Box(x=0, y=15, width=W, height=66)
    sides = [barred(picture(i), 0, 0, 30, 30, level=128) for i in range(3)]
    assert box_of(*sides) == Box(x=30, y=0, width=100, height=H)
    assert box_of(frames[0], picture()) == WHOLE, "not in every frame"
    assert box_of(barred(picture(), 15, 0, 0, 0, level=210)) == WHOLE, "a plain sky"
    grid = np.full((H, W), 100, np.uint8)
    grid[8::16] = 140
    assert box_of(grid) == WHOLE, "lines of a grid"
    square = np.full((H, W), 128, np.uint8)
    square[20:76, 50:110] = 200
    assert box_of(square) == WHOLE, "an object on a plain ground"


def test_dark_clips_follow_the_others_of_their_source() -> None:
    clear = np.stack([luma_bars(barred(picture(i), 12, 12, 0, 0)) for i in range(3)])
    dim_picture = picture(low=16, high=20)
    dim_picture[40:50, 60:80] = 90
    dim = luma_bars(dim_picture)[None]
    open_matte = luma_bars(picture())[None]
    boxes = picture_boxes([clear, dim, clear, open_matte], W, H)
    assert boxes == [
        Box(x=0, y=12, width=W, height=72),
        Box(x=0, y=12, width=W, height=72),
        Box(x=0, y=12, width=W, height=72),
        WHOLE,
    ]
    assert picture_boxes([clear, dim], W, H)[1] == WHOLE, "one clip is no habit"


@pytest.mark.parametrize(
    "codec,suffix,options",
    [
        ("libx264", "mp4", {"crf": "34"}),
        ("mpeg4", "avi", {"b": "500k"}),
        ("libvpx-vp9", "webm", {"deadline": "realtime", "b": "300k"}),
    ],
)
def test_exact_through_codecs(
    tmp_path: Path, codec: str, suffix: str, options: dict[str, str]
) -> None:
    frames = np.pad(to_uint8(scene(3, 20)), ((0, 0), (13, 11), (6, 0), (0, 0)))
    path = write_video(tmp_path / f"a.{suffix}", list(frames), codec=codec, options=options)
    *_, analysis = analyse(path)
    assert analysis is not None and analysis.looks.tolist() == [0, 7, 14]
    assert analysis.size == (166, 114)
    assert picture_box(analysis.bars, 166, 114) == Box(x=6, y=13, width=160, height=90)


def video_frame(luma: np.ndarray, pixels: str, full: bool) -> av.VideoFrame:
    """A frame whose luma is ``luma`` as it stands, marked as full or limited range."""
    frame = av.VideoFrame(W, H, pixels)
    plane = np.frombuffer(frame.planes[0], np.uint8).reshape(-1, frame.planes[0].line_size)
    plane[:H, :W] = luma
    for chroma in frame.planes[1:]:
        np.frombuffer(chroma, np.uint8)[:] = 128
    frame.color_range = 2 if full else 1
    return frame


@pytest.mark.parametrize("pixels", ["yuv420p", "yuvj420p"])
def test_black_is_where_the_range_says(pixels: str) -> None:
    """Full range has black at 0, so 20 is a dark picture there and a bar in limited range.

    Judged by the wrong black, a dim screen recording loses its edges, or a film keeps its bars.
    """
    dim = barred(picture(), 10, 10, 0, 0, level=22)
    black = barred(picture(), 10, 10, 0, 0, level=2)
    inside = Box(x=0, y=10, width=W, height=H - 20)

    def box(luma: np.ndarray, full: bool) -> Box | None:
        return picture_box(
            frame_bars(video_frame(luma, pixels, full), VideoReformatter())[None], W, H
        )

    full = frame_bars(video_frame(dim, pixels, True), VideoReformatter())
    np.testing.assert_array_equal(full, luma_bars(dim, black=0))
    assert not full[:4].any(), "a picture of level 22 is no bar in full range"
    assert box(black, True) == inside
    if pixels == "yuv420p":
        limited = frame_bars(video_frame(dim, pixels, False), VideoReformatter())
        np.testing.assert_array_equal(limited, luma_bars(dim, black=16))
        assert limited[:2].tolist() == [10, 10] and box(dim, False) == inside


def test_other_formats_are_turned_into_limited_range_first() -> None:
    grey = np.repeat(barred(picture(), 10, 10, 0, 0, level=0)[..., None], 3, axis=2)
    frame = av.VideoFrame.from_ndarray(grey, format="rgb24")
    bars = frame_bars(frame, VideoReformatter())
    assert picture_box(bars[None], W, H) == Box(x=0, y=10, width=W, height=H - 20)
    grey[grey == 0] = 24  # full range: 16 + 24 * 219 / 255 = 37, no black
    bars = frame_bars(av.VideoFrame.from_ndarray(grey, format="rgb24"), VideoReformatter())
    assert not bars[:4].any()


def test_boxes_turn_and_scale() -> None:
    box = Box(x=3, y=10, width=20, height=5)
    corner = np.zeros((40, 60), int)
    corner[10:15, 3:23] = 1
    for turns in range(4):
        turned = box.turned(turns, 60, 40)
        ys, xs = np.nonzero(np.rot90(corner, turns))
        assert (turned.x, turned.y) == (xs.min(), ys.min())
        assert (turned.width, turned.height) == (np.ptp(xs) + 1, np.ptp(ys) + 1)
    assert box.even() == Box(x=4, y=10, width=18, height=4)
    assert box.scaled((60, 40), (30, 20)) == Box(x=2, y=5, width=10, height=3)
