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

from benchmarks.fixed_cameras import camera
from benchmarks.shot_disturbances import DISTURBANCES, disturb
from benchmarks.shot_overlays import HELD_OVERLAYS, OVERLAYS
from benchmarks.shot_transitions import blend
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
    "luma": 0.04,
    "checker": 0.02,
    "grow": 0.04,
    "burn": 0.03,
    "glitch": 0.02,
}
"""Gradual transitions, and how often."""
HELD_KINDS = ("clock", "blinds", "cross_zoom", "pixels", "spin", "split")
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

    @property
    def free(self) -> int:
        """Frames since the last boundary."""
        return len(self.frames) - max(
            [0, *self.cuts[-1:], *[last + 1 for _, last in self.gradual[-1:]]]
        )

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
    disturbed: float = 0.5,
    held: bool = False,
) -> Composite:
    """An edit of at least ``n_frames`` frames of ``size`` (width, height).

    ``disturbed``: share of the shots with a disturbance; ``held``: also those of ``HELD_OVERLAYS``.
    """
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
        frames, events = shoot(rng, view, n, size, clips, disturbed, held)
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
        if rng.random() < gradual_share and out.free > 16:
            pending = pick(rng, kinds)
    return out


def pick(rng: np.random.Generator, shares: dict[str, float]) -> str:
    """A key, drawn by its share."""
    weights = np.array(list(shares.values()))
    return str(rng.choice(list(shares), p=weights / weights.sum()))


def shoot(
    rng: np.random.Generator,
    view: View,
    n: int,
    size: tuple[int, int],
    clips: list[Clip],
    disturbed: float = 0.5,
    held: bool = False,
) -> tuple[np.ndarray, list[tuple[int, int, str]]]:
    """Frames of a view, often with one disturbance or several; and the disturbances."""
    overlays = OVERLAYS | HELD_OVERLAYS if held else OVERLAYS
    events: list[tuple[int, int, str]] = []
    if n < 16 or rng.random() >= disturbed:
        return render(view, n, size), events
    old = rng.random() < 0.5
    if old:
        kind = str(rng.choice(DISTURBANCES)) if rng.random() < 0.85 else "long_ramp"
        frames, (first, last) = disturb(rng, view, n, size, kind, clips)
        events.append((first, last, kind))
    else:
        frames = render(view, n, size)
    more = int(rng.choice([1, 2], p=[0.75, 0.25])) if not old else int(rng.random() < 0.2)
    for _ in range(more):
        kind = str(rng.choice([*overlays, "insert"]))
        first, last = overlays[kind](rng, frames, clips)
        events.append((first, last, kind))
    return frames, events


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
    span = min(span, out.free - 6, len(after) - 6)
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
    share = rng.uniform(0.35, 0.65)
    down = min(max(1, round(span * share)), out.free - 6)
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


def fixed_clips(seed: list[int], count: int) -> list[Clip]:
    """Shots of drawn fixed cameras, each a place of its own, in which a few things pass."""
    clips = []
    for index in range(count):
        rng = np.random.default_rng([*seed, index])
        place = camera(rng, (256, 144))
        clips.append(
            Clip(name=f"camera {index}", frames=place.shot(rng, 150, int(rng.integers(1, 7))))
        )
    return clips


def main() -> None:
    """Write OUT/comp_XX.mp4 and OUT/truth.json."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("out", type=Path)
    parser.add_argument("--videos", type=int, default=8)
    parser.add_argument("--seconds", type=float, default=90)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--width", type=int, default=384)
    parser.add_argument("--height", type=int, default=216)
    parser.add_argument(
        "--others",
        action="store_true",
        help="only transitions that are never trained on, and a disturbance in nine shots of ten",
    )
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    folder = Path(os.environ["FILMSTOCK_TESTDATA"]) / "shots" / "clips"
    clips = load_clips(folder, split_names("heldout"), (256, 144))
    rare = dict.fromkeys(HELD_KINDS, 0.04)
    kinds = rare if args.others else GRADUAL | rare
    if args.others:
        clips = clips + fixed_clips([args.seed, 77], 4)
    truth, size = {}, (args.width, args.height)
    for index in range(args.videos):
        rng = np.random.default_rng([args.seed, index])
        made = compose(
            rng,
            clips,
            size,
            round(args.seconds * 25),
            kinds=kinds,
            disturbed=0.9 if args.others else 0.5,
            held=True,
        )
        name = f"comp_{index:02d}.mp4"
        write(args.out / name, made.frames, 25, {"crf": "23", "preset": "veryfast", "g": "125"})
        truth[name] = made.truth(25)
        print(
            name, len(made.frames), len(made.cuts), "cuts", len(made.gradual), "gradual", flush=True
        )
    (args.out / "truth.json").write_text(json.dumps(truth, indent=1) + "\n")


if __name__ == "__main__":
    main()
