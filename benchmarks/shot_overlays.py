"""More of what may happen inside a shot: graphics that pop up, pictures in the picture, subtitles, things that cross,
strobes, long freezes, light that comes and goes. Each changes frames uint8 RGB (n, h, w, 3) in place."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np

from benchmarks.fixed_cameras import thing
from benchmarks.shot_views import Clip, random_view, render

Overlay = Callable[[np.random.Generator, np.ndarray, list[Clip]], tuple[int, int]]
"""Changes the frames; returns the first and the last that it touched."""


def spell(rng: np.random.Generator, n: int) -> tuple[int, int]:
    """[first, stop) of something that appears and leaves again, or stays to the end of the shot."""
    first = 0 if rng.random() < 0.1 else int(rng.integers(1, max(2, n - 3)))
    stop = n if rng.random() < 0.35 else int(rng.integers(first + 1, n + 1))
    return first, stop


def entrance(rng: np.random.Generator, n: int, first: int, stop: int) -> np.ndarray:
    """float (n,): how far something is in, 0 to 1; at once, or eased over some frames, and the same on its way out."""
    t = np.arange(n)
    slow = [1, int(rng.integers(2, 25))]
    rise, fall = (slow[int(rng.random() < 0.45)] for _ in range(2))
    share = np.clip((t - first + 1) / rise, 0, 1) * (t >= first)
    if stop < n:
        share = np.minimum(share, np.clip((stop - t) / fall, 0, 1))
    return share * share * (3 - 2 * share) if rng.random() < 0.5 else share


def picture_of(
    rng: np.random.Generator, clips: list[Clip], n: int, size: tuple[int, int]
) -> np.ndarray:
    """What an insert shows, uint8 (n, h, w, 3): another clip, with cuts of its own or a still of it, or a graphic."""
    w, h = size
    kind = str(
        rng.choice(["clip", "still", "cuts", "plain", "graphic"], p=[0.3, 0.2, 0.15, 0.2, 0.15])
    )
    if kind in ("clip", "still", "cuts"):
        clock = np.zeros(n) if kind == "still" else None
        out = render(random_view(rng, clips, n), n, size, clock=clock)
        for at in rng.integers(0, n, int(rng.integers(1, 4))) if kind == "cuts" else ():
            out[at:] = render(random_view(rng, clips, n), n - at, size)
        return out
    card = np.empty((h, w, 3), np.uint8)
    card[:] = rng.integers(0, 256, 3)
    if kind == "graphic":
        cells = rng.uniform(0, 255, (int(rng.integers(1, 4)), int(rng.integers(1, 5)), 3))
        card[:] = cv2.resize(cells.astype(np.float32), size, interpolation=int(rng.choice([0, 1])))
    for _ in range(int(rng.integers(0, 4))):
        _write(rng, card, tuple(int(v) for v in rng.integers(0, 256, 3)))
    return np.repeat(card[None], n, axis=0)


def _write(rng: np.random.Generator, card: np.ndarray, ink: tuple[int, ...]) -> None:
    h, w = card.shape[:2]
    text = "".join(chr(int(v)) for v in rng.integers(65, 123, int(rng.integers(3, 16))))
    place = (int(rng.uniform(0, 0.4) * w), int(rng.uniform(0.2, 1) * h))
    cv2.putText(
        card,
        text,
        place,
        cv2.FONT_HERSHEY_SIMPLEX,
        h * rng.uniform(0.005, 0.02),
        ink,
        max(1, h // 20),
    )


def insert(rng: np.random.Generator, frames: np.ndarray, clips: list[Clip]) -> tuple[int, int]:
    """A picture in the picture or a graphic: it pops up, slides, grows or fades in, and may move or change its size."""
    n, h, w = frames.shape[:3]
    first, stop = spell(rng, n)
    share = entrance(rng, n, first, stop)
    area = rng.uniform(0.04, 0.62)
    aspect = np.exp(rng.normal(0, 0.45))
    iw = int(np.clip(w * np.sqrt(area * aspect), 4, w))
    ih = int(np.clip(h * np.sqrt(area / aspect), 4, h))
    inside = picture_of(rng, clips, n, (iw, ih))
    cover = np.ones((ih, iw, 1), np.float32)
    if rng.random() < 0.25:
        cover[:] = 0
        cv2.ellipse(cover, (iw // 2, ih // 2), (iw // 2, ih // 2), 0, 0, 360, 1.0, -1)
    if rng.random() < 0.3:
        edge = max(1, min(iw, ih) // 20)
        inside[:, :edge] = inside[:, -edge:] = 255
        inside[:, :, :edge] = inside[:, :, -edge:] = 255
    opacity = 1.0 if rng.random() < 0.7 else rng.uniform(0.35, 0.95)
    way = str(rng.choice(["fade", "slide", "grow"], p=[0.5, 0.3, 0.2]))
    x, y = rng.uniform(0, max(1, w - iw)), rng.uniform(0, max(1, h - ih))
    side = rng.choice([-1, 1]) * (w if rng.random() < 0.6 else h)
    horizontal = abs(side) == w
    drift = rng.normal(0, 0.004, 2) * w if rng.random() < 0.2 else (0.0, 0.0)
    for i in np.flatnonzero(share > 0):
        a, left, top = float(share[i]), x + drift[0] * i, y + drift[1] * i
        picture, weight = inside[i], cover * opacity
        if way == "slide":
            left, top = (left + (1 - a) * side, top) if horizontal else (left, top + (1 - a) * side)
        elif way == "grow" and a < 1:
            gw, gh = max(2, int(iw * a)), max(2, int(ih * a))
            left, top = left + (iw - gw) / 2, top + (ih - gh) / 2
            picture = cv2.resize(picture, (gw, gh), interpolation=cv2.INTER_AREA)
            weight = cv2.resize(weight, (gw, gh))[..., None]
        else:
            weight = weight * a
        paste(frames[i], picture, weight, int(left), int(top))
    return first, stop - 1


def paste(frame: np.ndarray, picture: np.ndarray, cover: np.ndarray, x: int, y: int) -> None:
    """Put a picture (h, w, 3), weighted by its cover (h, w, 1), over a frame in place, as far as it lies inside."""
    h, w = frame.shape[:2]
    ph, pw = picture.shape[:2]
    left, right, top, low = max(0, x), min(w, x + pw), max(0, y), min(h, y + ph)
    if left >= right or top >= low:
        return
    inside = np.s_[top - y : low - y, left - x : right - x]
    behind = frame[top:low, left:right].astype(np.float32)
    frame[top:low, left:right] = behind + (picture[inside] - behind) * cover[inside]


def subtitles(rng: np.random.Generator, frames: np.ndarray, clips: list[Clip]) -> tuple[int, int]:
    """Lines that change at once, every few frames to every few seconds; with a box or without."""
    n, h, w = frames.shape[:3]
    scale, lines = h * rng.uniform(0.05, 0.2), int(rng.integers(1, 4))
    top = int(h * (rng.uniform(0.6, 0.95) if rng.random() < 0.7 else rng.uniform(0, 0.6)))
    ink = (255, 255, 255) if rng.random() < 0.6 else tuple(int(v) for v in rng.integers(0, 256, 3))
    boxed, colour = rng.random() < 0.4, tuple(int(v) for v in rng.integers(0, 256, 3))
    at = 0 if rng.random() < 0.3 else int(rng.integers(0, n))
    begin = at
    usual = rng.uniform(4, 70)
    while at < n:
        held = max(2, int(usual * np.exp(rng.normal(0, 0.4))))
        layer, cover = np.zeros((h, w, 3), np.uint8), np.zeros((h, w), np.uint8)
        for k in range(lines):
            text = "".join(chr(int(v)) for v in rng.integers(65, 123, int(rng.integers(3, 28))))
            x = int(rng.uniform(0.02, 0.4) * w)
            y = int(top + scale * (k + 0.8))
            if boxed:
                corner = (x + int(scale * 0.6 * len(text)), int(y + scale * 0.2))
                for picture, value in ((layer, colour), (cover, 220)):
                    cv2.rectangle(picture, (x, int(y - scale * 0.8)), corner, value, -1)
            for picture, value in ((layer, ink), (cover, 255)):
                cv2.putText(
                    picture,
                    text,
                    (x, y),
                    cv2.FONT_HERSHEY_SIMPLEX,
                    scale / 30,
                    value,
                    max(1, int(scale / 9)),
                )
        weight = cover[..., None].astype(np.float32) / 255
        for i in range(at, min(n, at + held)):
            frames[i] = frames[i] + (layer - frames[i].astype(np.float32)) * weight
        at += held + (int(rng.integers(1, 20)) if rng.random() < 0.4 else 0)
    return begin, n - 1


def crossing(rng: np.random.Generator, frames: np.ndarray, clips: list[Clip]) -> tuple[int, int]:
    """Something large crosses close to the camera, up to wider than the picture: a vehicle, a person, a wall."""
    n, h, w = frames.shape[:3]
    if rng.random() < 0.55:
        picture, share = thing(rng, h * rng.uniform(0.4, 1.4))
        cover = np.ascontiguousarray(share[..., None])
    else:
        wide, high = int(w * rng.uniform(0.2, 1.6)), int(h * rng.uniform(0.4, 1.2))
        picture = picture_of(rng, clips, 1, (max(4, wide), max(4, high)))[0].astype(np.float32)
        soft = max(1, int(min(wide, high) * rng.uniform(0, 0.4)))
        x, y = (
            np.minimum(np.arange(s), np.arange(s)[::-1]) + 1
            for s in (picture.shape[1], picture.shape[0])
        )
        cover = np.minimum(np.clip(x / soft, 0, 1)[None], np.clip(y / soft, 0, 1)[:, None])[
            ..., None
        ]
        cover = cover.astype(np.float32)
    ph, pw = picture.shape[:2]
    lasts = float(np.exp(rng.uniform(np.log(5), np.log(90))))
    first = int(rng.integers(0, max(1, n - 4)))
    flat = rng.random() < 0.8
    way = int(rng.choice([-1, 1]))
    other = int(rng.uniform(-0.4, 0.8) * (h if flat else w))
    side, span = (w, w + pw) if flat else (h, h + ph)
    last = min(n - 1, int(first + lasts))
    for i in range(first, last + 1):
        at = (i - first) / lasts * span
        at = int(at - (pw if flat else ph) if way > 0 else side - at)
        paste(frames[i], picture, cover, *((at, other) if flat else (other, at)))
    return first, last


def blackout(rng: np.random.Generator, frames: np.ndarray, clips: list[Clip]) -> tuple[int, int]:
    """A strobe: the picture goes to black, white or a colour for a few frames, once or in a rhythm."""
    n = len(frames)
    first = int(rng.integers(2, max(3, n - 6)))
    last = min(n - 3, first + int(rng.integers(1, 60)))
    on, off = (int(rng.integers(1, hi)) for hi in (4, 9))
    colour = (
        np.full(3, float(rng.choice([0, 255]))) if rng.random() < 0.75 else rng.uniform(0, 255, 3)
    )
    depth = rng.uniform(0.5, 1.0)
    for i in range(first, last + 1):
        if (i - first) % (on + off) < on:
            frames[i] = frames[i] * (1 - depth) + colour * depth
    return first, last


def fade_back(rng: np.random.Generator, frames: np.ndarray, clips: list[Clip]) -> tuple[int, int]:
    """The light goes, almost to black or white, and comes back over the same shot, or stays; by gain or gamma."""
    n, h, w = frames.shape[:3]
    first = int(rng.integers(0, max(1, n - 8)))
    fall, held, rise = (int(rng.integers(lo, hi)) for lo, hi in ((2, 60), (0, 20), (2, 60)))
    t = np.arange(n)
    share = np.clip((t - first) / fall, 0, 1)
    if rng.random() < 0.6:
        share = np.minimum(share, np.clip((first + fall + held + rise - t) / rise, 0, 1))
    share = 1 - share if rng.random() < 0.15 else share
    depth = rng.uniform(0.3, 0.9)
    field = np.ones((h, w, 1), np.float32)
    if rng.random() < 0.45:  # from one side, or one lamp
        y, x = np.mgrid[0:h, 0:w] / np.array([h, w])[:, None, None]
        if rng.random() < 0.5:
            turn = rng.uniform(0, 6.3)
            field = np.clip(0.5 + (x - 0.5) * np.cos(turn) + (y - 0.5) * np.sin(turn), 0, 1)
        else:
            cx, cy = rng.uniform(0, 1, 2)
            field = np.exp(-((x - cx) ** 2 + (y - cy) ** 2) / rng.uniform(0.02, 0.3))
        field = field[..., None].astype(np.float32)
    kind = str(rng.choice(["dark", "white", "gamma", "lamp"], p=[0.5, 0.15, 0.15, 0.2]))
    tint = np.exp(rng.normal(0, 0.2, 3)) if rng.random() < 0.4 else np.ones(3)
    way = rng.choice([-1, 1])
    for i in np.flatnonzero(share > 0):
        a = float(share[i]) * depth * field
        x = frames[i].astype(np.float32)
        if kind == "dark":
            x = x * (1 - a)
        elif kind == "white":
            x = x + (255 - x) * a * 0.8
        elif kind == "gamma":
            x = 255 * (x / 255 + 1e-3) ** np.exp(way * 1.3 * a)
        else:
            x = x * (1 + 1.5 * a)
        frames[i] = np.clip(x * (1 + (tint - 1) * a), 0, 255)
    return first, n - 1


def long_freeze(rng: np.random.Generator, frames: np.ndarray, clips: list[Clip]) -> tuple[int, int]:
    """The picture stands still for up to two seconds and goes on where it stopped, or up to half a second later."""
    n = len(frames)
    first = int(rng.integers(1, max(2, n - 8)))
    held = int(rng.integers(5, 50))
    lost = int(rng.integers(0, 13)) if rng.random() < 0.5 else 0
    t = np.arange(n)
    index = np.where(t < first, t, np.maximum(first, t - held + lost))
    frames[:] = frames[np.minimum(index, n - 1)]
    return first, min(n - 1, first + held)


def focus(rng: np.random.Generator, frames: np.ndarray, clips: list[Clip]) -> tuple[int, int]:
    """The picture goes out of focus and comes back, or comes into focus."""
    n, h = frames.shape[:2]
    first, length = int(rng.integers(0, max(1, n - 6))), int(rng.integers(3, 40))
    t = (np.arange(n) - first) / length
    share = np.clip(1 - np.abs(2 * t - 1), 0, 1) if rng.random() < 0.7 else np.clip(1 - t, 0, 1)
    most = h * rng.uniform(0.02, 0.12)
    for i in np.flatnonzero(share * most > 0.3):
        frames[i] = cv2.GaussianBlur(frames[i], (0, 0), float(share[i] * most))
    return first, min(n - 1, first + length)


def ticker(rng: np.random.Generator, frames: np.ndarray, clips: list[Clip]) -> tuple[int, int]:
    """A band of running text, with a corner that changes; it may come and go."""
    n, h, w = frames.shape[:3]
    first, stop = spell(rng, n)
    high = int(h * rng.uniform(0.08, 0.25))
    top = h - high - int(rng.uniform(0, 0.1) * h) if rng.random() < 0.8 else 0
    band = np.empty((high, 6 * w, 3), np.uint8)
    band[:] = rng.integers(0, 256, 3)
    ink = tuple(int(v) for v in rng.integers(0, 256, 3))
    text = "".join(chr(int(v)) for v in rng.integers(65, 123, 200))
    cv2.putText(
        band,
        text,
        (0, int(high * 0.8)),
        cv2.FONT_HERSHEY_SIMPLEX,
        high / 35,
        ink,
        max(1, high // 12),
    )
    speed = rng.uniform(0.002, 0.04) * w
    for i in range(first, stop):
        at = int(speed * i) % (5 * w)
        frames[i, top : top + high] = band[:, at : at + w]
    return first, stop - 1


def roll(rng: np.random.Generator, frames: np.ndarray, clips: list[Clip]) -> tuple[int, int]:
    """The camera turns about its axis, quickly or slowly."""
    n, h, w = frames.shape[:3]
    first, length = int(rng.integers(0, max(1, n - 6))), int(rng.integers(4, 40))
    angle = rng.uniform(-60, 60) * np.clip((np.arange(n) - first) / length, 0, 1)
    for i in range(n):
        matrix = cv2.getRotationMatrix2D((w / 2, h / 2), float(angle[i]), 1.25)
        frames[i] = cv2.warpAffine(frames[i], matrix, (w, h), borderMode=cv2.BORDER_REFLECT)
    return first, min(n - 1, first + length)


def specks(rng: np.random.Generator, frames: np.ndarray, clips: list[Clip]) -> tuple[int, int]:
    """Confetti, snow or embers that fall close to the camera."""
    n, h, w = frames.shape[:3]
    count = int(rng.integers(8, 80))
    at = rng.uniform(0, 1, (count, 2)) * (w, h)
    speed = rng.normal(0, 1, (count, 2)) * w * rng.uniform(0.003, 0.04)
    size = np.maximum(1, rng.uniform(0.005, 0.08, count) * h).astype(int)
    inks = rng.integers(0, 256, (count, 3)) if rng.random() < 0.6 else np.full((count, 3), 245)
    first, stop = spell(rng, n)
    for i in range(first, stop):
        here = np.mod(at + speed * i, (w, h)).astype(int)
        for (x, y), radius, ink in zip(here, size, inks, strict=True):
            cv2.circle(frames[i], (int(x), int(y)), int(radius), tuple(int(v) for v in ink), -1)
    return first, stop - 1


OVERLAYS: dict[str, Overlay] = {
    "insert": insert,
    "subtitles": subtitles,
    "crossing": crossing,
    "blackout": blackout,
    "fade_back": fade_back,
    "long_freeze": long_freeze,
    "focus": focus,
}
"""Those that are trained on."""
HELD_OVERLAYS: dict[str, Overlay] = {"ticker": ticker, "roll": roll, "specks": specks}
"""Those that are never trained on."""
