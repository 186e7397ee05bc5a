"""The ground of every frame: its colour, texture, light and brightness, read where no object is."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np

from pipeline.world.camera import averaged_down, light_tilt
from pipeline.world.judge import read_background

SIDE = 36
"""Frames are averaged down towards this shorter side before their texture is read."""
PERIODS = tuple(np.geomspace(0.19, 0.46, 11))
"""Texture periods tried, fractions of the shorter side: the world's, zoomed in and out."""
PHASES = 8
"""Phases tried along each axis; a checkerboard's period is two tiles, so it gets twice as many."""
FLAT = 5.0
"""Deviation of a ground, 8-bit levels, below which it is plain."""
LIKENESS = {"dots": 0.62, "checks": 0.78, "grid": 0.55}
"""Least correlation with a regular texture. Measured: dots from 0.82, checks 0.86, grids 0.66; soft clouds up to 0.43
with dots and 0.69 with checks."""
LIT = 0.1
"""Least relative slope of brightness across the frame that is light from a side; the world's is 0.2."""
QUANTILES = (0.1, 0.25, 0.5, 0.75, 0.9)


@dataclass(frozen=True, kw_only=True)
class GroundView:
    """The ground of one frame."""

    background: str | None
    texture: str | None
    """None where too little of it shows."""
    tilt: float
    """Relative slope of brightness from left to right, in [-0.4, 0.4]: negative when the light comes from the left."""
    levels: np.ndarray
    """Quantiles of luma, 8-bit levels."""


def view_grounds(video: np.ndarray, covered: np.ndarray) -> list[GroundView]:
    """The ground of each frame of a float32 RGB video (T, H, W, 3) with objects at ``covered`` (T, H, W)."""
    free = ~covered
    luma = video.mean(axis=-1)
    tilts = [light_tilt(*frame) for frame in zip(luma, free, strict=True)]
    ramp = 1 + np.array(tilts)[:, None, None] * np.linspace(-1, 1, luma.shape[2])
    textures = read_textures(luma / ramp, free)
    return [
        GroundView(
            background=read_background(video[t : t + 1], covered[t : t + 1]),
            texture=textures[t],
            tilt=tilts[t],
            levels=np.quantile(luma[t][free[t]], QUANTILES)
            if free[t].any()
            else np.zeros(len(QUANTILES)),
        )
        for t in range(len(video))
    ]


def read_textures(luma: np.ndarray, free: np.ndarray) -> list[str | None]:
    """Texture of each frame's evenly lit ground: the regular one that correlates best, else clouds or plain."""
    luma, free = averaged_down(luma, free, SIDE)
    count, height, width = luma.shape
    weight = free.reshape(count, -1).astype(np.float32)
    total = np.maximum(weight.sum(axis=1), 1)
    flat = luma.reshape(count, -1).astype(np.float32)
    seen = (flat - ((flat * weight).sum(axis=1) / total)[:, None]) * weight
    spread = np.sqrt((seen**2).sum(axis=1) / total)
    shows, marked = weight.mean(axis=1) >= 0.15, spread >= FLAT
    read = np.nonzero(shows & marked)[0]
    likeness = {
        name: _likeness(_patterns(name, height, width), seen[read], weight[read], spread[read])
        for name in LIKENESS
    }
    out: list[str | None] = ["plain" if there else None for there in shows]
    for place, t in enumerate(read):
        best = max(likeness, key=lambda name: likeness[name][place])
        out[t] = best if likeness[best][place] >= LIKENESS[best] else "clouds"
    return out


def _likeness(
    patterns: tuple[np.ndarray, np.ndarray],
    seen: np.ndarray,
    weight: np.ndarray,
    spread: np.ndarray,
) -> np.ndarray:
    """Largest absolute correlation of any pattern (N, P) with each frame (T, P) over its free pixels."""
    rows, squares = patterns
    total = np.maximum(weight.sum(axis=1), 1)
    mean, product = np.split(rows @ np.concatenate([weight, seen]).T, 2, axis=1)
    variance = squares @ weight.T / total - (mean / total) ** 2
    correlation = np.abs(product / total) / np.sqrt(np.maximum(variance, 1e-4))
    return np.asarray(np.max(correlation, axis=0) / np.maximum(spread, 1e-6))


@cache
def _patterns(texture: str, height: int, width: int) -> tuple[np.ndarray, np.ndarray]:
    """The texture at every period and phase, float32 (N, height * width), and its square."""
    side = min(height, width)
    x = (np.arange(width) + 0.5 - width / 2) / side
    y = (np.arange(height) + 0.5 - height / 2) / side
    span, count = (2, 2 * PHASES) if texture == "checks" else (1, PHASES)
    shifts = np.arange(count) / count * span
    rows = []
    for period in PERIODS:
        soft = max(1 / (side * period), 1e-3)
        u = np.mod(x[None] / period + shifts[:, None], 2)
        v = np.mod(y[None] / period + shifts[:, None], 2)
        if texture == "checks":
            a, b = (np.clip((np.abs(w - 1) - 0.5) / soft, -0.5, 0.5) for w in (u, v))
            half = a[:, None, None, :] * b[None, :, :, None]
            rows.append(half[: count // 2])
            continue
        du, dv = (np.abs(np.mod(w, 1) - 0.5)[:, None] for w in (u, v))
        du, dv = du[:, None, :, :], dv[None, :, 0, :, None]
        if texture == "dots":
            distance = np.hypot(du, dv) - 0.24
        else:
            distance = np.minimum(du, dv) - 0.08
        rows.append(np.clip(0.5 - distance / soft, 0, 1))
    stack = np.concatenate([row.reshape(-1, height * width) for row in rows])
    stack = np.ascontiguousarray(stack, np.float32)
    return stack, stack * stack


def gains(views: list[GroundView]) -> np.ndarray:
    """Brightness of each frame's ground relative to the frame before, 1 for the first: the median over quantiles."""
    levels = np.stack([view.levels for view in views])
    ratio = (levels[1:] + 4) / (levels[:-1] + 4)
    return np.concatenate([[1.0], np.median(ratio, axis=1)])
