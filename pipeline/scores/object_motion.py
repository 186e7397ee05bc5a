"""Measure which way objects move in a clip, with camera motion taken out; captions are checked against it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pipeline.motion.camera_motion import camera_steps
from pipeline.motion.optical_flow import box, flow

SIDE = 48
"""Longer side of the grey pictures that the flow is taken from, pixels."""
STEP_S = 0.15
"""Seconds between the pictures that are compared, where the frame rate allows it: slow things must get somewhere."""
_STANDS_OUT = 0.25
"""Flow apart from the camera's, in pixels a frame, from which a pixel belongs to something that moves by itself."""
_UNEXPLAINED = 0.015
"""Luma error in [0, 1] that the camera's movement must leave there, of which the flow explains a good part."""
_LEAST_AREA = 0.003
"""Share of the picture that must move for a frame not to be still."""


@dataclass(frozen=True, kw_only=True)
class ObjectMotion:
    """Travel of everything that moves by itself, summed over pixels and frames, in frame areas times frame sides."""

    left: float
    right: float
    up: float
    down: float
    still: float
    """Share of frames in [0, 1] in which nothing moves by itself."""

    @property
    def total(self) -> float:
        """Travel in all directions."""
        return self.left + self.right + self.up + self.down

    def share(self, direction: str) -> float:
        """Share in [0, 1] of the travel that goes ``left``, ``right``, ``up`` or ``down``; 0 when nothing moves."""
        return float(getattr(self, direction)) / self.total if self.total > 0 else 0.0


def small_grey(frames: np.ndarray) -> np.ndarray:
    """Luma (T, h, w) float32 in [0, 1] of uint8 RGB frames, averaged down to a longer side near ``SIDE``."""
    count, height, width = frames.shape[:3]
    factor = max(1, round(max(height, width) / SIDE))
    high, wide = height // factor, width // factor
    cut = frames[:, : high * factor, : wide * factor].astype(np.float32)
    small = cut.reshape(count, high, factor, wide, factor, 3).mean((2, 4))
    return (small @ np.array([0.299, 0.587, 0.114], np.float32)) / 255


def object_motion(frames: np.ndarray, fps: float) -> ObjectMotion:
    """Travel per direction in uint8 RGB frames (T, H, W, 3), in order, ``fps`` a second.

    What the camera's movement (``camera_steps``) does not explain, and flow does, counts with its flow in the frame, as
    a viewer sees it: a thing that the camera keeps in place goes nowhere.
    """
    grey = small_grey(frames[:: max(1, round(fps * STEP_S))])
    if len(grey) < 2:
        return ObjectMotion(left=0.0, right=0.0, up=0.0, down=0.0, still=1.0)
    first, second = grey[:-1], grey[1:]
    u, v = two_level_flow(first, second)
    height, width = grey.shape[1:]
    steps = camera_steps(first, second)
    y, x = np.mgrid[:height, :width]
    y, x = y - (height - 1) / 2, x - (width - 1) / 2
    diagonal = float(np.hypot(height, width))
    grow = np.exp(steps[:, 2, None, None]) - 1
    camera_u = steps[:, 0, None, None] * diagonal + grow * x
    camera_v = steps[:, 1, None, None] * diagonal + grow * y
    unexplained = box(np.abs(first - draw_back(second, camera_u, camera_v)))
    explained = box(np.abs(first - draw_back(second, u, v)))
    apart = (unexplained > _UNEXPLAINED) & (explained < 0.6 * unexplained)
    apart &= np.hypot(u - camera_u, v - camera_v) > _STANDS_OUT
    sums = np.array(
        [
            (np.maximum(-u, 0) * apart).sum() / width,
            (np.maximum(u, 0) * apart).sum() / width,
            (np.maximum(-v, 0) * apart).sum() / height,
            (np.maximum(v, 0) * apart).sum() / height,
        ]
    ) / (height * width)
    going = apart & (np.hypot(u, v) > _STANDS_OUT)
    left, right, up, down = (float(value) for value in sums)
    resting = float((going.mean((1, 2)) < _LEAST_AREA).mean())
    return ObjectMotion(left=left, right=right, up=up, down=down, still=resting)


def draw_back(pictures: np.ndarray, u: np.ndarray, v: np.ndarray) -> np.ndarray:
    """Pictures (n, h, w) drawn back by a flow that broadcasts to their shape; bilinear, edges repeated."""
    n, height, width = pictures.shape
    rows, columns = np.mgrid[:height, :width]
    y = np.broadcast_to(np.clip(rows + v, 0, height - 1.001), pictures.shape)
    x = np.broadcast_to(np.clip(columns + u, 0, width - 1.001), pictures.shape)
    y0, x0 = y.astype(int), x.astype(int)
    fy, fx = y - y0, x - x0
    at = np.arange(n)[:, None, None]
    top = pictures[at, y0, x0] * (1 - fx) + pictures[at, y0, x0 + 1] * fx
    low = pictures[at, y0 + 1, x0] * (1 - fx) + pictures[at, y0 + 1, x0 + 1] * fx
    return top * (1 - fy) + low * fy


def two_level_flow(first: np.ndarray, second: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Flow (u right, v down) in pixels: the half-size pictures first, then what is left of it at full size."""
    n, height, width = first.shape
    if min(height, width) < 16:
        return flow(first, second)
    halves = []
    for pictures in (first, second):
        cut = pictures[:, : height // 2 * 2, : width // 2 * 2]
        halves.append(cut.reshape(n, height // 2, 2, width // 2, 2).mean((2, 4)))
    u, v = (2 * np.kron(part, np.ones((1, 2, 2))) for part in flow(*halves))
    pad = ((0, 0), (0, height - u.shape[1]), (0, width - u.shape[2]))
    u, v = np.pad(u, pad, mode="edge"), np.pad(v, pad, mode="edge")
    du, dv = flow(first, draw_back(second, u, v))
    return u + du, v + dv
