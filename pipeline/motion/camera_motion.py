"""How the camera moves, from small grey pictures: one shift and one growth fitted to the whole picture, robustly.

Robust direct estimation of a parametric motion (Odobez and Bouthemy 1995, "Robust multiresolution estimation of
parametric motion models"): brightness constancy, least squares reweighted by its own errors. Pictures are compared
about ``STEP_S`` apart, so that the figures depend neither on the frame rate nor on repeated frames.

Objects that move are no camera: a pixel counts by being textured, not by its contrast, and every fit competes with
rest. Roll and parallax are not modelled, and over a flat ground nobody can tell the camera from what it looks at:
``spread`` says how much of the picture there is to go by.
"""

from __future__ import annotations

import numpy as np

STEP_S = 0.1
"""Seconds between the pictures that are compared, where the frame rate allows it."""
MOST_FRAMES = 30
"""Frames between them at most: what the pass over a file keeps of its past."""
COLUMNS = 4
"""Numbers of a step: shift right, shift down, growth, spread."""
_NOISE = 0.012
"""Slope of luma per pixel at which a pixel begins to tell something, in [0, 1]."""
_SCALES = (1.0, 0.5, 0.25)
"""Error in pixels from which a pixel counts for little, one for each round of reweighting."""
_CELLS = (3, 4)
"""The picture is divided into so many rows and columns of cells, to see how far its texture spreads."""
_TEXTURED = 0.15
"""Textured share of a cell that counts half."""


def step_frames(fps: float) -> int:
    """Frames between the pictures that are compared, at most ``MOST_FRAMES``."""
    return min(MOST_FRAMES, max(1, round(fps * STEP_S)))


def chunk_steps(past: np.ndarray, new: np.ndarray, done: int, every: int) -> np.ndarray:
    """Steps that end in the frames ``new`` (n, h, w) of a file, which come after ``done`` others.

    Args:
        past: The last frames before ``new``, at least ``every`` of them or all that there are.
        new: float32 pictures, luma in [0, 1].
        done: Frames of the file before ``new``.
        every: ``step_frames``: steps end in every so manieth frame of the file.

    Returns:
        float32 (n, 4) as ``camera_steps``, NaN for frames in which no step ends.
    """
    if len(past) < min(done, every):
        raise ValueError(f"steps of {every} frames need as many before; there are {len(past)}")
    steps = np.full((len(new), COLUMNS), np.nan, dtype=np.float32)
    ends = np.arange(len(new))[-done % every :: every]
    ends = ends[done + ends >= every]
    both = np.concatenate([past, new])
    after = ends + len(past)
    steps[ends] = camera_steps(both[after - every], both[after])
    return steps


