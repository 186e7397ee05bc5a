"""Measure camera movement from pixels: fit one shift and one zoom rate to all neighbouring frames at once."""

from __future__ import annotations

import numpy as np

from pipeline.world.scene import PAN_SPEED, ZOOM_RATE

STEP_RATE = 10.0
"""Frames per second at which pairs are compared: enough movement to see, less than half a texture period."""
FLAT = 3.0
"""Deviation of the ground, in 8-bit levels, under which there is nothing to see a camera move by."""
SIDE = 64
"""Pictures are averaged down towards this shorter side."""
BLUR_PASSES = (4, 2)
"""Three-tap blurs of the coarse and of the fine fit."""
ITERATIONS = 6


def read_camera(video: np.ndarray, covered: np.ndarray, fps: float) -> str:
    """Camera of float32 ``video`` (T, H, W, 3) with objects at ``covered`` (T, H, W); ``static`` on a plain ground."""
    shift_x, shift_y, zoom = camera_rates(video, covered, fps)
    sides = {
        "pan_left" if shift_x < 0 else "pan_right": abs(shift_x) / PAN_SPEED[0],
        "tilt_up" if shift_y < 0 else "tilt_down": abs(shift_y) / PAN_SPEED[0],
        "zoom_in" if zoom > 0 else "zoom_out": abs(zoom) / ZOOM_RATE[0],
    }
    best = max(sides, key=lambda name: sides[name])
    return best if sides[best] > 0.5 else "static"


