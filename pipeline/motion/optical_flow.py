"""Optical flow of small grey pictures: dense least squares (Lucas-Kanade) over 5x5 windows, regularised.

Where there is no texture, or only noise, the regulariser pulls the flow to zero: a static shot reads as static.
"""

from __future__ import annotations

import numpy as np

_WINDOW = 5
"""Side of the window in which the flow is taken to be constant, pixels."""
_NOISE = 0.003
"""Luma change that is taken for noise, in [0, 1]: regularises the least squares."""
_REACH = 2.0
"""Longest flow that one level can be trusted with, pixels; longer is clipped to it."""


def mean_flow(grey: np.ndarray) -> np.ndarray:
    """Mean length of the flow from each picture to the next, in picture diagonals.

    Args:
        grey: float32 (n + 1, h, w), luma in [0, 1].

    Returns:
        float32 (n,).
    """
    u, v = flow(grey[:-1], grey[1:])
    h, w = grey.shape[1:]
    return (np.sqrt(u * u + v * v).mean((1, 2)) / np.hypot(h, w)).astype(np.float32)


def flow(first: np.ndarray, second: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Displacement (u right, v down) in pixels from pictures ``first`` to ``second``, each (n, h, w)."""
    middle = (first + second) / 2
    gx = np.gradient(middle, axis=2)
    gy = np.gradient(middle, axis=1)
    gt = second - first
    gt = gt - np.median(gt, axis=(1, 2), keepdims=True)
    xx, yy, xy = box(gx * gx), box(gy * gy), box(gx * gy)
    xt, yt = box(gx * gt), box(gy * gt)
    noise = _NOISE**2
    xx, yy = xx + noise, yy + noise
    det = xx * yy - xy * xy
    u = (xy * yt - yy * xt) / det
    v = (xy * xt - xx * yt) / det
    length = np.sqrt(u * u + v * v)
    scale = np.where(length > _REACH, _REACH / np.maximum(length, 1e-9), 1.0)
    return u * scale, v * scale


def box(pictures: np.ndarray) -> np.ndarray:
    """Mean over a square window around every pixel of (n, h, w), edges repeated."""
    r = _WINDOW // 2
    padded = np.pad(pictures, ((0, 0), (r + 1, r), (r + 1, r)), mode="edge").astype(np.float64)
    sums = padded.cumsum(1).cumsum(2)
    k = _WINDOW
    total = sums[:, k:, k:] - sums[:, :-k, k:] - sums[:, k:, :-k] + sums[:, :-k, :-k]
    return total / k**2
