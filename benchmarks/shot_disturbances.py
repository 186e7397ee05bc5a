"""What may happen inside a shot without being a cut: light, camera, overlays and stalls, added to a view of a clip."""

from __future__ import annotations

import cv2
import numpy as np

from benchmarks.shot_views import Clip, View, random_view, render

DISTURBANCES = (
    "flash",
    "strobe",
    "ramp",
    "step",
    "tint",
    "pan",
    "crash_zoom",
    "shake",
    "text",
    "inset",
    "bars",
    "occluder",
    "freeze",
    "stutter",
    "pulldown",
    "noise",
    "lights",
    "sprite",
    "rush",
    "long_ramp",
    "flicker",
)
"""What may happen inside a shot; none is a boundary."""


def disturb(
    rng: np.random.Generator,
    view: View,
    n: int,
    size: tuple[int, int],
    kind: str,
    clips: list[Clip],
) -> tuple[np.ndarray, tuple[int, int]]:
    """Render ``n`` >= 12 frames of a view with a disturbance; the frames and its span [first, last]."""
    moves, clock = np.zeros((n, 3)), np.arange(n, dtype=float)
    length = int(rng.integers(4, 12))
    first = int(rng.integers(2, max(3, n - length - 2)))
    last = min(n - 1, first + length)
    if kind == "pan":
        moves[:, 2] = min(0.0, 0.6 - view.window[2])
        way = rng.choice([-1, 1]) * rng.uniform(0.2, 0.5)
        path = np.clip((clock - first) / (last - first), 0, 1)
        moves[:, int(rng.random() < 0.25)] = way * (path - 0.5)
        if rng.random() < 0.3:
            moves[:, 0] = way * (0.5 - np.abs(2 * path - 1))
    elif kind == "crash_zoom":
        path = np.clip((clock - first) / (last - first), 0, 1)
        moves[:, 2] = (
            rng.choice([-1, 1]) * rng.uniform(0.2, 0.5) * (path if rng.random() < 0.7 else 1 - path)
        )
    elif kind == "shake":
        strength = rng.uniform(0.01, 0.06)
        moves[:, 2] = min(0.0, 0.85 - view.window[2])
        noise = rng.uniform(-1, 1, (n, 2))
        noise = noise if rng.random() < 0.5 else np.repeat(noise, 3, axis=0)[:n]
        moves[:, :2] = strength * noise
        first, last = 0, n - 1
    elif kind == "rush":
        clock = np.cumsum(
            rng.uniform(1, 2.5) * np.clip(np.sin(clock / rng.uniform(2, 12)) + 0.6, 0, 2)
        )
        first, last = 0, n - 1
    elif kind == "freeze":
        clock = np.where(clock < first, clock, np.maximum(first, clock - length))
    elif kind == "stutter":
        for start in range(first, n, int(rng.integers(8, 20))):
            held = int(rng.integers(2, 8))
            clock[start : start + held] = start
        last = n - 1
    elif kind == "pulldown":
        every = int(rng.integers(2, 6))
        clock = (
            np.floor(clock / every) * every if rng.random() < 0.4 else clock - (clock % every == 0)
        )
        first, last = 0, n - 1
    frames = render(view, n, size, moves, np.maximum(clock, 0))
    if kind in ("pan", "crash_zoom") and rng.random() < 0.6:
        _smear(frames, moves, first, last)
    if kind in ("flash", "strobe", "ramp", "long_ramp", "flicker", "step", "tint", "noise"):
        first, last = _light(rng, frames, kind, first, last)
    elif kind == "lights":
        first, last = _lights(rng, frames)
    elif kind == "sprite":
        first, last = _sprite(rng, frames, clips)
    elif kind in ("text", "inset", "bars", "occluder"):
        _overlay(rng, frames, kind, first, last, clips)
    return frames, (first, last)


