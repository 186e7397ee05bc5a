"""What a frame looks like in a few hundred numbers, and how unlike two frames of a file are.

Structure: grey at 32x18 and 16x9, compared by normalised correlation (blind to exposure) over small shifts (blind to
shake). Colour: a 4x4x4 histogram (blind to motion). Blend: whether the middle one of three frames is a mix of the
outer two, which is what a dissolve is and what motion is not.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

LAGS = (1, 2, 3, 4, 5, 7, 9, 12, 16, 20, 24, 32)
"""Distances in frames at which frames are compared, each frame with the one ``lag`` before it."""
BLENDS = (3, 6, 10, 15)
"""Half-lengths in frames of the blends tested, each ending at the frame at hand."""
HISTORY = max(*LAGS, 2 * max(BLENDS))
"""Frames of the past that the next ones are compared with."""
_FLAT = 0.004
"""Standard deviation of luma below which a frame has no structure to correlate."""


@dataclass(frozen=True, kw_only=True)
class Signatures:
    """Signatures of ``n`` frames in a row."""

    grey: np.ndarray
    """float32 (n, 18, 32), luma in [0, 1]."""
    histogram: np.ndarray
    """float32 (n, 64), share of pixels in each cell of a 4x4x4 RGB grid."""
    luma_mean: np.ndarray
    """float32 (n,), mean luma of the frame in [0, 1]."""
    luma_std: np.ndarray
    """float32 (n,), standard deviation of luma in the frame."""

    def tail(self, n: int) -> Signatures:
        """The last ``n`` of them."""
        return Signatures(**{name: value[-n:] for name, value in vars(self).items()})

    def then(self, later: Signatures) -> Signatures:
        """These followed by ``later``."""
        return Signatures(
            **{
                name: np.concatenate([value, getattr(later, name)])
                for name, value in vars(self).items()
            }
        )


def signatures(frames: np.ndarray) -> Signatures:
    """Signatures of uint8 YUV planes (n, 3, 36, 64) in limited range."""
    n = len(frames)
    luma = (frames[:, 0].astype(np.float32) - 16) / 219
    flat = luma.reshape(n, -1)
    u, v = (frames[:, plane].astype(np.float32) / 224 - 128 / 224 for plane in (1, 2))
    rgb = (luma + 1.5748 * v, luma - 0.1873 * u - 0.4681 * v, luma + 1.8556 * u)
    cells = sum(
        np.clip(each * 4, 0, 3).astype(np.int32) * scale
        for each, scale in zip(rgb, (16, 4, 1), strict=True)
    )
    cells += 64 * np.arange(n, dtype=np.int32)[:, None, None]
    histogram = np.bincount(cells.ravel(), minlength=64 * n).reshape(n, 64)
    return Signatures(
        grey=halve(luma),
        histogram=(histogram / flat.shape[1]).astype(np.float32),
        luma_mean=flat.mean(1),
        luma_std=flat.std(1),
    )


def halve(pictures: np.ndarray) -> np.ndarray:
    """Means of 2x2 cells of (n, h, w); an odd last row or column is left out."""
    n, h, w = pictures.shape
    even = pictures[:, : h - h % 2, : w - w % 2]
    return even.reshape(n, h // 2, 2, w // 2, 2).mean((2, 4))


def compare(past: Signatures | None, new: Signatures) -> tuple[np.ndarray, np.ndarray]:
    """Compare each new frame with those before it.

    Args:
        past: Up to ``HISTORY`` frames right before ``new``; None at the start of a file.
        new: n frames.

    Returns:
        distances: float32 (n, len(LAGS), 3), in [0, 1]: fine structure, coarse structure, colour; NaN before the file.
        blends: float32 (n, len(BLENDS), 5): how much the frame ``half`` before is a mix of this one and the one twice
            as far back, see ``blend``; NaN before the file.
    """
    both = new if past is None else past.then(new)
    start = len(both.grey) - len(new.grey)
    n = len(new.grey)
    coarse = halve(both.grey)
    now = np.arange(start, start + n)
    distances = np.full((n, len(LAGS), 3), np.nan, dtype=np.float32)
    for k, lag in enumerate(LAGS):
        rows = now[now >= lag]
        to = rows - start
        if len(rows) == 0:
            continue
        old = rows - lag
        distances[to, k, 0] = unlike(both.grey[old], both.grey[rows], 2 if lag <= 5 else 0)
        distances[to, k, 1] = unlike(coarse[old], coarse[rows], 1)
        distances[to, k, 2] = np.abs(both.histogram[old] - both.histogram[rows]).sum(1) / 2
    blends = np.full((n, len(BLENDS), 5), np.nan, dtype=np.float32)
    for k, half in enumerate(BLENDS):
        rows = now[now >= 2 * half]
        if len(rows):
            blends[rows - start, k] = blend(
                both.grey[rows - 2 * half], both.grey[rows - half], both.grey[rows]
            )
    return distances, blends


def unlike(first: np.ndarray, second: np.ndarray, reach: int) -> np.ndarray:
    """(1 - correlation) / 2 of pictures (n, h, w), least over shifts of up to ``reach`` pixels; (n,) in [0, 1]."""
    h, w = first.shape[1:]
    inner = first[:, reach : h - reach, reach : w - reach]
    a, norm_a = _centred(inner)
    best = np.full(len(first), -1.0, dtype=np.float32)
    for dy in range(2 * reach + 1):
        for dx in range(2 * reach + 1):
            b, norm_b = _centred(second[:, dy : dy + inner.shape[1], dx : dx + inner.shape[2]])
            dot = np.einsum("ni,ni->n", a, b)
            floor = _FLAT * np.sqrt(a.shape[1])
            both_flat = (norm_a < floor) & (norm_b < floor)
            likeness = dot / (np.maximum(norm_a, floor) * np.maximum(norm_b, floor))
            best = np.maximum(best, np.where(both_flat, 1.0, likeness))
    return ((1 - best) / 2).astype(np.float32)


def _centred(pictures: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    flat = pictures.reshape(len(pictures), -1)
    flat = flat - flat.mean(1, keepdims=True)
    return flat, np.sqrt(np.einsum("ni,ni->n", flat, flat))


def blend(first: np.ndarray, middle: np.ndarray, last: np.ndarray) -> np.ndarray:
    """Fit middle = first + w (last - first) in pictures (n, h, w).

    Returns (n, 5): the share of the change that the fit leaves, w clipped to [-1, 2], and the loss of contrast in the
    middle over what a mix of the two loses, clipped to [-1, 2] (1 for a mix, near 0 for motion and for exposure); then
    the same share and weight for a wipe, in which every pixel is that of the first or that of the last.
    """
    n = len(first)
    change = (last - first).reshape(n, -1)
    step = (middle - first).reshape(n, -1)
    energy = np.einsum("ni,ni->n", change, change) + 1e-4 * change.shape[1]
    weight = np.einsum("ni,ni->n", step, change) / energy
    left = step - weight[:, None] * change
    share = np.einsum("ni,ni->n", left, left) / energy
    contrast = [each.reshape(n, -1).var(1) for each in (first, middle, last)]
    w = np.clip(weight, 0.1, 0.9)
    loss = (1 - w) * contrast[0] + w * contrast[2] - contrast[1]
    dip = loss / (w * (1 - w) * (change.var(1) + 1e-4))
    columns = [np.minimum(share, 4.0), np.clip(weight, -1.0, 2.0), np.clip(dip, -1.0, 2.0)]
    squares, to_first, to_last = change**2, step**2, (step - change) ** 2
    wiped = squares * (to_last < to_first)
    columns += [np.minimum(to_first, to_last).sum(1) / energy, wiped.sum(1) / energy]
    return np.stack(columns, axis=1).astype(np.float32)
