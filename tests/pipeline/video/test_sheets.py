"""Contact sheets: which frames, where they lie, and what is written above them."""

from __future__ import annotations

import base64
import io

import numpy as np
from PIL import Image

from pipeline.video.sheets import (
    BAR,
    FRAMES,
    GAP,
    contact_sheet,
    enlarged,
    jpeg_base64,
    picks,
    png_bytes,
    side_by_side,
    stacked,
    webp_bytes,
)


def test_picks_are_evenly_spaced_with_both_ends():
    assert picks(17, 5) == [0, 4, 8, 12, 16]
    assert picks(3, 6) == [0, 1, 2] and picks(1, 6) == [0] and picks(0, 6) == []


def test_rows_and_stacks_keep_every_pixel():
    red, blue = np.full((2, 3, 3), 10, np.uint8), np.full((2, 3, 3), 20, np.uint8)
    row = side_by_side([red, blue], gap=1)
    assert row.shape == (2, 8, 3)
    assert row[0, :, 0].tolist() == [10, 10, 10, 255, 20, 20, 20, 255]
    sheet = stacked([row, red], gap=1, fill=0)
    assert sheet.shape == (6, 8, 3)
    assert sheet[3, :, 0].tolist() == [10, 10, 10, 0, 0, 0, 0, 0]
    assert not sheet[2].any() and not sheet[5].any()
    assert enlarged(sheet, 2).shape == (12, 16, 3)


def test_a_contact_sheet_has_a_row_for_each_video_and_its_caption():
    videos = [np.full((9, 4, 6, 3), 30, np.uint8), np.full((2, 4, 6, 3), 60, np.uint8)]
    sheet = contact_sheet(videos, ["a red circle moves left and out of sight", ""])
    assert sheet.shape == (2 * (BAR + 8 + GAP), FRAMES * (12 + GAP), 3)
    assert (sheet[BAR : BAR + 8, :12] == 30).all(), "frames are below the bar"
    assert sheet[:BAR].min() < 100, "words are drawn in it"
    second = BAR + 8 + GAP
    assert (sheet[second : second + BAR] == 255).all(), "no caption, no words"
    assert (sheet[second + BAR : second + BAR + 8, 16:28] == 60).all()
    assert (sheet[second + BAR :, 2 * 16 :] == 255).all(), "a short video ends early"


def test_files_are_what_they_say():
    picture = np.random.default_rng(0).integers(0, 255, (8, 8, 3), np.uint8)
    assert (np.asarray(Image.open(io.BytesIO(png_bytes(picture)))) == picture).all()
    photo = Image.open(io.BytesIO(base64.b64decode(jpeg_base64(picture, 74))))
    assert photo.format == "JPEG" and photo.size == (8, 8)


def test_an_animated_preview_has_every_frame_at_its_rate_and_repeats():
    video = np.zeros((3, 16, 32, 3), np.uint8)
    video[1], video[2] = 120, 240
    preview = Image.open(io.BytesIO(webp_bytes(video, 8.0, side=64)))
    assert preview.size == (64, 32)
    assert preview.n_frames == 3
    assert preview.info["loop"] == 0
    shown = []
    for index in range(3):
        preview.seek(index)
        preview.load()
        shown.append(np.asarray(preview.convert("RGB")).mean())
        assert preview.info["duration"] == 125
    assert np.allclose(shown, [0, 120, 240], atol=4)
