"""Plans of films: which shots, how they join, what is junk, to the frame. Pure functions of the seed; no pixels."""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from pipeline.world.junk import JUNK_KINDS
from pipeline.world.scene import Scene, random_scene

FORMATS: tuple[tuple[int, int, Fraction], ...] = (
    (192, 128, Fraction(24)),
    (128, 192, Fraction(25)),
    (160, 160, Fraction(30000, 1001)),
    (224, 128, Fraction(24)),
)
"""(width, height, frames per second) that successive files take in turn."""
CLEAN_S = (2.2, 3.6)
"""Seconds a shot shows alone: long enough that every bounce turns at least once."""
MIN_CLEAN_S = 2.0
TRANSITIONS = {"cut": 0.55, "dissolve": 0.2, "fade": 0.15, "wipe": 0.1}
"""How often each transition joins two shots; a junk shot is always cut in and out."""
TRANSITION_S = (0.3, 0.8)
FLASH_SHARE = 0.12
STRAY_JUNK_SHARE = 0.06
"""Junk among the shots of the other files; the second file holds every kind once."""


@dataclass(frozen=True, kw_only=True)
class Shot:
    """One shot of a film, in frames of the file."""

    start: int
    end: int
    clean_start: int
    clean_end: int
    scene: Scene
    junk: str | None
    duplicate_of: int | None
    """Index of the shot in the same file that this one repeats."""
    flash: tuple[int, int] | None


@dataclass(frozen=True, kw_only=True)
class Transition:
    """How one shot gives way to the next, over frames [start, end)."""

    kind: str
    start: int
    end: int


@dataclass(frozen=True, kw_only=True)
class Film:
    """Plan of one file: ``len(transitions) == len(shots) - 1``."""

    name: str
    width: int
    height: int
    fps: Fraction
    corrupt: bool
    seed: int
    shots: tuple[Shot, ...]
    transitions: tuple[Transition, ...]

    @property
    def n_frames(self) -> int:
        """Frames of the whole file."""
        return self.shots[-1].end


def plan_films(
    *,
    minutes: float,
    files: int,
    seed: int,
    split: str = "heldout",
    corrupt: int = 1,
    formats: tuple[tuple[int, int, Fraction], ...] = FORMATS,
) -> list[Film]:
    """Plans of ``files`` files, ``minutes`` of footage in those that are not ``corrupt`` (the last ones)."""
    if minutes <= 0 or files < 1 or not 0 <= corrupt < files:
        raise ValueError(
            f"cannot film {minutes} minutes in {files} files of which {corrupt} corrupt; "
            "at least one file must be sound and the length positive"
        )
    sound = files - corrupt
    films = []
    for index in range(files):
        seconds = 60 * minutes / sound if index < sound else 4.0
        junk_here = JUNK_KINDS if index == min(1, sound - 1) else ()
        form = formats[index % len(formats)]
        films.append(_plan_film(index, seconds, seed, split, junk_here, form, index >= sound))
    return films


def _plan_film(
    index: int,
    seconds: float,
    seed: int,
    split: str,
    junk: tuple[str, ...],
    form: tuple[int, int, Fraction],
    corrupt: bool,
) -> Film:
    rng = np.random.default_rng([seed, index, 0xF117])
    width, height, fps = form
    total = max(1, round(seconds * fps))
    kinds = _shot_kinds(rng, seconds, junk)
    shots: list[Shot] = []
    transitions: list[Transition] = []
    at = incoming = 0  # first frame of the coming shot, and its frames inside the transition before
    while True:
        number = len(shots)
        kind = kinds[number] if number < len(kinds) else None
        following = kinds[number + 1] if number + 1 < len(kinds) else None
        joint = "cut" if kind or following else _joint(rng)
        outgoing = 0 if joint == "cut" else max(2, round(rng.uniform(*TRANSITION_S) * fps))
        original = _original(rng, shots) if kind == "duplicate" else None
        if kind == "duplicate" and original is None:
            kind = "static"
        scene, length = _scene(rng, seed, index, number, split, float(fps), incoming + outgoing)
        if original is not None:
            scene, length = shots[original].scene, shots[original].end - shots[original].start
        end = at + length
        last = end >= total and number + 1 >= (len(kinds) if junk else 0)
        outgoing = 0 if last else outgoing
        clean = (at + incoming, end - outgoing)
        shots.append(
            Shot(
                start=at,
                end=end,
                clean_start=clean[0],
                clean_end=clean[1],
                scene=scene,
                junk=kind,
                duplicate_of=original,
                flash=_flash(rng, clean) if kind is None else None,
            )
        )
        if last:
            break
        overlap = joint in ("dissolve", "wipe")
        at = end - outgoing if overlap else end
        incoming = outgoing
        stop = end if overlap else end + outgoing
        transitions.append(Transition(kind=joint, start=clean[1], end=stop))
    return Film(
        name=f"film-{index:02d}.mp4",
        width=width,
        height=height,
        fps=fps,
        corrupt=corrupt,
        seed=seed * 1000 + index,
        shots=tuple(shots),
        transitions=tuple(transitions),
    )


def _joint(rng: np.random.Generator) -> str:
    return str(rng.choice(list(TRANSITIONS), p=list(TRANSITIONS.values())))


def _shot_kinds(
    rng: np.random.Generator, seconds: float, junk: tuple[str, ...]
) -> list[str | None]:
    """Junk kind of each coming shot or None: ``junk`` spread among sound shots, or now and then a stray one."""
    expected = max(2, math.floor(seconds / 3.2))
    if not junk:
        stray = rng.random(expected) < STRAY_JUNK_SHARE
        return [str(rng.choice(JUNK_KINDS)) if s and i else None for i, s in enumerate(stray)]
    order = sorted((str(kind) for kind in rng.permutation(list(junk))), key="duplicate".__eq__)
    gap = max(1, expected // len(order) - 1)
    return [kind for name in order for kind in (*[None] * gap, name)]


def _original(rng: np.random.Generator, shots: list[Shot]) -> int | None:
    """A sound earlier shot to repeat, not the last one; one that shows alone all along if there is any."""
    sound = [i for i, s in enumerate(shots[:-1]) if s.junk is None]
    alone = [
        i
        for i in sound
        if (shots[i].start, shots[i].end) == (shots[i].clean_start, shots[i].clean_end)
    ]
    choices = alone or sound
    return int(rng.choice(choices)) if choices else None


def _scene(
    rng: np.random.Generator, seed: int, file: int, number: int, split: str, fps: float, soft: int
) -> tuple[Scene, int]:
    """A scene and its length in frames, of which ``soft`` lie in transitions."""
    for attempt in range(100):
        clean = round(rng.uniform(*CLEAN_S) * fps)
        base = (seed * 100 + file) * 1_000_000 + number * 100 + attempt
        scene = random_scene(base, split=split, duration_s=(clean + soft) / fps)
        length = min(clean + soft, math.floor(scene.duration_s * fps))
        if length - soft >= MIN_CLEAN_S * fps:
            return scene, length
    raise RuntimeError(f"no scene lasts {MIN_CLEAN_S} s beside {soft} frames of transition")


def _flash(rng: np.random.Generator, clean: tuple[int, int]) -> tuple[int, int] | None:
    """Frames of a white flash well inside the clean part of a shot, or None."""
    length = int(rng.integers(1, 4))
    room = clean[1] - clean[0] - length - 16
    if rng.random() >= FLASH_SHARE or room <= 0:
        return None
    start = clean[0] + 8 + int(rng.integers(room))
    return start, start + length
