"""Composites of single-shot clips with exact truth: cuts, gradual transitions of many kinds, and what looks like one.

    FILMSTOCK_TESTDATA=... python -m benchmarks.shot_composites OUT --videos 8

The clips are those of ``FILMSTOCK_TESTDATA/shots/clips`` that ``labels/shot_clips.json`` holds out of training; the
transitions of ``HELD_KINDS`` are held out too. ``truth.json`` is as ``benchmarks.shots`` reads it, with the kind of
every boundary (``kinds``) and the spans of what is no boundary (``events``).
"""

from __future__ import annotations

import argparse
import json
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from benchmarks.shot_disturbances import DISTURBANCES, disturb
from benchmarks.shot_views import (
    Clip,
    View,
    load_clips,
    other_view,
    random_view,
    render,
    split_names,
)

CUTS = {"cut": 0.5, "scene": 0.32, "short": 0.18}
"""Hard cuts: to another clip, to another view of the same clip, to a shot of 2 to 8 frames; and how often."""
GRADUAL = {
    "dissolve": 0.34,
    "fade_black": 0.12,
    "fade_white": 0.04,
    "dip": 0.06,
    "half_fade": 0.05,
    "black": 0.03,
    "wipe": 0.13,
    "iris": 0.04,
    "dots": 0.03,
    "slide": 0.07,
    "whip": 0.04,
    "cross_blur": 0.04,
    "flash_cut": 0.04,
}
"""Gradual transitions, and how often."""
HELD_KINDS = ("clock", "blinds", "cross_zoom", "pixels")
"""Gradual transitions that are never trained on."""


@dataclass(kw_only=True)
class Composite:
    """Frames of an edit and where its boundaries are."""

    frames: list[np.ndarray] = field(default_factory=list)
    cuts: list[int] = field(default_factory=list)
    gradual: list[list[int]] = field(default_factory=list)
    kinds: dict[str, str] = field(default_factory=dict)
    """Boundary (its first frame) -> kind."""
    events: list[tuple[int, int, str]] = field(default_factory=list)
    """[first, last] of disturbances, and their kinds."""

    def truth(self, fps: float) -> dict[str, Any]:
        """An entry of ``truth.json``."""
        return {
            "fps": fps,
            "frames": len(self.frames),
            "cuts": self.cuts,
            "gradual": self.gradual,
            "kinds": self.kinds,
            "events": self.events,
        }


def compose(
    rng: np.random.Generator,
    clips: list[Clip],
    size: tuple[int, int],
    n_frames: int,
    *,
    kinds: dict[str, float] = GRADUAL,
    gradual_share: float = 0.33,
) -> Composite:
    """An edit of at least ``n_frames`` frames of ``size`` (width, height)."""
    out = Composite()
    view: View | None = None
    shown = 0
    cut_kind = "cut"
    pending = ""
    while len(out.frames) < n_frames:
        short = cut_kind == "short" and not pending
        n = int(rng.integers(2, 9)) if short else int(np.exp(rng.uniform(np.log(10), np.log(130))))
        span = 0
        if pending:
            span = duration(rng, pending)
            n += span
        same = cut_kind == "scene" and view is not None and not pending
        if same and view is not None:
            view = other_view(rng, view, shown)
        else:
            view = random_view(rng, clips, n, None if view is None else view.clip)
        shown = n
        frames, events = shoot(rng, view, n, size, clips)
        if same and not visible(out.frames, frames):
            out.frames += list(frames)  # nothing to see: it is one shot
            base = len(out.frames) - n
        elif not out.frames:
            base = 0
            out.frames += list(frames)
        elif pending:
            base = join(rng, out, frames, pending, span)
        else:
            base = len(out.frames)
            out.cuts.append(base)
            out.kinds[str(base)] = cut_kind
            out.frames += list(frames)
        out.events += [(base + a, base + b, kind) for a, b, kind in events]
        pending = ""
        cut_kind = pick(rng, CUTS)
        free = len(out.frames) - max(
            [0, *out.cuts[-1:], *[last + 1 for _, last in out.gradual[-1:]]]
        )
        if rng.random() < gradual_share and free > 16:
            pending = pick(rng, kinds)
    return out


def pick(rng: np.random.Generator, shares: dict[str, float]) -> str:
    """A key, drawn by its share."""
    weights = np.array(list(shares.values()))
    return str(rng.choice(list(shares), p=weights / weights.sum()))


def shoot(
    rng: np.random.Generator, view: View, n: int, size: tuple[int, int], clips: list[Clip]
) -> tuple[np.ndarray, list[tuple[int, int, str]]]:
    """Frames of a view, often with a disturbance; and the disturbances."""
    if n >= 16 and rng.random() < 0.5:
        kind = str(rng.choice(DISTURBANCES)) if rng.random() < 0.85 else "long_ramp"
        frames, (first, last) = disturb(rng, view, n, size, kind, clips)
        return frames, [(first, last, kind)]
    return render(view, n, size), []


def visible(before: list[np.ndarray], after: np.ndarray) -> bool:
    """Whether two views of a clip differ more than frames inside them do, so that the cut can be seen at all."""
    tail = [_small(each) for each in before[-4:]]
    head = [_small(each) for each in after[:4]]
    inside = [
        np.abs(a - b).mean() for part in (tail, head) for a, b in zip(part, part[1:], strict=False)
    ]
    across = np.abs(tail[-1] - head[0]).mean()
    return bool(across > 6 and across > 2.0 * max([*inside, 0.0]))