def camera_steps(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Movement of the whole picture from ``first`` to ``second``.

    Args:
        first: float32 (n, h, w), luma in [0, 1].
        second: The pictures after them, alike.

    Returns:
        float32 (n, 4): shift of the picture to the right and down, in picture diagonals; natural logarithm of its
        growth; and ``spread`` in [0, 1), how evenly texture covers the picture.
    """
    n, h, w = first.shape
    if n == 0:
        return np.zeros((0, COLUMNS), dtype=np.float32)
    one, two = _smooth(first), _smooth(second)
    two -= (two - one).mean((1, 2), keepdims=True)
    fit = _Fit(one, two)
    motion = np.zeros((n, 3), dtype=np.float32)
    cost = fit.cost(two)
    for scale in _SCALES:
        moved = fit.warp(motion)
        motion = motion + fit.update(moved, scale)
    better = fit.cost(fit.warp(motion)) < cost
    motion[~better] = 0
    motion[:, :2] /= np.hypot(h, w)
    return np.concatenate([motion, fit.spread()[:, None]], axis=1).astype(np.float32)


class _Fit:
    """Least squares of (right, down, growth) between pictures ``one`` and ``two``, both float32 (n, h, w)."""

    def __init__(self, one: np.ndarray, two: np.ndarray) -> None:
        self.shape = n, h, w = one.shape
        self.one, self.flat = one.reshape(n, -1), two.ravel()
        ys, xs = np.mgrid[:h, :w].astype(np.float32)
        self.x, self.y = (xs - (w - 1) / 2).ravel(), (ys - (h - 1) / 2).ravel()
        middle = (one + two) / 2
        gx, gy = np.empty_like(one), np.empty_like(one)
        gx[:, :, 1:-1] = (middle[:, :, 2:] - middle[:, :, :-2]) / 2
        gx[:, :, 0], gx[:, :, -1] = (
            middle[:, :, 1] - middle[:, :, 0],
            middle[:, :, -1] - middle[:, :, -2],
        )
        gy[:, 1:-1] = (middle[:, 2:] - middle[:, :-2]) / 2
        gy[:, 0], gy[:, -1] = middle[:, 1] - middle[:, 0], middle[:, -1] - middle[:, -2]
        gx, gy = gx.reshape(n, -1), gy.reshape(n, -1)
        energy = gx * gx + gy * gy
        self.inverse = 1 / (energy + np.float32(_NOISE**2))
        self.texture = energy * self.inverse
        self.terms = np.stack([gx, gy, gx * self.x + gy * self.y], axis=1)
        reach = float(np.mean(self.x**2 + self.y**2))
        self.ridge = np.diag([2.0, 2.0, 2.0 * reach]).astype(np.float32)
        self.start = (np.arange(n, dtype=np.int32) * (h * w))[:, None]

    def warp(self, motion: np.ndarray) -> np.ndarray:
        """Second pictures drawn back by ``motion``, (n, h * w); beyond the border its last pixel is repeated."""
        _, h, w = self.shape
        grow = 1 + motion[:, 2:]
        px = np.clip(
            self.x * grow + (motion[:, :1] + np.float32((w - 1) / 2)), 0, np.float32(w - 1.001)
        )
        py = np.clip(
            self.y * grow + (motion[:, 1:2] + np.float32((h - 1) / 2)), 0, np.float32(h - 1.001)
        )
        x0, y0 = px.astype(np.int32), py.astype(np.int32)
        px -= x0
        py -= y0
        at = y0 * w
        at += x0
        at += self.start
        a, b = self.flat[at], self.flat[at + 1]
        at += w
        c, d = self.flat[at], self.flat[at + 1]
        a += (b - a) * px
        c += (d - c) * px
        a += (c - a) * py
        return a

    def update(self, moved: np.ndarray, scale: float) -> np.ndarray:
        """Change of motion, (n, 3), that pixels with errors under ``scale`` pixels ask for."""
        change = moved - self.one
        error = change * change * self.inverse
        error *= 1 / scale**2
        error += 1
        error *= error
        weighted = self.terms * (self.inverse / error)[:, None]
        matrix = weighted @ self.terms.transpose(0, 2, 1) + self.ridge
        vector = weighted @ change[..., None]
        return -np.linalg.solve(matrix, vector)[..., 0]

    def cost(self, moved: np.ndarray) -> np.ndarray:
        """Textured share of the picture, (n,), that ``moved`` does not explain."""
        change = moved.reshape(self.one.shape) - self.one
        error = change * change * self.inverse
        return (self.texture * (error / (error + np.float32(_SCALES[-1] ** 2)))).mean(1)

    def spread(self) -> np.ndarray:
        """How evenly texture covers the picture, (n,) in [0, 1)."""
        n, h, w = self.shape
        rows, columns = _CELLS
        high, wide = h // rows, w // columns
        pictures = self.texture.reshape(n, h, w)[:, : rows * high, : columns * wide]
        cells = pictures.reshape(n, rows, high, columns, wide).mean((2, 4))
        return (cells / (cells + _TEXTURED)).mean((1, 2))


def _smooth(pictures: np.ndarray) -> np.ndarray:
    """Three-tap binomial blur in both directions, edges repeated; a new float32 array."""
    out = pictures.astype(np.float32)
    for axis in (1, 2):
        rows = np.moveaxis(out, axis, 0)
        blurred = rows * np.float32(0.5)
        blurred[1:] += rows[:-1] * np.float32(0.25)
        blurred[:-1] += rows[1:] * np.float32(0.25)
        blurred[0] += rows[0] * np.float32(0.25)
        blurred[-1] += rows[-1] * np.float32(0.25)
        out = np.moveaxis(blurred, 0, axis)
    return np.ascontiguousarray(out)
