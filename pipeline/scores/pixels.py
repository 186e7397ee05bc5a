"""Scores of a clip: motion and luma from the low-resolution pass over all of it, sharpness from samples.

Every score is a plain number with a stated unit; what was not measured is None, never 0 or -1.
"""

from __future__ import annotations

from functools import cache

import numpy as np

from pipeline import schema as s
from pipeline.motion.analysis import Analysis

STATIC_FLOW = 0.01
"""Mean flow, in frame diagonals per second, below which nothing is taken to move."""
WHITE, BLACK = 0.98, 0.02
"""Luma from which a pixel is blown out, and up to which it is drowned, in [0, 1]."""


def motion_scores(analysis: Analysis, first: int, stop: int) -> dict[str, float | None]:
    """Motion of frames [first, stop), from optical flow between neighbours.

    ``motion_mean``: mean over pixels and time, in frame diagonals per second. ``motion_p95``: 95th percentile over
    frames of the mean over pixels. ``static_share``: share of the time, in [0, 1], below ``STATIC_FLOW``. A single
    frame has no motion to measure: all None.
    """
    if stop - first < 2:
        return {s.MOTION_MEAN: None, s.MOTION_P95: None, s.STATIC_SHARE: None}
    step_s = np.diff(analysis.times_s[first:stop])
    speed = analysis.optical_flow[first + 1 : stop] / step_s
    return {
        s.MOTION_MEAN: float(np.average(speed, weights=step_s)),
        s.MOTION_P95: float(np.percentile(speed, 95)),
        s.STATIC_SHARE: float(np.average(speed < STATIC_FLOW, weights=step_s)),
    }


def luma_scores(analysis: Analysis, first: int, stop: int) -> dict[str, float | None]:
    """``luma_mean`` and ``luma_std`` over all pixels of frames [first, stop), luma in [0, 1]."""
    mean, std = (
        values[first:stop].astype(np.float64) for values in (analysis.luma_mean, analysis.luma_std)
    )
    total = float(mean.mean())
    variance = float((std**2 + mean**2).mean()) - total**2
    return {s.LUMA_MEAN: total, s.LUMA_STD: max(0.0, variance) ** 0.5}


def exposure_scores(samples: np.ndarray) -> dict[str, float | None]:
    """Shares of the pixels of uint8 RGB samples (k, h, w, 3), in [0, 1]: ``overexposed`` those that are as good as
    white, ``underexposed`` those that are as good as black."""
    luma = to_luma(samples)
    return {
        s.OVEREXPOSED: float((luma >= WHITE).mean()),
        s.UNDEREXPOSED: float((luma <= BLACK).mean()),
    }


def blur_score(samples: np.ndarray) -> float | None:
    """Sharpness of uint8 RGB samples (k, h, w, 3): variance of the Laplacian over variance of luma, mean over k.

    High is sharp. Independent of contrast and, since samples share one size, of resolution. None when every sample
    is flat.
    """
    values = []
    for luma in to_luma(samples):
        spread = float(luma.var())
        if min(luma.shape) < 3 or spread < 1e-5:
            continue
        edges = (
            luma[:-2, 1:-1]
            + luma[2:, 1:-1]
            + luma[1:-1, :-2]
            + luma[1:-1, 2:]
            - 4 * luma[1:-1, 1:-1]
        )
        values.append(float(edges.var()) / spread)
    return float(np.mean(values)) if values else None


def to_luma(frames: np.ndarray) -> np.ndarray:
    """Luma in [0, 1] of uint8 RGB frames (..., 3); float32."""
    return frames.astype(np.float32) @ (np.array([0.2126, 0.7152, 0.0722], dtype=np.float32) / 255)


def resize_area(picture: np.ndarray, height: int, width: int) -> np.ndarray:
    """Area-average a picture (h, w) to (height, width); also scales up, by repetition."""
    return _area(picture.shape[0], height) @ picture @ _area(picture.shape[1], width).T


@cache
def _area(size: int, cells: int) -> np.ndarray:
    """(cells, size) weights: how much of each pixel lies in each cell."""
    edges = np.linspace(0, size, cells + 1)
    pixels = np.arange(size)
    inside = np.minimum(edges[1:, None], pixels + 1) - np.maximum(edges[:-1, None], pixels)
    weights = np.clip(inside, 0, None)
    return weights / weights.sum(1, keepdims=True)