def _small(frame: np.ndarray) -> np.ndarray:
    return cv2.resize(frame, (64, 36), interpolation=cv2.INTER_AREA).astype(np.float32)


def duration(rng: np.random.Generator, kind: str) -> int:
    """Mixed frames of a transition of this kind."""
    if kind == "dissolve":
        return int(np.exp(rng.uniform(np.log(4), np.log(51))))
    low, high = {
        "fade_black": (6, 50),
        "fade_white": (6, 40),
        "dip": (3, 8),
        "half_fade": (4, 26),
        "whip": (4, 12),
        "flash_cut": (2, 7),
    }.get(kind, (6, 40))
    return int(rng.integers(low, high))


def join(rng: np.random.Generator, out: Composite, after: np.ndarray, kind: str, span: int) -> int:
    """Append ``after`` through a gradual transition; the frame at which its own first frame lies."""
    if kind in ("fade_black", "fade_white", "dip", "half_fade", "black"):
        return _fade(rng, out, after, kind, span)
    free = len(out.frames) - max([0, *out.cuts[-1:], *[last + 1 for _, last in out.gradual[-1:]]])
    span = min(span, free - 6, len(after) - 6)
    base = len(out.frames) - span
    mixed = blend(rng, kind, np.stack(out.frames[base:]), after[:span])
    out.frames[base:] = list(mixed)
    out.frames += list(after[span:])
    _note(out, base, base + span - 1, kind)
    return base


def _note(out: Composite, first: int, last: int, kind: str) -> None:
    out.gradual.append([first, last])
    out.kinds[str(first)] = kind


def _fade(rng: np.random.Generator, out: Composite, after: np.ndarray, kind: str, span: int) -> int:
    """Out to a plain colour and in again; a hold of more than a second there is a shot of its own."""
    free = len(out.frames) - max([0, *out.cuts[-1:], *[last + 1 for _, last in out.gradual[-1:]]])
    share = rng.uniform(0.35, 0.65)
    down = min(max(1, round(span * share)), free - 6)
    up = min(max(1, span - down), len(after) - 6)
    if kind == "half_fade":
        down, up = (down, 0) if rng.random() < 0.5 else (0, up)
    hold = int(rng.choice([0, rng.integers(1, 16)], p=[0.6, 0.4]))
    if kind == "black":
        down, up, hold = 0, 0, int(rng.integers(2, 16))
    if kind in ("fade_black", "black") and rng.random() < 0.15:
        hold = int(rng.integers(40, 70))
    colour = 255.0 if kind == "fade_white" else 0.0
    if kind == "dip" and rng.random() < 0.3:
        colour = 255.0
    if rng.random() < 0.05:
        colour = rng.uniform(0, 255)
    base = len(out.frames) - down
    for i in range(down):
        a = (i + 1) / (down + (0 if up and not hold else 1))
        out.frames[base + i] = _towards(out.frames[base + i], colour, a)
    plain = np.full_like(after[0], colour)
    out.frames += [plain] * hold
    start = len(out.frames)
    lifted = [_towards(frame, colour, 1 - (i + 1) / (up + 1)) for i, frame in enumerate(after[:up])]
    out.frames += lifted + list(after[up:])
    if kind == "black" and hold >= 40:
        out.cuts += [base, start]
        out.kinds |= {str(base): kind, str(start): kind}
    elif hold >= 40:
        for first, last in ((base, base + down - 1), (start, start + up - 1)):
            _note(out, first, last, kind)
    else:
        _note(out, base, start + up - 1, kind)
    return start


def _towards(frame: np.ndarray, colour: float, share: float) -> np.ndarray:
    return cv2.convertScaleAbs(frame, alpha=1 - share, beta=colour * share)


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


def write(path: Path, frames: list[np.ndarray], fps: int, options: dict[str, str]) -> None:
    """Encode with x264."""
    import av

    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=fps, options=options)
        stream.height, stream.width = frames[0].shape[:2]
        stream.pix_fmt = "yuv420p"
        stream.codec_context.thread_count = 1
        for each in frames:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(each, format="rgb24")))
        container.mux(stream.encode())


def main() -> None:
    """Write OUT/comp_XX.mp4 and OUT/truth.json."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("out", type=Path)
    parser.add_argument("--videos", type=int, default=8)
    parser.add_argument("--seconds", type=float, default=90)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--width", type=int, default=384)
    parser.add_argument("--height", type=int, default=216)
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    folder = Path(os.environ["FILMSTOCK_TESTDATA"]) / "shots" / "clips"
    clips = load_clips(folder, split_names("heldout"), (256, 144))
    kinds = GRADUAL | dict.fromkeys(HELD_KINDS, 0.04)
    truth, size = {}, (args.width, args.height)
    for index in range(args.videos):
        rng = np.random.default_rng([args.seed, index])
        made = compose(rng, clips, size, round(args.seconds * 25), kinds=kinds)
        name = f"comp_{index:02d}.mp4"
        write(args.out / name, made.frames, 25, {"crf": "23", "preset": "veryfast", "g": "125"})
        truth[name] = made.truth(25)
        print(
            name, len(made.frames), len(made.cuts), "cuts", len(made.gradual), "gradual", flush=True
        )
    (args.out / "truth.json").write_text(json.dumps(truth, indent=1) + "\n")


if __name__ == "__main__":
    main()
