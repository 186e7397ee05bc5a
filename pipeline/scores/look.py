"""What a clip looks like and where things move in it, as a short text: what duplicates are told by.

Of three frames (near its start, its middle and its end): the structure, as the signs of its lowest cosine coefficients
(Zauner, Implementation and benchmarking of perceptual image hash functions, 2010); the colours, as chroma in 4x2
places. Of its three thirds: where something moves, as an 8x8 board of the places that differ from the usual picture.
A fixed camera's clips share the first two, so the last decides (``select.looks`` compares).
"""

from __future__ import annotations

from base64 import b64encode
from functools import cache

import numpy as np

from pipeline.schema import LOOK_CHARS
from pipeline.scores.pixels import resize_area, to_luma

FRAMES = 3
"""Frames that are described, and parts of the clip in which movement is."""
VERSION = "1"
"""Looks of different versions are never compared; another character whenever a word changes its meaning."""
HASH_SIDE = 32
"""Side of the picture that structure and movement are read from, pixels."""
CHROMA_STEP = 12
"""Step of a colour's number, in steps of 8-bit chroma; 8 of 0 to 15 is grey."""
MOVED = 0.06
"""Change of luma in [0, 1] against the clip's usual picture from which a place has something moving in it."""


def perceptual_hash(samples: np.ndarray) -> int:
    """64-bit hash of the structure of the middle of uint8 RGB samples (k, h, w, 3): signs of its 8x8 lowest cosine
    coefficients.

    Near-duplicates differ in few bits; the constant term is left out, so brightness does not matter. It is what clips
    that may be duplicates are found by; ``clip_look`` is what they are told by.
    """
    return structure(resize_area(to_luma(samples[len(samples) // 2]), HASH_SIDE, HASH_SIDE))


def clip_look(samples: np.ndarray) -> str:
    """The look of uint8 RGB samples (k, h, w, 3) of a clip, in order, as ``LOOK_CHARS`` characters.

    The version; then, in base 64, words of 64 bits (little-endian): structures, colours, boards, three each.
    """
    small = [resize_area(to_luma(frame), HASH_SIDE, HASH_SIDE) for frame in samples]
    usual = np.median(small, axis=0)
    shown = look_frames(len(samples))
    words = [structure(small[at]) for at in shown]
    words += [colours(samples[at]) for at in shown]
    words += [
        board((np.abs(part - usual) > MOVED).any(0))
        for part in np.array_split(np.stack(small), FRAMES)
    ]
    look = VERSION + b64encode(np.array(words, "<u8").tobytes()).decode()
    assert len(look) == LOOK_CHARS
    return look


def activity(samples: np.ndarray) -> float:
    """Share of the picture in [0, 1] in which something moves between uint8 RGB samples (k, h, w, 3): the mean over
    samples of the places (of 32x32) that differ from how the clip looks most of the time."""
    small = np.stack([resize_area(to_luma(frame), HASH_SIDE, HASH_SIDE) for frame in samples])
    return float((np.abs(small - np.median(small, axis=0)) > MOVED).mean())


def look_frames(k: int) -> tuple[int, ...]:
    """Which of ``k`` samples a look describes; the middle one is the one that ``perceptual_hash`` reads."""
    return (k // 6, k // 2, min(k - 1, 5 * k // 6))


def structure(picture: np.ndarray) -> int:
    """Signs of the 8x8 lowest cosine coefficients of a luma picture (32, 32), the constant left out, as 64 bits."""
    basis = _cosines(HASH_SIDE, 8)
    low = (basis @ picture @ basis.T).ravel()
    bits = low > np.median(low[1:])
    bits[0] = False
    return _word(bits)


def colours(frame: np.ndarray) -> int:
    """Chroma (Cb, Cr of BT.601) of an RGB frame (h, w, 3) in 4 columns and 2 rows, 4 bits each."""
    red, green, blue = (
        resize_area(frame[..., i].astype(np.float32), 2, 4).ravel() for i in range(3)
    )
    luma = 0.299 * red + 0.587 * green + 0.114 * blue
    chroma = np.concatenate([(blue - luma) * 0.564, (red - luma) * 0.713])
    steps = np.clip(np.rint(chroma / CHROMA_STEP) + 8, 0, 15).astype(int)
    return int(sum(int(step) << (4 * i) for i, step in enumerate(steps)))


def board(moved: np.ndarray) -> int:
    """Places of an 8x8 board with something moving in at least 2 of their 16 cells, of bool (32, 32), as 64 bits."""
    return _word((moved.reshape(8, 4, 8, 4).sum((1, 3)) >= 2).ravel())


def _word(bits: np.ndarray) -> int:
    return int(np.packbits(bits, bitorder="little").view("<u8")[0])


@cache
def _cosines(size: int, count: int) -> np.ndarray:
    """(count, size) first rows of the DCT-II."""
    return np.cos(np.pi / size * (np.arange(size) + 0.5) * np.arange(count)[:, None])
