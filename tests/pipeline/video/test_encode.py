"""Encoding is deterministic, playable from the start, and decodes to the frames that went in."""

from __future__ import annotations

import contextlib
import gc
import io
import os
import subprocess
import sys
import weakref
from fractions import Fraction

import av
import numpy as np
import pytest

from pipeline.video.decode import decode_clip, sample_indices
from pipeline.video.encode import ClipEncoder, encode_mp4, rational_fps
from tests.helpers.counter_media import counter_frame, read_number


def counters(n: int) -> np.ndarray:
    return np.stack([counter_frame(i) for i in range(n)])


def test_round_trip() -> None:
    frames = counters(20)
    got, pts_s = decode_clip(encode_mp4(frames, 8))
    assert got.shape == frames.shape and got.dtype == np.uint8
    assert [read_number(frame) for frame in got] == list(range(20))
    np.testing.assert_allclose(pts_s, np.arange(20) / 8, atol=1e-9)
    assert np.abs(got.astype(int) - frames).mean() < 3


def test_equal_frames_give_equal_bytes() -> None:
    frames = np.random.default_rng(0).integers(0, 255, (12, 64, 96, 3), dtype=np.uint8)
    assert encode_mp4(frames, 24) == encode_mp4(frames.copy(), 24)


def test_index_lies_in_front_and_keyframes_at_most_two_seconds_apart() -> None:
    mp4 = encode_mp4(np.repeat(counters(1), 100, axis=0), 10)
    assert mp4.find(b"moov") < mp4.find(b"mdat")
    with av.open(io.BytesIO(mp4)) as container:
        keys = [index for index, frame in enumerate(container.decode(video=0)) if frame.key_frame]
    assert keys[0] == 0 and len(keys) >= 5
    assert max(np.diff([*keys, 100])) <= 20


def test_an_encoder_is_freed_at_once() -> None:
    """It holds megabytes of x264's; waiting for the cycle collector made ingest's memory grow with its source."""
    gc.disable()
    try:
        encoder = ClipEncoder(64, 48, Fraction(25))
        encoder.add(
            av.VideoFrame.from_ndarray(counters(1)[0][:48, :64], "rgb24"), pts=0, duration=1
        )
        encoder.finish()
        alive = weakref.ref(encoder)
        del encoder
        assert alive() is None
    finally:
        gc.enable()


def test_colours_survive() -> None:
    colours = np.array(
        [[255, 0, 0], [0, 255, 0], [0, 0, 255], [255, 255, 255], [9, 9, 9]], np.uint8
    )
    frames = np.tile(colours[:, None, None], (1, 64, 64, 1))
    got, _ = decode_clip(encode_mp4(frames, 10))
    assert np.abs(got.astype(int) - frames).max() <= 3


@pytest.mark.parametrize("codec", ["h264", "av1"])
def test_a_clip_says_how_its_colours_are_meant(codec: str) -> None:
    """Without the tags, or with BT.601's, players guess by the height: skin and grass shift from clip to clip."""
    encoder = ClipEncoder(96, 64, Fraction(8), codec=codec)  # type: ignore[arg-type]
    for number in range(2):
        frame = av.VideoFrame.from_ndarray(np.full((64, 96, 3), 90, np.uint8), "rgb24")
        encoder.add(frame, pts=number, duration=1)
    with av.open(io.BytesIO(encoder.finish())) as container:
        frame = next(container.decode(video=0))
        context = container.streams.video[0].codec_context
        assert (int(frame.colorspace), int(frame.color_range)) == (1, 1)
        assert (context.color_primaries, context.color_trc) == (1, 1)


def test_odd_sizes_lose_a_row_and_a_column() -> None:
    got, _ = decode_clip(encode_mp4(np.full((3, 33, 47, 3), 90, np.uint8), 10))
    assert got.shape == (3, 32, 46, 3)


def test_indices_come_in_the_order_asked_for() -> None:
    got, pts_s = decode_clip(encode_mp4(counters(20), 10), indices=[15, 3, 3])
    assert [read_number(frame) for frame in got] == [15, 3, 3]
    np.testing.assert_allclose(pts_s, [1.5, 0.3, 0.3])
    small, _ = decode_clip(encode_mp4(counters(20), 10), indices=[5], size=(80, 48))
    assert small.shape == (1, 48, 80, 3) and read_number(small[0]) == 5


