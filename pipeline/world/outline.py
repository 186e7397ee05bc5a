"""The outline of an object: its mask on a grid that position and size hardly change, against the six shapes."""

from __future__ import annotations

from functools import cache

import numpy as np

from pipeline.world.render import signed_distance
from pipeline.world.scene import SHAPES

GRID = 28
WINDOW = 1.3
"""Half width of the shape grid, in square roots of the mask's area."""
SIZES = (0.76, 0.82, 0.88, 0.94, 1.0, 1.06)
"""Sizes of the templates relative to the mask: the coverage of a thin, blurred shape is overrated, and so its area."""
BLURS = (0.03, 0.05, 0.075, 0.1, 0.13, 0.16, 0.2, 0.25, 0.3)
"""Blurs of the templates, standard deviations in square roots of the area."""
BLUR_PIXELS = (0.4, 1.8)
"""Blurs a video may have, standard deviations in pixels: chroma subsampling and a VAE, not a fog.

Without this bound a small ring passes for a strongly blurred circle."""


@cache
def _templates() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Unit-norm soft masks of the shapes at every size and blur, (N, GRID * GRID); shape and blur of each."""
    scale, rows, owners, blurs = 3, [], [], []
    fine = GRID * scale
    axis = ((np.arange(fine) + 0.5) / fine * 2 - 1) * WINDOW
    x, y = np.meshgrid(axis, axis)
    cell = (axis[1] - axis[0]) ** 2
    for number, shape in enumerate(SHAPES):
        half = (signed_distance(shape, x, y, np.float32(0.5)) < 0).sum() * cell
        for size in SIZES:
            radius = np.float32(size * 0.5 / half**0.5)
            inside = signed_distance(shape, x, y, radius) < 0
            dx, dy = x[inside].mean(), y[inside].mean()
            solid = (signed_distance(shape, x + dx, y + dy, radius) < 0).astype(np.float32)
            for blur in BLURS:
                kernel = np.exp(-0.5 * ((axis[:, None] - axis[None, :]) / blur) ** 2)
                kernel /= kernel.sum(axis=1, keepdims=True)
                soft = kernel @ solid @ kernel.T
                row = soft.reshape(GRID, scale, GRID, scale).mean(axis=(1, 3)).ravel()
                rows.append(row / np.linalg.norm(row))
                owners.append(number)
                blurs.append(blur)
    return np.array(rows, np.float32), np.array(owners), np.array(blurs)


def on_grid(alpha: np.ndarray, x: float, y: float, area: float) -> np.ndarray:
    """Coverage of one frame sampled on the common grid around (x, y), bilinear, zero outside the frame."""
    axis = ((np.arange(GRID) + 0.5) / GRID * 2 - 1) * WINDOW * area**0.5
    padded = np.pad(alpha, 2)
    column = np.clip(x - 0.5 + axis + 2, 0, padded.shape[1] - 1.001)
    row = np.clip(y - 0.5 + axis + 2, 0, padded.shape[0] - 1.001)
    c0, r0 = column.astype(int), row.astype(int)
    fc, fr = (column - c0)[None, :], (row - r0)[:, None]
    a, b = padded[np.ix_(r0, c0)], padded[np.ix_(r0, c0 + 1)]
    c, d = padded[np.ix_(r0 + 1, c0)], padded[np.ix_(r0 + 1, c0 + 1)]
    return (a * (1 - fc) + b * fc) * (1 - fr) + (c * (1 - fc) + d * fc) * fr


def nearest_shape(mask: np.ndarray, size: float) -> str:
    """Shape of the template most like ``mask`` (GRID, GRID), of an object whose area is ``size`` pixels squared."""
    templates, owners, blurs = _templates()
    low, high = (bound / size for bound in BLUR_PIXELS)
    fits = (blurs >= min(low, BLURS[-2])) & (blurs <= max(high, BLURS[1]))
    likeness = np.einsum("nk,k->n", templates[fits], mask.ravel().astype(np.float32))
    return SHAPES[int(owners[fits][int(np.argmax(likeness))])]
