"""One shot of a composite: a view of a source clip, rendered.

A view is a stretch of one clip seen through a moving window, perhaps mirrored, slowed down and graded.
``shot_disturbances`` adds what a detector must not take for a boundary.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np

SPLIT = Path(__file__).resolve().parent / "labels" / "shot_clips.json"


@dataclass(frozen=True, kw_only=True)
class Clip:
    """A single shot to make composites of."""

    name: str
    """File name, or a name of our own."""
    frames: np.ndarray
    """uint8 RGB (n, h, w, 3)."""


@dataclass(frozen=True, kw_only=True)
class View:
    """What of a clip is shown, and how."""

    clip: Clip
    at: float
    """Frame of the clip that the first frame of the shot shows."""
    step: float
    """Frames of the clip per frame of the shot; negative runs backwards."""
    window: tuple[float, float, float]
    """Centre x, centre y and width of the visible part, as shares of the clip's sides."""
    drift: tuple[float, float, float]
    """Change of the window per frame."""
    mirror: bool
    """Whether left and right are swapped."""
    table: np.ndarray
    """uint8 (1, 256, 3): grading of each channel."""


def load_clips(folder: Path, names: list[str], size: tuple[int, int]) -> list[Clip]:
    """Decode whole clips at (width, height)."""
    import av
    from av.video.reformatter import VideoReformatter

    clips = []
    for name in names:
        scaler = VideoReformatter()
        with av.open(str(folder / name)) as container:
            frames = [
                scaler.reformat(each, *size, "rgb24", interpolation="AREA").to_ndarray()
                for each in container.decode(video=0)
            ]
        clips.append(Clip(name=name, frames=np.stack(frames)))
    return clips


def split_names(split: str) -> list[str]:
    """Names of the clips of ``train`` or ``heldout``, by the committed list."""
    return list(json.loads(SPLIT.read_text())[split])


def grading(rng: np.random.Generator, strength: float) -> np.ndarray:
    """A random tone curve per channel, uint8 (1, 256, 3); strength 0 changes nothing."""
    x = np.linspace(0, 1, 256)[:, None]
    gamma = np.exp(rng.normal(0, 0.25 * strength) + rng.normal(0, 0.08 * strength, 3))
    gain = np.exp(rng.normal(0, 0.2 * strength) + rng.normal(0, 0.06 * strength, 3))
    lift = rng.normal(0, 0.03 * strength)
    return (np.clip(lift + gain * x**gamma, 0, 1) * 255).astype(np.uint8)[None]


def random_view(
    rng: np.random.Generator, clips: list[Clip], n: int, avoid: Clip | None = None
) -> View:
    """A view of ``n`` frames of a random clip other than ``avoid``."""
    clip = clips[int(rng.integers(len(clips)))]
    while clip is avoid:
        clip = clips[int(rng.integers(len(clips)))]
    width = float(rng.choice([1.0, rng.uniform(0.55, 1.0)], p=[0.4, 0.6]))
    step = float(rng.choice([1.0, rng.uniform(0.3, 2.2)], p=[0.5, 0.5]))
    step *= 1 if rng.random() < 0.9 else -1
    step = 0.0 if rng.random() < 0.05 else step
    room = (1 - width) / 2
    drift = (0.0, 0.0, 0.0)
    if rng.random() < 0.25:
        drift = (*rng.normal(0, 0.002, 2), float(rng.normal(0, 0.0015)))
    longest = len(clip.frames) - 1
    start = rng.uniform(0, max(0.0, longest - abs(step) * n))
    return View(
        clip=clip,
        at=start if step >= 0 else longest - start,
        step=step,
        window=(0.5 + rng.uniform(-room, room), 0.5 + rng.uniform(-room, room), width),
        drift=drift,
        mirror=bool(rng.random() < 0.5),
        table=grading(rng, float(rng.choice([0.0, 1.0, 2.0], p=[0.4, 0.4, 0.2]))),
    )


def other_view(rng: np.random.Generator, view: View, shown: int) -> View:
    """Another view of the clip right after ``view`` was ``shown`` frames long: a jump in time, a new frame, or both."""
    kind = rng.choice(["jump", "reframe", "both"], p=[0.45, 0.25, 0.3])
    at = view.at + view.step * shown
    window, mirror, table = view.window, view.mirror, view.table
    if kind != "reframe":
        at += float(rng.choice([-1, 1])) * rng.uniform(20, 120)
    if kind != "jump":
        x, y, width = window
        width = (
            width * rng.uniform(0.45, 0.75)
            if width > 0.6
            else min(1.0, width * rng.uniform(1.4, 2))
        )
        room = (1 - width) / 2
        x = float(np.clip(x + rng.uniform(-0.2, 0.2), 0.5 - room, 0.5 + room))
        y = float(np.clip(y + rng.uniform(-0.15, 0.15), 0.5 - room, 0.5 + room))
        window = (x, y, width)
        mirror = mirror != bool(rng.random() < 0.2)
        table = table if rng.random() < 0.6 else grading(rng, 1.0)
    return replace(view, at=at, window=window, mirror=mirror, table=table, drift=(0.0, 0.0, 0.0))


def render(
    view: View,
    n: int,
    size: tuple[int, int],
    moves: np.ndarray | None = None,
    clock: np.ndarray | None = None,
) -> np.ndarray:
    """The view's frames, uint8 RGB (n, h, w, 3).

    ``moves``: (n, 3) added to the window; ``clock``: (n,) which frame of the shot each one shows.
    """
    width, height = size
    h, w = view.clip.frames.shape[1:3]
    t = np.arange(n) if clock is None else clock
    index = _bounce(view.at + view.step * t, len(view.clip.frames) - 1)
    windows = np.array(view.window) + np.array(view.drift) * t[:, None]
    if moves is not None:
        windows = windows + moves
    side = np.clip(windows[:, 2], 0.2, 1)
    centre = np.clip(windows[:, :2], side[:, None] / 2, 1 - side[:, None] / 2)
    out = np.empty((n, height, width, 3), np.uint8)
    for i in range(n):
        sx, sy = side[i] * w / width, side[i] * h / height
        x0, y0 = (centre[i, 0] - side[i] / 2) * w, (centre[i, 1] - side[i] / 2) * h
        matrix = np.array([[sx, 0, x0 + sx / 2 - 0.5], [0, sy, y0 + sy / 2 - 0.5]])
        if view.mirror:
            matrix[0] = [-sx, 0, x0 + side[i] * w - sx / 2 - 0.5]
        cv2.warpAffine(
            view.clip.frames[index[i]],
            matrix,
            size,
            dst=out[i],
            flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
            borderMode=cv2.BORDER_REPLICATE,
        )
    return cv2.LUT(out.reshape(n * height, width, 3), view.table).reshape(out.shape)


def _bounce(at: np.ndarray, last: int) -> np.ndarray:
    """Indices in [0, last] that run back and forth beyond the ends."""
    index = np.mod(np.rint(at), max(1, 2 * last)).astype(int)
    return np.minimum(np.where(index > last, 2 * last - index, index), last)
