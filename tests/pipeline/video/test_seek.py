"""Frames reached by seeking are the very frames that decoding from the start gives."""

from __future__ import annotations

import numpy as np
import pytest

from pipeline.video.decode import decode_clip
from pipeline.video.encode import encode_mp4
from pipeline.video.seek import decode_frames
from tests.helpers.moving_scenes import scene, to_uint8

FRAMES = 150


@pytest.fixture(scope="module")
def clip() -> bytes:
    return encode_mp4(to_uint8(scene(1, FRAMES, speed=3)), 24.0)


@pytest.mark.parametrize("size", [None, (40, 24)])
def test_same_frames_as_from_the_start(clip: bytes, size: tuple[int, int] | None) -> None:
    indices = [0, 1, 47, 48, 49, 75, 95, 96, FRAMES - 1]
    expected, _ = decode_clip(clip, indices=indices, size=size)
    np.testing.assert_array_equal(decode_frames(clip, indices=indices, size=size), expected)


def test_order_and_repeats_are_kept(clip: bytes) -> None:
    frames = decode_frames(clip, indices=[120, 3, 120])
    expected, _ = decode_clip(clip, indices=[3, 120])
    np.testing.assert_array_equal(frames, expected[[1, 0, 1]])


def test_a_clip_of_one_frame(clip: bytes) -> None:
    one = encode_mp4(to_uint8(scene(2, 1)), 24.0)
    assert decode_frames(one, indices=[0]).shape[0] == 1


@pytest.mark.parametrize("indices", [[FRAMES], [-1], []])
def test_frames_that_are_not_there_are_refused(clip: bytes, indices: list[int]) -> None:
    with pytest.raises(ValueError, match="frames"):
        decode_frames(clip, indices=indices)
