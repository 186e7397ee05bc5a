"""Gradual transitions of composites: how the mixed frames of two shots are made."""

from __future__ import annotations

import cv2
import numpy as np


def blend(rng: np.random.Generator, kind: str, a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """``d`` mixed frames of shots a and b, each uint8 (d, h, w, 3); the first and the last are mixed already."""
    d, h, w = a.shape[:3]
    p = np.arange(1, d + 1) / (d + 1)
    if kind == "dissolve":
        curve = p if rng.random() < 0.75 else p * p * (3 - 2 * p)
        return _mix(a, b, np.broadcast_to(curve[:, None, None], (d, 1, 1)))
    if kind in ("slide", "whip"):
        return _slide(rng, kind, a, b, p * p * (3 - 2 * p) if rng.random() < 0.5 else p)
    if kind == "cross_zoom":
        grown = [_zoom(a[i], 1 + 2 * p[i] ** 2) for i in range(d)]
        shrunk = [_zoom(b[i], 1 + 2 * (1 - p[i]) ** 2) for i in range(d)]
        return _mix(np.stack(grown), np.stack(shrunk), np.clip(4 * p - 1.5, 0, 1)[:, None, None])
    if kind in ("cross_blur", "pixels"):
        strength = 1 - np.abs(2 * p - 1)
        parts = [[_soften(each[i], strength[i], kind) for i in range(d)] for each in (a, b)]
        share = np.clip(3 * p - 1, 0, 1) if kind == "cross_blur" else (p > 0.5).astype(float)
        return _mix(np.stack(parts[0]), np.stack(parts[1]), share[:, None, None])
    if kind == "flash_cut":
        white = (1 - np.abs(2 * p - 1)) * rng.uniform(0.7, 1) + 0.2
        chosen = np.where((p < 0.5)[:, None, None, None], a, b)
        return _mix(chosen, np.full_like(a, 255), np.clip(white, 0, 1)[:, None, None])
    if kind == "burn":  # both at once where they are bright
        lit = a.astype(np.float32) * (1 - p[:, None, None, None]) ** 0.6
        lit += b * p[:, None, None, None].astype(np.float32) ** 0.6
        return np.clip(lit, 0, 255).astype(np.uint8)
    moved = {"glitch": _glitch, "grow": _grow, "spin": _spin, "split": _split}
    if kind in moved:
        return moved[kind](rng, a, b, p)
    field_ = wipe_field(rng, kind, h, w)
    soft = float(rng.choice([0.01, rng.uniform(0.02, 0.5)]))
    edge = p * (1 + soft)
    return _mix(a, b, np.clip((edge[:, None, None] - field_) / soft, 0, 1))


def _mix(a: np.ndarray, b: np.ndarray, share: np.ndarray) -> np.ndarray:
    """a (1 - share) + b share; share (d, 1 or h, 1 or w)."""
    weight = share[..., None].astype(np.float32)
    return (a * (1 - weight) + b * weight + 0.5).astype(np.uint8)


def wipe_field(rng: np.random.Generator, kind: str, h: int, w: int) -> np.ndarray:
    """When, as a share in [0, 1] of the transition, each pixel turns: (h, w)."""
    y, x = np.mgrid[0:h, 0:w].astype(np.float32)
    x, y = x / max(1, w - 1), y / max(1, h - 1)
    if kind == "iris":
        cx, cy = rng.uniform(0.3, 0.7, 2)
        power = float(rng.choice([1, 2, 8]))
        field_ = (np.abs(x - cx) ** power + np.abs(y - cy) ** power) ** (1 / power)
    elif kind == "dots":
        cells = rng.uniform(0, 1, (int(rng.integers(4, 30)), int(rng.integers(6, 50))))
        field_ = cv2.resize(cells, (w, h), interpolation=cv2.INTER_NEAREST)
    elif kind == "luma":
        cells = rng.uniform(0, 1, (int(rng.integers(3, 9)), int(rng.integers(3, 12))))
        field_ = cv2.resize(cells, (w, h), interpolation=cv2.INTER_CUBIC)
    elif kind == "checker":
        rows, columns = rng.integers(2, 9, 2)
        board = (np.floor(x * columns * 0.999) + np.floor(y * rows * 0.999)) % 2
        field_ = board + (x if rng.random() < 0.5 else y)
    elif kind == "clock":
        field_ = np.mod(np.arctan2(y - 0.5, x - 0.5) / (2 * np.pi) + rng.random(), 1)
    elif kind == "blinds":
        field_ = np.mod((x if rng.random() < 0.5 else y) * rng.integers(3, 9), 1)
    else:
        turn = rng.integers(0, 4) * np.pi / 2 if rng.random() < 0.6 else rng.uniform(0, 2 * np.pi)
        field_ = x * np.cos(turn) + y * np.sin(turn)
        if rng.random() < 0.15:
            field_ = np.abs(field_ - field_.mean())
    field_ = field_ - field_.min()
    field_ = field_ / field_.max()
    return 1 - field_ if rng.random() < 0.5 else field_


def _slide(
    rng: np.random.Generator, kind: str, a: np.ndarray, b: np.ndarray, p: np.ndarray
) -> np.ndarray:
    """b pushes a out, or slides over it; ``whip``: both blurred along the way."""
    d, h, w = a.shape[:3]
    axis, way = int(rng.random() < 0.3), bool(rng.random() < 0.5)
    cover = kind == "slide" and rng.random() < 0.3
    out = np.empty_like(a)
    for i in range(d):
        side = h if axis else w
        cut = int(np.clip(round(p[i] * side), 1, side - 1))
        first, second = (a[i], b[i]) if way else (np.flip(a[i], 1 - axis), np.flip(b[i], 1 - axis))
        if axis:
            old = first[:-cut] if cover else first[cut:]
            picture = np.concatenate([old, second[:cut]], axis=0)
        else:
            old = first[:, :-cut] if cover else first[:, cut:]
            picture = np.concatenate([old, second[:, :cut]], axis=1)
        out[i] = picture if way else np.flip(picture, 1 - axis)
        if kind == "whip":
            length = max(3, side // 6)
            out[i] = cv2.blur(out[i], (1, length) if axis else (length, 1))
    return out


def _zoom(frame: np.ndarray, by: float) -> np.ndarray:
    h, w = frame.shape[:2]
    matrix = np.array([[1 / by, 0, w / 2 * (1 - 1 / by)], [0, 1 / by, h / 2 * (1 - 1 / by)]])
    return cv2.warpAffine(frame, matrix, (w, h), flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP)


def _soften(frame: np.ndarray, strength: float, kind: str) -> np.ndarray:
    h, w = frame.shape[:2]
    if kind == "cross_blur":
        return cv2.GaussianBlur(frame, (0, 0), 0.3 + strength * h / 14)
    cells = max(3, int(h / (1 + strength * h / 8)))
    small = cv2.resize(frame, (max(4, cells * w // h), cells), interpolation=cv2.INTER_AREA)
    return cv2.resize(small, (w, h), interpolation=cv2.INTER_NEAREST)


def _glitch(rng: np.random.Generator, a: np.ndarray, b: np.ndarray, p: np.ndarray) -> np.ndarray:
    """Bands of either shot, shifted, a new set of them every frame or two."""
    d, h, w = a.shape[:3]
    out = np.empty_like(a)
    for i in range(d):
        at = 0
        while at < h:
            stop = min(h, at + int(rng.integers(1, max(2, h // 4))))
            chosen = b if rng.random() < p[i] else a
            moved = int(rng.normal(0, 0.08 * w)) if rng.random() < 0.6 else 0
            out[i, at:stop] = np.roll(chosen[i, at:stop], moved, axis=1)
            at = stop
    return out


def _grow(rng: np.random.Generator, a: np.ndarray, b: np.ndarray, p: np.ndarray) -> np.ndarray:
    """b grows out of a point over a, or a shrinks into one and bares b."""
    d, h, w = a.shape[:3]
    shrinks, (cx, cy) = rng.random() < 0.4, rng.uniform(0.1, 0.9, 2)
    over, under = (a, b) if shrinks else (b, a)
    out = under.copy()
    for i in range(d):
        side = 1 - p[i] if shrinks else p[i]
        gw, gh = max(2, int(w * side)), max(2, int(h * side))
        x, y = int((w - gw) * cx), int((h - gh) * cy)
        out[i, y : y + gh, x : x + gw] = cv2.resize(over[i], (gw, gh), interpolation=cv2.INTER_AREA)
    return out


def _spin(rng: np.random.Generator, a: np.ndarray, b: np.ndarray, p: np.ndarray) -> np.ndarray:
    """The picture turns faster and faster, and slows down as the other shot."""
    d, h, w = a.shape[:3]
    turn = rng.choice([-1, 1]) * rng.uniform(60, 180)
    out = np.empty_like(a)
    for i in range(d):
        angle = turn * (2 * p[i] ** 2 if p[i] < 0.5 else -2 * (1 - p[i]) ** 2)
        matrix = cv2.getRotationMatrix2D(
            (w / 2, h / 2), float(angle), 1 + float(min(p[i], 1 - p[i]))
        )
        chosen = a[i] if p[i] < 0.5 else b[i]
        out[i] = cv2.warpAffine(chosen, matrix, (w, h), borderMode=cv2.BORDER_REFLECT)
    return out


def _split(rng: np.random.Generator, a: np.ndarray, b: np.ndarray, p: np.ndarray) -> np.ndarray:
    """The halves of a move apart and bare b."""
    d, h, w = a.shape[:3]
    flat = rng.random() < 0.5
    out = b.copy()
    for i in range(d):
        half = (w if flat else h) // 2
        gone = int(np.clip(round(p[i] * half), 1, half - 1))
        if flat:
            out[i, :, : half - gone] = a[i, :, gone:half]
            out[i, :, half + gone :] = a[i, :, half : w - gone]
        else:
            out[i, : half - gone] = a[i, gone:half]
            out[i, half + gone :] = a[i, half : h - gone]
    return out
