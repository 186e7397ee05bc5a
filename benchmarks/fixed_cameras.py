"""Films of fixed cameras, drawn: a flat ground (road, room, yard, corridor) that things cross now and then.

``camera`` draws a place and its light, ``Camera.shot`` a shot of it with its own cars and people. They teach the shot
detector that a crossing is no wipe, and ``benchmarks.fixed_camera`` measures on other seeds, beside real footage.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np


@dataclass(frozen=True, kw_only=True)
class Camera:
    """A place as a fixed camera sees it."""

    ground: np.ndarray
    """float32 RGB (h, w, 3) in [0, 255], nothing in front of it."""
    grain: float
    """Standard deviation of the sensor's noise."""
    horizon: float
    """Share of the height above which nothing stands."""
    clock: bool
    """Whether a time is burnt in."""

    def shot(
        self, rng: np.random.Generator, n: int, things: int, *, largest: float = 0.9
    ) -> np.ndarray:
        """``n`` frames uint8 RGB (n, h, w, 3) in which ``things`` pass, each at most ``largest`` of the height."""
        h, w = self.ground.shape[:2]
        frames = np.repeat(self.ground[None], n, axis=0)
        light = 1 + rng.uniform(-0.06, 0.06) * np.linspace(0, 1, n)
        for _ in range(things):
            _pass(rng, frames, self.horizon, largest)
        start = int(rng.integers(0, 86_000))
        grain = self.grain * rng.standard_normal((4 * h, w, 1)).astype(np.float32)
        out = np.empty((n, h, w, 3), np.uint8)
        for i in range(n):
            at = int(rng.integers(0, 3 * h))
            out[i] = np.clip(frames[i] * light[i] + grain[at : at + h], 0, 255)
            if self.clock:
                _burn_clock(out[i], start + i // 25)
        return out


def camera(rng: np.random.Generator, size: tuple[int, int]) -> Camera:
    """A random place of ``size`` (width, height)."""
    w, h = size
    base = rng.uniform(50, 190) * np.exp(rng.normal(0, 0.06, 3))
    ground = np.broadcast_to(base, (h, w, 3)).astype(np.float32).copy()
    kind = str(rng.choice(["road", "room", "yard", "corridor"]))
    horizon = 0.0
    y = np.linspace(-0.5, 0.5, h)[:, None, None]
    x = np.linspace(-0.5, 0.5, w)[None, :, None]
    ground *= 1 + rng.uniform(-0.3, 0.3) * x + rng.uniform(-0.3, 0.3) * y
    if kind == "road":
        for at in np.sort(rng.uniform(0, h, int(rng.integers(1, 4)))):
            cv2.line(
                ground,
                (0, int(at)),
                (w, int(at + rng.normal(0, h / 12))),
                (230.0, 230.0, 225.0),
                max(1, h // 60),
            )
    elif kind == "room":
        horizon = float(rng.uniform(0.25, 0.5))
        ground[: int(horizon * h)] *= np.exp(rng.normal(0, 0.35))
        for _ in range(int(rng.integers(0, 5))):
            colour = tuple(float(v) for v in rng.uniform(20, 220, 3))
            a, b = rng.uniform(0, w), rng.uniform(0.1, 0.8) * h
            cv2.rectangle(
                ground,
                (int(a), int(b)),
                (int(a + rng.uniform(0.05, 0.25) * w), int(b + rng.uniform(0.1, 0.3) * h)),
                colour,
                -1,
            )
    elif kind == "yard":
        cells = rng.normal(1, 0.08, (int(rng.integers(6, 30)), int(rng.integers(8, 50)), 1))
        ground *= cv2.resize(cells.astype(np.float32), (w, h))[..., None]
    else:
        horizon = float(rng.uniform(0.1, 0.3))
        ground *= 1 - 0.6 * np.exp(-((np.abs(x) * rng.uniform(3, 6)) ** 2))
    return Camera(
        ground=np.clip(ground, 4, 250).astype(np.float32),
        grain=float(rng.uniform(0.5, 4)),
        horizon=horizon,
        clock=bool(rng.random() < 0.4),
    )


def _pass(rng: np.random.Generator, frames: np.ndarray, horizon: float, largest: float) -> None:
    """Something crosses ``frames`` float32 (n, h, w, 3) in place; now and then it stops, or turns back."""
    n, h, w = frames.shape[:3]
    tall = float(rng.uniform(0.15, largest)) * h
    picture, cover = thing(rng, tall)
    ph, pw = cover.shape
    across = rng.random() < 0.75
    way = 1 if rng.random() < 0.5 else -1
    frames_across = float(np.exp(rng.uniform(np.log(8), np.log(110))))
    first = float(rng.uniform(-0.2, 1)) * n
    t = np.arange(n) - first
    if rng.random() < 0.2:  # it stands for a while
        halt, held = rng.uniform(0.2, 0.8) * frames_across, rng.uniform(10, 200)
        t = np.where(t > halt, np.maximum(halt, t - held), t)
    if rng.random() < 0.15:
        t = frames_across / 2 - np.abs(t - frames_across / 2)
    side, span = (w, w + pw) if across else (h, h + ph)
    along = t / frames_across * span
    along = along - (pw if across else ph) if way > 0 else side - along
    level = rng.uniform(max(0.0, horizon * h - ph * 0.5), max(1.0, h - ph * rng.uniform(0.3, 1)))
    still = rng.uniform(-0.2, 0.9) * w
    if across and way < 0:
        picture, cover = picture[:, ::-1], cover[:, ::-1]
    for i in np.flatnonzero((t >= 0) & (t <= frames_across)):
        x, y = (int(along[i]), int(level)) if across else (int(still), int(along[i]))
        left, right, top, low = max(0, x), min(w, x + pw), max(0, y), min(h, y + ph)
        if left >= right or top >= low:
            continue
        inside = np.s_[top - y : low - y, left - x : right - x]
        behind = frames[i, top:low, left:right]
        behind += (picture[inside] - behind) * cover[inside][..., None]


def thing(rng: np.random.Generator, tall: float) -> tuple[np.ndarray, np.ndarray]:
    """A car, a lorry, a person or a blob ``tall`` pixels high: float32 RGB (h, w, 3), its cover (h, w) in [0, 1]."""
    kind = str(rng.choice(["car", "lorry", "person", "blob"], p=[0.35, 0.2, 0.3, 0.15]))
    h = max(6, int(tall))
    w = max(6, int(h * {"car": 2.0, "lorry": 2.8, "person": 0.5, "blob": 1.2}[kind]))
    paint = tuple(float(v) for v in rng.uniform(10, 245, 3))
    other = tuple(float(v) for v in rng.uniform(10, 245, 3))
    glass = tuple(float(v) for v in rng.uniform(5, 90, 3))
    picture = np.empty((h, w, 3), np.float32)
    picture[:] = paint
    cover = np.zeros((h, w), np.float32)
    if kind in ("car", "lorry"):
        cv2.rectangle(cover, (0, h // 3 if kind == "car" else 0), (w - 1, int(h * 0.85)), 1.0, -1)
        if kind == "car":
            roof = np.array(
                [[w * 0.18, h * 0.4], [w * 0.3, 0], [w * 0.72, 0], [w * 0.88, h * 0.4]], np.int32
            )
            cv2.fillPoly(cover, [roof], 1.0)
            cv2.fillPoly(picture, [(roof * 0.8 + [w * 0.1, h * 0.06]).astype(np.int32)], glass)
        else:
            cv2.rectangle(picture, (0, 0), (int(w * rng.uniform(0.1, 0.25)), h), other, -1)
            for _ in range(int(rng.integers(0, 4))):
                a = int(rng.uniform(0.25, 0.9) * w)
                cv2.rectangle(picture, (a, int(h * 0.2)), (a + w // 12, int(h * 0.6)), other, -1)
        for share in (0.22, 0.78):
            centre = (int(w * share), int(h * 0.85))
            cv2.circle(picture, centre, max(1, h // 7), (20.0, 20.0, 20.0), -1)
            cv2.circle(cover, centre, max(1, h // 7), 1.0, -1)
    elif kind == "person":
        cv2.ellipse(cover, (w // 2, h // 9), (max(1, w // 6), max(1, h // 10)), 0, 0, 360, 1.0, -1)
        cv2.ellipse(cover, (w // 2, h // 2), (max(1, w // 3), h * 3 // 8), 0, 0, 360, 1.0, -1)
        cv2.rectangle(cover, (w // 4, h // 2), (w * 3 // 4, h - 1), 1.0, -1)
        picture[: h // 5] = (200.0, 160.0, 130.0)
        picture[h * 11 // 20 :] = other
    else:
        cv2.ellipse(cover, (w // 2, h // 2), (w // 2, h // 2), 0, 0, 360, 1.0, -1)
        cells = rng.uniform(0, 255, (4, 5, 3)).astype(np.float32)
        picture[:] = cv2.resize(cells, (w, h))
    blur = max(1, int(h * rng.uniform(0, 0.06))) | 1
    return picture, cv2.blur(cover, (blur, blur))


def _burn_clock(frame: np.ndarray, second: int) -> None:
    h = frame.shape[0]
    text = f"{second // 3600:02d}:{second // 60 % 60:02d}:{second % 60:02d}"
    cv2.putText(
        frame, text, (h // 20, h // 9), cv2.FONT_HERSHEY_SIMPLEX, h / 300, (235, 235, 235), 1
    )
