"""The frames of a clip: the same for every backend, scaled without changing shape, hashed by content."""

from __future__ import annotations

import numpy as np
import pytest

from captioner.ask.frames import clip_frames, frames_hash, frames_key, from_pixels, scaled_size
from captioner.ask.prompts import PROMPTS, fill, prompt_hash, prompt_set
from pipeline.video.encode import encode_mp4


def clip(n: int, width: int = 96, height: int = 64) -> bytes:
    levels = np.linspace(20, 230, n).astype(np.uint8)
    frames = np.broadcast_to(levels[:, None, None, None], (n, height, width, 3)).copy()
    return encode_mp4(frames, 10.0, crf=8)


@pytest.mark.parametrize(
    ("n", "k", "centres"), [(16, 4, [2, 6, 10, 14]), (3, 8, [0, 1, 2]), (1, 8, [0])]
)
def test_frames_are_the_centres_of_equal_spans(n: int, k: int, centres: list[int]) -> None:
    shown = clip_frames(clip(n), n_frames=n, fps=10.0, width=96, height=64, frames=k, side=384)
    levels = np.linspace(20, 230, n)
    assert shown.images.shape == (len(centres), 64, 96, 3)
    assert np.abs(shown.images.mean((1, 2, 3)) - levels[centres]).max() < 3
    assert shown.seconds == pytest.approx(n / 10)


def test_frames_without_times_are_the_centres_of_equal_spans_too() -> None:
    """A prompt says when each was: told from the start of its span, events come too early."""
    shown = from_pixels(np.zeros((4, 8, 8, 3), np.uint8), 4.0)
    assert shown.times_s == pytest.approx((0.5, 1.5, 2.5, 3.5))


def test_frames_are_scaled_down_with_their_aspect_and_never_up() -> None:
    shown = clip_frames(clip(4), n_frames=4, fps=10.0, width=96, height=64, frames=2, side=48)
    assert shown.images.shape == (2, 32, 48, 3)
    assert scaled_size(1920, 1080, 384) == (384, 216)
    assert scaled_size(1080, 1920, 384) == (216, 384)
    assert scaled_size(64, 48, 384) == (64, 48)
    assert scaled_size(5000, 1, 384) == (384, 1)


def test_equal_clips_hash_equal_and_any_change_shows() -> None:
    def hashed(**changes: int) -> str:
        settings = {"frames": 4, "side": 384} | changes
        return clip_frames(clip(8), n_frames=8, fps=10.0, width=96, height=64, **settings).hash

    assert hashed() == hashed()
    assert len({hashed(), hashed(frames=5), hashed(side=48)}) == 3
    pixels = np.zeros((1, 4, 4, 3), np.uint8)
    other = pixels.copy()
    other[0, 3, 3, 2] = 1
    assert frames_hash(pixels, 1.0) != frames_hash(other, 1.0)
    assert frames_hash(pixels, 1.0) != frames_hash(pixels, 1.2)
    assert frames_hash(pixels, 1.0) != frames_hash(pixels.reshape(1, 2, 8, 3), 1.0)


def test_the_key_follows_clip_and_settings() -> None:
    keys = {
        frames_key("ab", 8, 384),
        frames_key("ac", 8, 384),
        frames_key("ab", 9, 384),
        frames_key("ab", 8, 64),
    }
    assert len(keys) == 4 and all(len(key) == 16 for key in keys)


def test_wrong_pixels_are_refused() -> None:
    for bad in (
        np.zeros((2, 4, 4), np.uint8),
        np.zeros((2, 4, 4, 3), np.float32),
        np.zeros((0, 4, 4, 3), np.uint8),
    ):
        with pytest.raises(ValueError, match="uint8"):
            from_pixels(bad, 1.0)


def test_prompts_are_filled_hashed_and_replaceable() -> None:
    filled = fill(PROMPTS["dense"], frames=8, seconds=2.44)
    assert "8 frames" in filled and "2.4 second" in filled and "{" not in filled
    mine = prompt_set("org/vlm", {"short": "Say {{braces}} in {seconds} s"})
    assert fill(mine["short"], frames=1, seconds=1) == "Say {braces} in 1.0 s"
    assert mine["dense"] == PROMPTS["dense"]
    assert prompt_hash(mine["short"]) != prompt_hash(PROMPTS["short"])
    assert prompt_set("embedded")["dense"] != PROMPTS["dense"]
    with pytest.raises(ValueError, match="placeholder"):
        fill("How many {things}?", frames=1, seconds=1)
