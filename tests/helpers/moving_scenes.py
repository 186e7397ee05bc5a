"""Textured scenes that move, for tests of shots and motion: cheap, and different from each other."""

from __future__ import annotations

import numpy as np

SIZE = (160, 90)
"""Width and height, pixels."""


def scene(seed: int, n: int, *, speed: float = 0.5, gain: float = 1.0) -> np.ndarray:
    """float32 RGB (n, h, w, 3) in [0, 255]: a smooth texture that scrolls ``speed`` pixels a frame."""
    width, height = SIZE
    rng = np.random.default_rng(seed)
    base, other = rng.uniform(30, 100, 3), rng.uniform(140, 220, 3)
    if rng.random() < 0.5:
        base, other = np.roll(base, 1), other[::-1]
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    waves = [
        (rng.uniform(-0.12, 0.12), rng.uniform(-0.12, 0.12), rng.uniform(0, 6.28)) for _ in range(5)
    ]
    angle = rng.uniform(0, 6.28)
    frames = []
    for t in range(n):
        u, v = x + speed * t * np.cos(angle), y + speed * t * np.sin(angle)
        field = sum(np.sin(a * u + b * v + c) for a, b, c in waves) / 5
        mix = (0.5 + 0.5 * np.clip(field * 1.5, -1, 1))[..., None]
        frames.append(gain * (base * mix + other * (1 - mix)))
    return np.stack(frames).astype(np.float32)


def to_uint8(frames: np.ndarray) -> np.ndarray:
    return np.clip(frames, 0, 255).round().astype(np.uint8)


def dissolve(first: np.ndarray, second: np.ndarray, n: int) -> np.ndarray:
    """``first`` then ``second``, the last ``n`` frames of one mixed with the first ``n`` of the other."""
    weight = (np.arange(1, n + 1, dtype=np.float32) / (n + 1))[:, None, None, None]
    mixed = first[-n:] * (1 - weight) + second[:n] * weight
    return np.concatenate([first[:-n], mixed, second[n:]])


def fade(first: np.ndarray, second: np.ndarray, n: int) -> np.ndarray:
    """``first`` down to black over ``n`` frames, then ``second`` up from it over ``n``."""
    down = np.linspace(1, 0, n, dtype=np.float32)[:, None, None, None]
    return np.concatenate([first[:-n], first[-n:] * down, second[:n] * down[::-1], second[n:]])