def _smear(frames: np.ndarray, moves: np.ndarray, first: int, last: int) -> None:
    speed = np.abs(np.diff(moves[:, :2], axis=0, prepend=moves[:1, :2])) * frames.shape[2]
    for i in range(first, last + 1):
        x, y = (int(each) // 2 * 2 + 1 for each in speed[i])
        frames[i] = cv2.blur(frames[i], (max(1, x), max(1, y)))


def _light(
    rng: np.random.Generator, frames: np.ndarray, kind: str, first: int, last: int
) -> tuple[int, int]:
    """Change the light of ``frames`` in place; the span it touches."""
    n = len(frames)
    gain, lift = np.ones((n, 3)), np.zeros((n, 3))
    t = np.arange(n)
    if kind == "flash":
        for _ in range(int(rng.integers(1, 4))):
            at, held = int(rng.integers(2, n - 3)), int(rng.integers(1, 4))
            power = np.where((t >= at) & (t < at + held), rng.uniform(0.4, 1.0), 0)
            if rng.random() < 0.5:
                power = np.maximum(power, power.max() * 0.6 ** np.maximum(t - at, 0) * (t >= at))
            gain *= 1 - power[:, None] * 0.8
            lift = np.maximum(lift, (power * 215)[:, None])
        first, last = 0, n - 1
    elif kind == "strobe":
        wave = rng.uniform(0.25, 1.5, (n + 3) // 2).repeat(int(rng.integers(1, 4)))[:n]
        wave = np.concatenate([wave, np.ones(max(0, n - len(wave)))])
        colour = rng.uniform(0.5, 1.3, (n, 3)) if rng.random() < 0.4 else np.ones((n, 3))
        gain = np.where(
            ((t >= first) & (t <= max(last, first + 12)))[:, None], wave[:, None] * colour, 1
        )
    elif kind == "ramp":
        ends = np.exp(rng.uniform(-1.2, 0.7, 2))
        gain = (
            np.interp(t, *_either(rng, n, first, last), left=None) * (ends[1] - ends[0]) + ends[0]
        )
        gain = gain[:, None]
    elif kind == "flicker":
        depth = rng.uniform(0.2, 0.6)
        shape = (n, 3) if rng.random() < 0.6 else (n, 1)
        gain = np.repeat(rng.uniform(1 - depth, 1 + depth, shape), int(rng.integers(1, 9)), axis=0)[
            :n
        ]
        first, last = 0, n - 1
    elif kind == "long_ramp":
        ends = (rng.uniform(0.25, 0.9), rng.uniform(1.0, 1.8))
        gain = np.linspace(*(ends if rng.random() < 0.7 else ends[::-1]), n)[:, None]
        first, last = 0, n - 1
    elif kind == "step":
        ends = np.exp(rng.uniform(-0.8, 0.8, 2))
        held = first + int(rng.integers(1, 5))
        gain = np.interp(t, [first, held], ends)[:, None]
    elif kind == "tint":
        ends = np.exp(rng.normal(0, 0.3, (2, 3)))
        share = np.clip((t - first) / max(1, last - first), 0, 1)[:, None]
        gain = ends[0] * (1 - share) + ends[1] * share
    if kind == "noise":
        grain = rng.normal(0, rng.uniform(4, 16), frames.shape).astype(np.float32)
        frames[:] = np.clip(frames + grain, 0, 255)
        return 0, n - 1
    lit = frames.astype(np.float32) * gain[:, None, None].astype(np.float32)
    frames[:] = np.clip(lit + lift[:, None, None].astype(np.float32), 0, 255)
    return first, last


def _lights(rng: np.random.Generator, frames: np.ndarray) -> tuple[int, int]:
    """Stage lights in place: a coarse field of coloured light that wanders and changes at once."""
    n, h, w = frames.shape[:3]
    held, depth = int(rng.integers(1, 12)), rng.uniform(0.2, 0.7)
    now = target = rng.uniform(1 - depth, 1 + depth, (3, 4, 3))
    for i in range(n):
        if i % held == 0:
            target = rng.uniform(1 - depth, 1 + depth, (3, 4, 3))
        now = target if held < 4 else now + (target - now) * 0.35
        field = cv2.resize(now.astype(np.float32), (w, h), interpolation=cv2.INTER_CUBIC)
        frames[i] = np.clip(frames[i] * field, 0, 255)
    return 0, n - 1


def _sprite(rng: np.random.Generator, frames: np.ndarray, clips: list[Clip]) -> tuple[int, int]:
    """Something large that moves fast close to the camera, in place: a soft blob cut out of another clip."""
    n, h, w = frames.shape[:3]
    inside = render(random_view(rng, clips, n), n, (w, h))
    y, x = np.mgrid[0:h, 0:w].astype(np.float32) / h
    radius = rng.uniform(0.15, 0.5, 2)
    speed, phase = rng.uniform(0.05, 0.6, 2), rng.uniform(0, 6.3, 2)
    for i in range(n):
        centre = (0.5 + 0.6 * np.sin(speed * i + phase)) * (w / h, 1)
        reach = ((x - centre[0]) / radius[0]) ** 2 + ((y - centre[1]) / radius[1]) ** 2
        cover = np.clip((1.2 - reach) / 0.4, 0, 1)[..., None]
        moved = np.roll(inside[i], [int((centre[1] - 0.5) * h), int((centre[0] - 0.9) * h)], (0, 1))
        frames[i] = frames[i] * (1 - cover) + moved * cover
    return 0, n - 1


def _either(rng: np.random.Generator, n: int, first: int, last: int) -> tuple[list[int], list[int]]:
    return ([0, n - 1], [0, 1]) if rng.random() < 0.5 else ([first, last], [0, 1])


def _overlay(
    rng: np.random.Generator,
    frames: np.ndarray,
    kind: str,
    first: int,
    last: int,
    clips: list[Clip],
) -> None:
    """Put something over ``frames`` in place, from ``first`` on; it may leave again, suddenly or not."""
    n, h, w = frames.shape[:3]
    stop = n if rng.random() < 0.4 else int(rng.integers(first + 1, n))
    begin = 0 if rng.random() < 0.15 else first
    if kind == "bars":
        bar = int(h * rng.uniform(0.08, 0.18))
        for i in range(begin, stop):
            frames[i, :bar] = 0
            frames[i, h - bar :] = 0
    elif kind == "occluder":
        colour = rng.uniform(0, 120, 3)
        width, soft = rng.uniform(0.3, 1.2) * w, rng.uniform(0.05, 0.3) * w
        speed = rng.choice([-1, 1]) * w / rng.uniform(3, 10)
        x = np.arange(w)
        for i in range(first, n):
            centre = (
                (0 if speed > 0 else w) - np.sign(speed) * (width / 2 + soft) + speed * (i - first)
            )
            cover = np.clip((width / 2 + soft - np.abs(x - centre)) / soft, 0, 1)[None, :, None]
            frames[i] = frames[i] * (1 - cover) + colour * cover
    elif kind == "inset":
        share = rng.uniform(0.2, 0.48)
        iw, ih = max(4, int(w * share)), max(4, int(h * share))
        x, y = int(rng.integers(0, w - iw)), int(rng.integers(0, h - ih))
        inside = [random_view(rng, clips, n) for _ in range(2)]
        change = int(rng.integers(begin, max(begin + 1, stop))) if rng.random() < 0.3 else n
        for i in range(begin, stop):
            picture = render(inside[int(i >= change)], 1, (iw, ih), clock=np.array([float(i)]))[0]
            frames[i, y : y + ih, x : x + iw] = picture
    else:
        _text(rng, frames, begin, stop)


def _text(rng: np.random.Generator, frames: np.ndarray, begin: int, stop: int) -> None:
    """A caption, a lower third, a title: letters, with or without a box, at once or faded in."""
    n, h, w = frames.shape[:3]
    layer, cover = np.zeros((h, w, 3), np.uint8), np.zeros((h, w), np.uint8)
    ink = (255, 255, 255) if rng.random() < 0.6 else tuple(int(v) for v in rng.integers(0, 256, 3))
    lines, scale = int(rng.integers(1, 4)), h * rng.uniform(0.08, 0.3)
    top = rng.uniform(0.05, 0.95) * h
    if rng.random() < 0.45:
        box = tuple(int(v) for v in rng.integers(0, 256, 3))
        corner = (int(rng.uniform(0, 0.3) * w), int(top - scale * 0.2))
        other = (int(rng.uniform(0.6, 1) * w), int(top + scale * (lines + 0.2)))
        cv2.rectangle(layer, corner, other, box, -1)
        cv2.rectangle(cover, corner, other, int(rng.integers(120, 256)), -1)
    for k in range(lines):
        text = "".join(chr(int(v)) for v in rng.integers(65, 123, int(rng.integers(4, 24))))
        place = (int(rng.uniform(0.02, 0.3) * w), int(top + scale * (k + 0.8)))
        for picture, value in ((layer, ink), (cover, 255)):
            cv2.putText(
                picture, text, place, cv2.FONT_HERSHEY_SIMPLEX, scale / 30, value,
                max(1, int(scale / 10)), cv2.LINE_AA,
            )  # fmt: skip
    ease = int(rng.choice([1, 1, 3, 8]))
    for i in range(begin, stop):
        share = min(1.0, (i - begin + 1) / ease, (stop - i) / ease if stop < n else 1.0)
        weight = (cover.astype(np.float32) * (share / 255))[..., None]
        frames[i] = frames[i] * (1 - weight) + layer * weight
