"""What part of a clip a model sees."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.loader.view import ClipView, decode_view
from pipeline.shards.ranges import ClipError
from pipeline.video.encode import encode_mp4


@given(n=st.integers(1, 400), fps=st.sampled_from([5.0, 8.0, 23.976, 25.0, 30.0, 60.0]))
def test_frames_are_one_plus_four_k_in_order(n, fps):
    view = ClipView()
    indices = view.indices(n, fps)
    assert len(indices) % 4 == 1 and len(indices) <= 17
    assert indices == sorted(set(indices)) and indices[-1] < n
    if len(indices) > 1:
        stride = np.diff(indices)
        assert abs(stride.mean() - max(1, fps / 8)) < 0.3


def test_known_frames():
    assert ClipView().indices(17, 8.0) == list(range(17))
    assert ClipView().indices(16, 8.0) == list(range(13))
    assert ClipView().indices(4, 8.0) == [0]
    assert ClipView().indices(60, 24.0) == [3 * k for k in range(17)]
    assert ClipView(fps=None, max_frames=9).indices(60, 24.0) == list(range(9))
    assert ClipView().indices(9, 12.0) == [0, 2, 3, 4, 6], "the nearest frame, ties to even"
    assert ClipView().rate(24.0) == 8.0 and ClipView().rate(5.0) == 5.0


@given(w=st.integers(16, 2000), h=st.integers(16, 2000))
def test_sizes_fit_the_budget_and_the_clip(w, h):
    wide, high = ClipView().size(w, h)
    assert wide % 16 == 0 and high % 16 == 0
    assert wide * high <= 4096 and wide <= w and high <= h


@pytest.mark.parametrize(
    ("native", "want"),
    [((64, 64), (64, 64)), ((80, 48), (80, 48)), ((48, 80), (48, 80)), ((1920, 1080), (80, 48)),
     ((32, 32), (32, 32)), ((720, 1280), (48, 80)), ((10, 10), (16, 16))],
)  # fmt: skip
def test_known_sizes(native, want):
    assert ClipView().size(*native) == want


def test_picture_is_scaled_and_cropped_not_stretched():
    y, x = np.mgrid[:96, :256]
    circle = ((x - 128) ** 2 + (y - 48) ** 2 < 30**2) * np.uint8(255)
    data = encode_mp4(np.repeat(np.repeat(circle[None, :, :, None], 3, 3), 5, 0), 8)
    view = ClipView()
    frames = decode_view(data, view, n_frames=5, fps=8.0, width=256, height=96)
    assert frames.shape == (5, *view.size(256, 96)[::-1], 3)
    bright = frames[0, :, :, 1] > 128
    high, wide = bright.any(1).sum(), bright.any(0).sum()
    assert abs(int(high) - int(wide)) <= 1


def test_native_view_only_crops():
    frames = np.random.default_rng(0).integers(0, 255, (1, 40, 72, 3), np.uint8)
    frames = np.repeat(np.repeat(frames[:, ::8, ::8], 8, 1), 8, 2)
    data = encode_mp4(frames, 8, crf=1)
    view = ClipView(max_pixels=None, multiple=16)
    out = decode_view(data, view, n_frames=1, fps=8.0, width=72, height=40)
    assert out.shape == (1, 32, 64, 3)
    error = np.abs(out.astype(int) - frames[:, 4:36, 4:68].astype(int))
    assert error.mean() < 40  # chroma is subsampled; a shift by one block gives about 85


def test_the_middle_is_kept_each_way():
    """With the two offsets exchanged, wide pictures lose one side and tall ones their feet."""
    y, x = np.mgrid[:44, :64]
    frame = np.stack([x * 4, y * 5, 0 * x], -1).astype(np.uint8)
    data = encode_mp4(frame[None], 8, crf=1)
    view = ClipView(max_pixels=None, multiple=16)
    out = decode_view(data, view, n_frames=1, fps=8.0, width=64, height=44)[0].astype(int)
    assert out.shape == (32, 64, 3)
    assert np.abs(out - frame[6:38].astype(int)).mean() < 6


def test_undecodable_bytes_are_a_clip_error():
    with pytest.raises(ClipError, match="cannot decode 20 bytes") as caught:
        decode_view(b"x" * 20, ClipView(), n_frames=5, fps=8.0, width=64, height=64)
    assert caught.value.kind == "decode"
    data = encode_mp4(np.zeros((3, 32, 32, 3), np.uint8), 8)
    with pytest.raises(ClipError):
        decode_view(data, ClipView(), n_frames=9, fps=8.0, width=32, height=32)
