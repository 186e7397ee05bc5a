"""Looks: copies agree, other colours and other movement do not, and every word is where it is said to be."""

from __future__ import annotations

from base64 import b64decode

import numpy as np
import pytest

from benchmarks.fixed_cameras import camera
from pipeline.schema import LOOK_CHARS
from pipeline.scores.look import activity, board, clip_look, colours, look_frames, perceptual_hash
from pipeline.select.looks import read_looks, same_look, spread
from pipeline.video.decode import decode_clip
from pipeline.video.encode import encode_mp4


def bits(a: int, b: int) -> int:
    return (a ^ b).bit_count()


def to_uint8(values: np.ndarray) -> np.ndarray:
    return np.clip(values, 0, 255).astype(np.uint8)


def smooth(seed: int) -> np.ndarray:
    """A smooth colour picture, float (96, 128, 3)."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[0:96, 0:128] / 20
    waves = [
        np.sin(x * rng.uniform(0.3, 2) + y * rng.uniform(0.3, 2) + rng.uniform(0, 6))
        for _ in range(3)
    ]
    return 128 + 80 * np.stack(waves, axis=-1)


def alike(a: np.ndarray, b: np.ndarray) -> bool:
    return bool(same_look(*(read_looks([clip_look(each)]) for each in (a, b)))[0])


def passing(colour: tuple[int, int, int], row: int, ground: tuple[int, int, int]) -> np.ndarray:
    """Eight samples of a box of a colour that crosses a plain ground at a height."""
    frames = np.empty((8, 72, 128, 3), np.uint8)
    frames[:] = ground
    for i in range(8):
        frames[i, row : row + 16, 14 * i : 14 * i + 18] = colour
    return frames


def test_perceptual_hash_survives_scale_brightness_and_noise() -> None:
    rng = np.random.default_rng(4)
    first, other = smooth(1), smooth(2)
    mark = perceptual_hash(to_uint8(first)[None])
    for changed in (first * 0.7 + 20, first[::2, ::2], first + rng.normal(0, 5, first.shape)):
        assert bits(mark, perceptual_hash(to_uint8(changed)[None])) <= 6
    assert bits(mark, perceptual_hash(to_uint8(other)[None])) >= 16


def test_a_look_is_a_short_text_of_a_fixed_length() -> None:
    for k in (1, 2, 3, 8, 16):
        samples = np.repeat(to_uint8(smooth(3))[None], k, axis=0)
        look = clip_look(samples)
        assert len(look) == LOOK_CHARS and look[0] == "1" and look.isascii()
        words = np.frombuffer(b64decode(look[1:]), "<u8")
        assert int(words[1]) == perceptual_hash(samples), "the middle one's structure"
        assert words[6:].tolist() == [0, 0, 0], "nothing moves"
        assert all(0 <= at < k for at in look_frames(k))
    with pytest.raises(ValueError, match="no look"):
        read_looks(["short"])


def test_a_copy_looks_the_same() -> None:
    rng = np.random.default_rng(7)
    frames = camera(rng, (192, 112)).shot(rng, 24, 3)
    seen = decode_clip(encode_mp4(frames, 8.0, crf=18))[0][1::3]
    again = decode_clip(encode_mp4(frames, 8.0, crf=32))[0][1::3]
    assert alike(seen, again) and alike(seen, seen[:, ::2, ::2])
    grey = np.repeat((seen @ [0.2126, 0.7152, 0.0722])[..., None], 3, axis=3).astype(np.uint8)
    assert alike(seen, grey), "a grey copy is a copy"


def test_grounds_that_differ_in_colour_alone_are_two() -> None:
    red, green = (
        np.full((8, 72, 128, 3), colour, np.uint8) for colour in ((150, 40, 40), (30, 110, 30))
    )
    for ground in (red, green):
        ground[:, 20:40, 30:60] = (ground[:, 20:40, 30:60] * 0.5).astype(np.uint8)
    assert not alike(red, green) and alike(red, red) and alike(green, green)
    assert colours(np.full((8, 8, 3), 90, np.uint8)) == 0x8888888888888888


def test_what_moves_tells_clips_of_one_camera_apart() -> None:
    grey, blue, red = (120, 120, 118), (30, 40, 200), (200, 40, 30)
    nothing = passing(grey, 0, grey)
    first, lower, other = (
        passing(blue, 10, grey),
        passing(blue, 50, grey),
        passing(red, 10, grey)[::-1],
    )
    assert alike(first, passing(blue, 12, grey)), "a little lower is the same"
    assert not alike(first, nothing) and not alike(first, lower) and not alike(first, other)
    assert activity(nothing) == 0 < activity(first) < 0.2


def test_boards() -> None:
    moved = np.zeros((32, 32), bool)
    moved[0, 0] = True
    assert board(moved) == 0, "one cell of sixteen is noise"
    moved[0, 1] = moved[31, 30] = moved[31, 31] = True
    assert board(moved) == 1 | 1 << 63
    corner, middle = np.array([1], np.uint64), np.array([1 << 27], np.uint64)
    assert int(spread(corner)[0]) == 0x303
    assert int(spread(middle)[0]).bit_count() == 9
    assert int(spread(np.array([1 << 7], np.uint64))[0]) == 0xC0C0, "it does not wrap around"
