"""Logos and watermarks: edges that stay where they are while everything around them changes.

The median over frames of the slope of luma keeps what an overlay adds and cancels what moves (as for the estimation
of watermarks by Dekel et al. 2017, "On the effectiveness of visible watermarks", section 3). A straight edge along the
movement stays as well, a horizon under a pan; so a mark is where edges of both directions stay. Under a camera that
stands, everything stays, and nothing can be told: such clips are not scored. What moves with the frame, such as a face
that is followed closely, or a picture in the picture, cannot be told from a mark.
"""

from __future__ import annotations

import numpy as np

EDGE = 0.02
"""Slope of luma per pixel, in [0, 1], from which there is an edge."""
FAINT = 0.014
"""Mean slope of luma from which there is an edge that may move; noise in the dark has less."""
STEADY = 2.0
"""Median slope over its median deviation from which an edge has stayed."""
MOST_STAYED = 0.1
"""Share of the other edges that may stay; world clips that move have up to 0.08, real ones that stand from 0.19."""
LEAST_EDGES = 0.02
"""Share of the rest of the picture that must be edges, or nothing can be seen to move."""
LEAST_FRAMES, LEAST_SIDE = 4, 32
WINDOW = 0.12
"""Side of the window in which edges are counted, as a share of the shorter side of the picture."""
FULL = 0.12
"""Share of a window that edges which stay cover where the score reaches 1: marks at half opacity cover 0.08 to 0.4."""


def watermark_score(samples: np.ndarray) -> float | None:
    """How clearly something stands in uint8 RGB samples (k, h, w, 3) that move, in [0, 1].

    None for fewer than ``LEAST_FRAMES`` frames, for pictures that stand still, and for pictures without edges.
    """
    from pipeline.scores.pixels import to_luma

    if len(samples) < LEAST_FRAMES or min(samples.shape[1:3]) < LEAST_SIDE:
        return None
    luma = to_luma(samples)
    dx = (luma[:, 1:-1, 2:] - luma[:, 1:-1, :-2]) / 2
    dy = (luma[:, 2:, 1:-1] - luma[:, :-2, 1:-1]) / 2
    mx, my = np.median(dx, axis=0), np.median(dy, axis=0)
    slope = np.hypot(mx, my)
    deviation = np.median(np.hypot(dx - mx, dy - my), axis=0)
    stays = (slope > EDGE) & (slope > STEADY * deviation)
    edges = np.hypot(dx, dy).mean(0) > FAINT
    side = max(5, round(WINDOW * min(stays.shape)))
    marks = _crossing(stays, np.abs(mx) > np.abs(my), side)
    usual = _crossing(edges, np.abs(dx).mean(0) > np.abs(dy).mean(0), side)
    top, left = np.unravel_index(int(marks.argmax()), marks.shape)
    away = np.ones_like(
        marks, dtype=bool
    )  # from the line of text that the clearest mark may belong to
    away[max(0, top - side) : top + side + 1, max(0, left - 4 * side) : left + 4 * side + 1] = False
    if not away.any() or usual[away].mean() < LEAST_EDGES:
        return None
    if marks[away].mean() > MOST_STAYED * usual[away].mean():
        return None
    return float(min(1.0, marks.max() / FULL))


def _crossing(edges: np.ndarray, upright: np.ndarray, side: int) -> np.ndarray:
    """Share of every ``side`` x ``side`` window of a mask (h, w) that edges of both directions cover, evenly."""
    return 2 * np.minimum(
        _window_means(edges & upright, side), _window_means(edges & ~upright, side)
    )


def _window_means(mask: np.ndarray, side: int) -> np.ndarray:
    sums = np.pad(mask, ((1, 0), (1, 0))).astype(np.float32).cumsum(0).cumsum(1)
    total = sums[side:, side:] - sums[:-side, side:] - sums[side:, :-side] + sums[:-side, :-side]
    means: np.ndarray = total / side**2
    return means