def light_tilt(luma: np.ndarray, free: np.ndarray) -> float:
    """Slope of a straight line through the ground's brightness by column, relative to its middle; 0 of a narrow ground.

    ``luma`` is (H, W), or (T, H, W) for one line through all frames; ``free`` is True where the ground shows.
    """
    rows = tuple(range(luma.ndim - 1))
    weight = free.sum(axis=rows).astype(np.float64)
    width = luma.shape[-1]
    if (weight > 0).sum() < max(4, width // 4):
        return 0.0
    column = (luma * free).sum(axis=rows) / np.maximum(weight, 1)
    at = np.linspace(-1, 1, width)
    slope, middle = np.polyfit(at, column, 1, w=np.sqrt(weight))
    return float(np.clip(slope / max(1.0, middle), -0.4, 0.4))


def light_ramp(luma: np.ndarray, free: np.ndarray) -> np.ndarray:
    """Relative light of each column, (W,), as a straight line whose brighter end is 1.08 if it is a ramp, else 1."""
    width, tilt = luma.shape[2], light_tilt(luma, free)
    if abs(tilt) < 0.1:
        return np.ones(width, np.float32)
    line = 1 + tilt * np.linspace(-1, 1, width)
    return np.asarray(line * (1.08 / line.max()), np.float32)


def camera_rates(video: np.ndarray, covered: np.ndarray, fps: float) -> tuple[float, float, float]:
    """Camera velocity (x, y, in shorter sides per second) and zoom rate (natural log of scale per second)."""
    step = max(1, round(fps / STEP_RATE))
    luma, free = averaged_down(video[::step].mean(axis=-1), ~covered[::step], SIDE)
    if len(luma) < 2 or min(luma.shape[1:]) < 8 or free.mean() < 0.05:
        return 0.0, 0.0, 0.0
    luma = luma / light_ramp(luma, free)[None, None, :]
    level = float(np.median(luma[free]))
    luma = np.where(free, luma, level)
    free = _shrink(free, 2)
    if free.mean() < 0.05 or float(np.std(_blur(luma, 2)[free])) < FLAT:
        return 0.0, 0.0, 0.0
    rate = fps / step
    guess = np.zeros(3)
    for passes in BLUR_PASSES:
        guess = _fit(_blur(luma, passes), free, guess)
    side = min(luma.shape[1:])
    # the picture moves against the camera
    return -guess[0] * rate / side, -guess[1] * rate / side, guess[2] * rate


def averaged_down(luma: np.ndarray, free: np.ndarray, side: int) -> tuple[np.ndarray, np.ndarray]:
    """Frames (T, H, W) by a whole factor towards a shorter side of ``side``; a cell is free when all of it is."""
    count, height, width = luma.shape
    factor = max(1, round(min(height, width) / side))
    if factor == 1:
        return luma, free
    high, wide = height // factor, width // factor
    cut = (slice(None), slice(0, high * factor), slice(0, wide * factor))
    cells = (count, high, factor, wide, factor)
    return luma[cut].reshape(cells).mean(axis=(2, 4)), free[cut].reshape(cells).all(axis=(2, 4))


def _shrink(mask: np.ndarray, pixels: int) -> np.ndarray:
    out = mask.copy()
    for _ in range(pixels):
        step = out.copy()
        step[:, 1:] &= out[:, :-1]
        step[:, :-1] &= out[:, 1:]
        step[:, :, 1:] &= out[:, :, :-1]
        step[:, :, :-1] &= out[:, :, 1:]
        out = step
    return out


def _blur(luma: np.ndarray, passes: int) -> np.ndarray:
    out = luma
    for _ in range(passes):
        for axis in (1, 2):
            pad = [(0, 0)] * 3
            pad[axis] = (1, 1)
            wide = np.pad(out, pad, mode="edge")
            low, high = (
                (wide[:, :-2], wide[:, 2:]) if axis == 1 else (wide[..., :-2], wide[..., 2:])
            )
            out = (low + 2 * out + high) / 4
    return out


def _fit(luma: np.ndarray, free: np.ndarray, guess: np.ndarray) -> np.ndarray:
    """Gauss-Newton for (dx, dy, log scale) per step, shared by all pairs: next(x + dx + s * (x - centre)) = this(x)."""
    _, height, width = luma.shape
    before, after = luma[:-1], luma[1:]
    rows, clear = after.reshape(len(after), -1), free[1:].reshape(len(after), -1)
    ys, xs = np.mgrid[:height, :width].astype(np.float32)
    cx, cy = (width - 1) / 2, (height - 1) / 2
    for _ in range(ITERATIONS):
        grow = np.exp(guess[2])
        x = cx + (xs - cx) * grow + guess[0]
        y = cy + (ys - cy) * grow + guess[1]
        inside = (x >= 1) & (x <= width - 2) & (y >= 1) & (y <= height - 2)
        x0 = np.clip(x.astype(int), 0, width - 2)
        y0 = np.clip(y.astype(int), 0, height - 2)
        fx, fy = np.clip(x - x0, 0, 1), np.clip(y - y0, 0, 1)
        corner = y0 * width + x0
        a, b, c, d = (rows.take(corner + step, axis=1) for step in (0, 1, width, width + 1))
        moved = (a * (1 - fx) + b * fx) * (1 - fy) + (c * (1 - fx) + d * fx) * fy
        slope_x = (b - a) * (1 - fy) + (d - c) * fy
        slope_y = (c - a) * (1 - fx) + (d - b) * fx
        usable = inside & free[:-1] & clear.take(corner, axis=1)
        error = np.where(usable, before - moved, 0)
        bound = 2.5 * float(np.sqrt(np.mean(error[usable] ** 2))) + 1e-3 if usable.any() else 1.0
        weight = usable / np.maximum(1.0, np.abs(error) / bound)
        slopes = np.stack([slope_x, slope_y, slope_x * (x - cx) + slope_y * (y - cy)], axis=-1)
        flat = slopes.reshape(-1, 3)
        weighted = flat * weight.reshape(-1, 1)
        matrix, vector = weighted.T @ flat, weighted.T @ error.ravel()
        scale = np.array([1.0, 1.0, max(width, height) / 3])
        damped = matrix + np.diag(
            1e-3 * np.trace(matrix / np.outer(scale, scale)) * scale**2 + 1e-9
        )
        delta = np.linalg.solve(damped, vector)
        guess = guess + delta
        guess = np.clip(guess, [-8, -8, -0.15], [8, 8, 0.15])
        if np.abs(delta[:2]).max() < 0.01 and abs(delta[2]) < 1e-4:
            break
    return guess
