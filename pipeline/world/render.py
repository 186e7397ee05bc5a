"""Scenes to pixels: vectorised over time, anti-aliased by signed distance, the same bytes every time."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from pipeline.world.scene import BACKGROUNDS, COLOURS, Scene, position

FEATURE_LEVELS = 34.0
"""Luma step, in 8-bit levels, between a texture's marks and its ground: visible after H.264, still muted."""


def signed_distance(shape: str, x: np.ndarray, y: np.ndarray, r: np.ndarray) -> np.ndarray:
    """Approximate signed distance in pixels to ``shape`` of radius ``r``; negative inside. Upright, y downward."""
    ax, ay = np.abs(x), np.abs(y)
    if shape == "circle":
        return np.hypot(x, y) - r
    if shape == "square":
        return np.maximum(ax, ay) - 0.86 * r
    if shape == "triangle":
        inner = 0.6 * r
        return np.maximum(y - inner, (np.sqrt(np.float32(3)) * ax - y) / 2 - inner)
    if shape == "diamond":
        return (ax + ay - 1.15 * r) / np.sqrt(np.float32(2))
    if shape == "cross":
        return np.minimum(
            np.maximum(ax - r, ay - 0.34 * r),
            np.maximum(ax - 0.34 * r, ay - r),
        )
    if shape == "ring":
        return np.abs(np.hypot(x, y) - 0.76 * r) - 0.24 * r
    raise ValueError(f"shape {shape!r} is unknown to the renderer")


def _texture(scene: Scene, u: np.ndarray, v: np.ndarray, pixel: float) -> np.ndarray:
    """Texture in [-1, 1] at coordinates in texture periods; ``pixel`` is one pixel's size in periods."""
    if scene.texture == "plain":
        return np.zeros_like(u)
    if scene.texture == "clouds":
        rng = np.random.default_rng([17, scene.seed])
        total = np.zeros_like(u)
        for _ in range(5):
            angle, phase = rng.uniform(0, 2 * np.pi, 2)
            frequency = rng.uniform(0.35, 0.75)
            du, dv = np.cos(angle) * frequency, np.sin(angle) * frequency
            total += np.sin(
                np.float32(2 * np.pi) * (u * np.float32(du) + v * np.float32(dv))
                + np.float32(phase)
            )
        return total / np.float32(2.6)
    fu, fv = u - np.floor(u), v - np.floor(v)
    soft = max(pixel, 1e-3)
    if scene.texture == "dots":
        distance = np.hypot(fu - 0.5, fv - 0.5) - 0.24
        return np.clip(0.5 - distance / soft, 0, 1)
    if scene.texture == "grid":
        distance = np.minimum(np.abs(fu - 0.5), np.abs(fv - 0.5)) - 0.08
        return np.clip(0.5 - distance / soft, 0, 1)
    if scene.texture == "checks":
        du = np.abs(np.mod(u, 2) - 1) - 0.5
        dv = np.abs(np.mod(v, 2) - 1) - 0.5
        return np.clip(du / soft, -0.5, 0.5) * np.clip(dv / soft, -0.5, 0.5) * 2 + 0.5
    raise ValueError(f"texture {scene.texture!r} is unknown to the renderer")


def camera_path(scene: Scene, t_s: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Camera offset (x, y, in shorter sides) and scale at times ``t_s``; panning left shifts the picture right."""
    speed = scene.camera_speed
    zero, one = np.zeros_like(t_s), np.ones_like(t_s)
    sign = {"pan_left": -1, "pan_right": 1, "tilt_up": -1, "tilt_down": 1}.get(scene.camera, 0)
    if scene.camera.startswith("pan"):
        return sign * speed * t_s, zero, one
    if scene.camera.startswith("tilt"):
        return zero, sign * speed * t_s, one
    if scene.camera.startswith("zoom"):
        rate = speed if scene.camera == "zoom_in" else -speed
        return zero, zero, np.exp(rate * (t_s - scene.duration_s / 2))
    return zero, zero, one


def render(
    scene: Scene,
    *,
    width: int,
    height: int,
    fps: float,
    n_frames: int,
    picked: Sequence[int] | None = None,
) -> np.ndarray:
    """Frames of ``scene`` as uint8 RGB, (T, H, W, 3), frame ``i`` at time ``i / fps`` seconds.

    ``picked``: the numbers of the frames to render, where not all are wanted.
    """
    if min(width, height, n_frames) < 1 or fps <= 0:
        raise ValueError(
            f"cannot render {n_frames} frames of {width}x{height} at {fps} fps; all must be positive"
        )
    side = min(width, height)
    t = np.arange(n_frames, dtype=np.float32) / np.float32(fps)
    t = t if picked is None else t[list(picked)]
    cam_x, cam_y, scale = (a.astype(np.float32)[:, None, None] for a in camera_path(scene, t))
    px = (np.arange(width, dtype=np.float32) + 0.5)[None, None, :]
    py = (np.arange(height, dtype=np.float32) + 0.5)[None, :, None]

    frames_of_ground = 1 if scene.camera == "static" else len(t)
    period = np.float32(scene.texture_period)
    ground = slice(0, frames_of_ground)
    u = ((px - width / 2) / side / scale[ground] + cam_x[ground]) / period
    v = ((py - height / 2) / side / scale[ground] + cam_y[ground]) / period
    shape = (frames_of_ground, height, width)
    u, v = (
        np.broadcast_to(u, shape).astype(np.float32),
        np.broadcast_to(v, shape).astype(np.float32),
    )
    marks = _texture(scene, u, v, 1 / (side * float(period)))
    step = FEATURE_LEVELS if scene.background in ("charcoal", "slate") else -FEATURE_LEVELS
    base = np.asarray(BACKGROUNDS[scene.background], np.float32)
    image = base + (np.float32(step) * marks)[..., None]
    image = np.broadcast_to(image, (len(t), height, width, 3)).copy()

    for obj in reversed(scene.objects):
        cx, cy = position(obj, t)
        radius = (np.float32(obj.radius * side) * scale).astype(np.float32)
        dx = px - (cx * width).astype(np.float32)[:, None, None]
        dy = py - (cy * height).astype(np.float32)[:, None, None]
        dx, dy = np.broadcast_arrays(dx, dy)
        cover = np.clip(0.5 - signed_distance(obj.shape, dx, dy, radius), 0, 1)[..., None]
        colour = np.asarray(COLOURS[obj.colour], np.float32)
        image += cover * (colour - image)

    if scene.light != "even":
        ramp = np.linspace(1.08, 0.72, width, dtype=np.float32)
        image *= (ramp if scene.light == "left" else ramp[::-1])[None, None, :, None]
    return np.clip(image + 0.5, 0, 255).astype(np.uint8)
