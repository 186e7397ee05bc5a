"""Classify the camera motion of a clip: one word and four numbers, from the steps of ``camera_motion``."""

from __future__ import annotations

import math

import numpy as np

from pipeline import schema as s
from pipeline.motion.analysis import HEIGHT, WIDTH, Analysis
from pipeline.motion.camera_motion import step_frames

STATIC, PAN, TILT, ZOOM, HANDHELD = s.CAMERAS
AT_REST = 0.015
"""Speed in frame diagonals per second under which the camera is taken to stand; world clips that stand have up to
0.010 (95 %), real ones on a tripod up to 0.014."""
CALM = 0.025
"""Jitter, and speed to and fro, in frame diagonals per second, that a standing camera may have: measuring it is not
free of error."""
SHAKY = 0.5
"""Jitter over speed from which a moving camera is held in the hand."""
WANDERS = 0.5
"""Share of its speed that must lead somewhere, or a moving camera is held in the hand."""
LEAST_SPREAD = 0.72
"""Spread of texture under which movement cannot be told from that of an object over a flat ground."""
ZOOM_FLOW = 0.27
"""Mean distance of a pixel from the middle, in frame diagonals: makes growth comparable to shifts."""
TRIMMED = 0.05
"""Share of the steps, the worst, that jitter leaves out."""
WINDOW, LONG_WINDOW = 5, 11
"""Steps, of about 0.1 s, over which movement is averaged: what is quicker is jitter, what stays is the speed."""


def camera_scores(analysis: Analysis, first: int, stop: int) -> dict[str, float | str | None]:
    """Camera of frames [first, stop).

    ``camera_pan`` and ``camera_tilt``: mean speed of the camera to the right and upwards, in frame diagonals per
    second. ``camera_zoom``: mean rate of growth of the picture, natural logarithm per second. ``jitter``: root mean
    square of the speed that is left when movement is averaged over half a second, in frame diagonals per second,
    without the worst twentieth of it: a missed cut is no shaking.
    ``camera``: ``static``, ``pan``, ``tilt``, ``zoom`` or ``handheld``.

    All None for clips of less than half a second, and where the ground is too flat to tell what moved.
    """
    every = step_frames(float(analysis.probe.fps))
    ends = np.arange(first, stop)[np.isfinite(analysis.camera[first:stop, 0])]
    ends = ends[ends - every >= first]
    if len(ends) < WINDOW:
        return dict.fromkeys(s.CAMERA_COLUMNS)
    steps = analysis.camera[ends].astype(np.float64)
    times = analysis.times_s
    speed = steps[:, :3] / (times[ends] - times[ends - every])[:, None]
    speed[:, :2] = upright(speed[:, :2], analysis)
    spread = float(steps[:, 3].mean())
    rest = speed - smooth(speed, WINDOW)
    squares = np.sort((rest[:, :2] ** 2).sum(1))
    jitter = float(np.sqrt(squares[: len(squares) - math.ceil(TRIMMED * len(squares))].mean()))
    scale = np.array([1.0, 1.0, ZOOM_FLOW])
    amount = np.abs(smooth(speed, LONG_WINDOW)).mean(0) * scale
    net = speed.mean(0)
    kind = classify(amount, np.abs(net) * scale, jitter)
    if kind != STATIC and spread < LEAST_SPREAD:
        return dict.fromkeys(s.CAMERA_COLUMNS)
    # the picture moves against the camera
    values = (jitter, kind, -float(net[0]), float(net[1]), float(net[2]))
    return dict(zip(s.CAMERA_COLUMNS, values, strict=True))


def upright(shifts: np.ndarray, analysis: Analysis) -> np.ndarray:
    """Shifts (n, 2) of squeezed, unturned pictures in their diagonals, as diagonals of the frame a viewer sees."""
    small = np.array([WIDTH, HEIGHT])  # halved for the flow, which changes no proportion
    shown = np.array(analysis.size) * [float(analysis.probe.sample_aspect), 1.0]
    out = shifts * (np.hypot(*small) / small) * (shown / np.hypot(*shown))
    for _ in range(analysis.turns):
        out = np.stack([out[:, 1], -out[:, 0]], axis=1)
    return np.asarray(out)


def classify(amount: np.ndarray, net: np.ndarray, jitter: float) -> str:
    """One of ``schema.CAMERAS``.

    Args:
        amount: (3,) speed of pan, tilt and zoom whatever its direction, in frame diagonals per second.
        net: (3,) the same where movements to and fro cancel.
        jitter: Frame diagonals per second.
    """
    main = int(np.argmax(amount))
    if amount[main] < AT_REST:
        return STATIC if jitter < CALM else HANDHELD
    if jitter > SHAKY * amount[main]:
        return HANDHELD
    if net[main] < WANDERS * amount[main]:  # a little to and fro is what people do before a tripod
        return STATIC if amount[main] < CALM else HANDHELD
    return (PAN, TILT, ZOOM)[main]


def smooth(values: np.ndarray, window: int) -> np.ndarray:
    """Straight lines fitted to (n, k) over odd ``window`` rows around each row; near the ends those of the last window.

    So a constant acceleration leaves nothing behind, at the ends neither.
    """
    n = len(values)
    window = min(window, n - 1 + n % 2)
    r = window // 2
    at = np.arange(-r, r + 1)
    windows = np.lib.stride_tricks.sliding_window_view(values, window, axis=0)
    out = np.empty_like(values)
    out[r : n - r] = windows.mean(-1)
    slope = windows[[0, -1]] @ at / max(1, int(at @ at))
    out[:r] = out[r] + slope[0] * np.arange(-r, 0)[:, None]
    out[n - r :] = out[n - r - 1] + slope[1] * np.arange(1, r + 1)[:, None]
    return out