def test_wrong_input_says_what_is_wrong() -> None:
    with pytest.raises(ValueError, match="float64"):
        encode_mp4(np.zeros((2, 8, 8, 3)), 8)
    with pytest.raises(ValueError, match="non-empty"):
        encode_mp4(np.zeros((0, 8, 8, 3), np.uint8), 8)
    with pytest.raises(ValueError, match="fps"):
        encode_mp4(counters(1), 0)
    with pytest.raises(ValueError, match="20"):
        decode_clip(encode_mp4(counters(3), 8), indices=[20])


def test_rational_fps() -> None:
    assert rational_fps(29.97) == Fraction(30000, 1001)
    assert rational_fps(23.976) == Fraction(24000, 1001)
    assert rational_fps(30000 / 1001) == Fraction(30000, 1001)
    assert rational_fps(12.5) == Fraction(25, 2)


@pytest.mark.parametrize(
    ("n", "k", "expected"), [(8, 4, [1, 3, 5, 7]), (3, 8, [0, 1, 2]), (1, 1, [0])]
)
def test_sample_indices(n: int, k: int, expected: list[int]) -> None:
    assert sample_indices(n, k) == expected


@pytest.mark.parametrize("order", [("av", "decord"), ("decord", "av")])
def test_decord_and_pyav_share_a_process(order: tuple[str, str]) -> None:
    """Each bundles its own FFmpeg, and decord loads its library with global symbols."""
    code = (
        f"import {order[0]}, {order[1]}, io, numpy as np\n"
        "from pipeline.video.encode import encode_mp4\n"
        "from pipeline.video.decode import decode_clip\n"
        "frames = np.random.default_rng(0).integers(0, 255, (9, 64, 64, 3), dtype=np.uint8)\n"
        "mp4 = encode_mp4(frames, 8)\n"
        "reader = decord.VideoReader(io.BytesIO(mp4), num_threads=1)\n"
        "other = reader.get_batch(range(9)).asnumpy().astype(int)\n"
        "assert np.abs(other - decode_clip(mp4)[0]).mean() < 3, 'decoders disagree'\n"
        "assert encode_mp4(frames, 8) == mp4\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


@pytest.mark.skipif(not hasattr(os, "sched_getscheduler"), reason="Linux only")
def test_no_encoder_makes_this_process_a_real_time_one() -> None:
    """SVT-AV1 does where it may, which is as root: the thread that calls it, and its own."""

    def policies() -> list[int]:
        found = []
        for thread in os.listdir("/proc/self/task"):
            with contextlib.suppress(ProcessLookupError):  # it has ended meanwhile
                found.append(os.sched_getscheduler(int(thread)))
        return found

    assert os.SCHED_FIFO not in policies()
    encoder = ClipEncoder(64, 48, Fraction(12), crf=50, codec="av1")
    for i in range(2):
        pixels = np.zeros((48, 64, 3), np.uint8)
        encoder.add(av.VideoFrame.from_ndarray(pixels, format="rgb24"), pts=i, duration=1)
        assert os.SCHED_FIFO not in policies()
    encoder.finish()
    assert os.SCHED_FIFO not in policies()


def test_av1_comes_back() -> None:
    frames = counters(12)
    height, width = frames.shape[1:3]
    encoder = ClipEncoder(width, height, Fraction(12), crf=30, codec="av1")
    for i, pixels in enumerate(frames):
        encoder.add(av.VideoFrame.from_ndarray(pixels, format="rgb24"), pts=i, duration=1)
    video = encoder.finish()
    with av.open(io.BytesIO(video)) as container:
        assert container.streams.video[0].codec_context.codec.canonical_name == "av1"
    got, _ = decode_clip(video)
    assert [read_number(frame) for frame in got] == list(range(12))
    with pytest.raises(ValueError, match="codec 'vp9' is unknown"):
        ClipEncoder(64, 64, Fraction(12), codec="vp9")  # type: ignore[arg-type]
