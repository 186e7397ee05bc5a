"""Long raw videos strung together from scenes, with the exact truth of every frame.

    shoot("footage", minutes=3, files=4, seed=0)     # film-00.mp4 ... and truth.json

A film is planned first (pure, from the seed) and then rendered shot by shot, so memory holds two shots at most. In
``truth.json`` every interval is ``[start, end)`` in frames of the decoded file. A shot's ``start``/``end`` bound the
frames where any of it shows; ``clean_start``/``clean_end`` those where it shows alone. A ``cut`` is an empty interval;
``dissolve`` and ``wipe`` overlap two shots; ``fade`` darkens one to black and brings the next out of it. A flash lies
inside a shot: it looks like a boundary and is none.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Iterator
from concurrent.futures import Executor
from dataclasses import asdict, dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.world.captions import caption, structured
from pipeline.world.junk import JUNK_KINDS, junk_shot, without_index
from pipeline.world.render import render
from pipeline.world.scene import Scene, random_scene

TRUTH_NAME = "truth.json"
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
FLASH_WHITE = 0.85
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
    *, minutes: float, files: int, seed: int, split: str = "heldout", corrupt: int = 1
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
        films.append(_plan_film(index, seconds, seed, split, junk_here, corrupt=index >= sound))
    return films


def _plan_film(
    index: int, seconds: float, seed: int, split: str, junk: tuple[str, ...], corrupt: bool
) -> Film:
    rng = np.random.default_rng([seed, index, 0xF117])
    width, height, fps = FORMATS[index % len(FORMATS)]
    total = max(1, round(seconds * fps))
    kinds = _shot_kinds(rng, seconds, junk)
    shots: list[Shot] = []
    transitions: list[Transition] = []
    at, incoming = (
        0,
        0,
    )  # at: first frame of the next shot; incoming: its frames inside the transition before
    while not shots or shots[-1].end < total:
        number = len(shots)
        kind = kinds[number] if number < len(kinds) else None
        following = kinds[number + 1] if number + 1 < len(kinds) else None
        joint = (
            "cut"
            if kind or following
            else str(rng.choice(list(TRANSITIONS), p=list(TRANSITIONS.values())))
        )
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


def shot_frames(film: Film, index: int) -> np.ndarray:
    """Frames of one shot as planned, uint8 (end - start, H, W, 3), flash included, transitions not."""
    shot = film.shots[index]
    form = {
        "width": film.width,
        "height": film.height,
        "fps": float(film.fps),
        "n_frames": shot.end - shot.start,
    }
    if shot.junk:
        return junk_shot(shot.junk, shot.scene, seed=film.seed * 1000 + index, **form)
    frames = render(shot.scene, **form)
    if shot.flash:
        span = slice(shot.flash[0] - shot.start, shot.flash[1] - shot.start)
        lit = frames[span].astype(np.float32)
        frames[span] = (lit + FLASH_WHITE * (255 - lit) + 0.5).astype(np.uint8)
    return frames


def film_frames(film: Film) -> Iterator[np.ndarray]:
    """Every frame of the file in order, uint8 (H, W, 3); holds two shots in memory."""
    current = shot_frames(film, 0)
    skip = 0
    for index, shot in enumerate(film.shots):
        joint = film.transitions[index] if index < len(film.transitions) else None
        following = shot_frames(film, index + 1) if joint else None
        soft = shot.end - shot.clean_end
        yield from current[skip : len(current) - soft]
        skip = 0
        if joint and soft and following is not None:
            tail = current[len(current) - soft :]
            if joint.kind == "fade":
                gain = np.linspace(1, 0, soft + 1, dtype=np.float32)[1:, None, None, None]
                yield from (tail * gain).astype(np.uint8)
                following = following.copy()
                following[:soft] = (following[:soft] * gain[::-1]).astype(np.uint8)
            else:
                yield from _blend(joint.kind, tail, following[:soft])
                skip = soft
        if following is not None:
            current = following


def _blend(kind: str, before: np.ndarray, after: np.ndarray) -> np.ndarray:
    """Frames of a dissolve or of a wipe from left to right; the first and last are already mixed."""
    share = (np.arange(1, len(before) + 1, dtype=np.float32) / (len(before) + 1))[
        :, None, None, None
    ]
    if kind == "wipe":
        width = before.shape[2]
        edge = (np.arange(width, dtype=np.float32) + 0.5)[None, None, :, None] / width
        return np.where(edge < share, after, before)
    return (before * (1 - share) + after * share + 0.5).astype(np.uint8)


def shoot_film(film: Film, out_dir: str | Path) -> Path:
    """Render and encode one planned file; it appears under its name only when complete."""
    import av

    from pipeline.video.encode import ClipEncoder

    encoder = ClipEncoder(film.width, film.height, film.fps, crf=20)
    for index, pixels in enumerate(film_frames(film)):
        frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(pixels), format="rgb24")
        encoder.add(frame, pts=index, duration=1)
    data = encoder.finish()
    path = Path(out_dir) / film.name
    _write(path, without_index(data) if film.corrupt else data)
    return path


def film_truth(film: Film) -> dict[str, Any]:
    """JSON-ready truth of one file."""
    head = {"name": film.name, "corrupt": film.corrupt}
    if film.corrupt:
        return head
    return {
        **head,
        "width": film.width,
        "height": film.height,
        "fps_num": film.fps.numerator,
        "fps_den": film.fps.denominator,
        "n_frames": film.n_frames,
        "duration_s": float(film.n_frames / film.fps),
        "shots": [_shot_truth(i, shot) for i, shot in enumerate(film.shots)],
        "transitions": [asdict(t) for t in film.transitions],
    }


def _shot_truth(index: int, shot: Shot) -> dict[str, Any]:
    still, shows = shot.junk == "static", shot.junk != "black"
    return {
        "index": index,
        "start": shot.start,
        "end": shot.end,
        "clean_start": shot.clean_start,
        "clean_end": shot.clean_end,
        "junk": shot.junk,
        "duplicate_of": shot.duplicate_of,
        "flash": list(shot.flash) if shot.flash else None,
        "scene": shot.scene.to_dict() if shows else None,
        "caption_short": caption(shot.scene, "short", still=still) if shows else None,
        "caption_dense": caption(shot.scene, "dense", still=still) if shows else None,
        "structured": structured(shot.scene) if shows and not still else None,
    }


def shoot(
    out_dir: str | Path,
    *,
    minutes: float = 3.0,
    files: int = 4,
    seed: int = 0,
    split: str = "heldout",
    corrupt: int = 1,
    executor: Executor | None = None,
) -> Path:
    """Film ``files`` raw videos into ``out_dir`` (in parallel with an ``executor``); returns the path of truth.json."""
    films = plan_films(minutes=minutes, files=files, seed=seed, split=split, corrupt=corrupt)
    out = Path(out_dir)
    out.mkdir(parents=True, exist_ok=True)
    folders = [out] * len(films)
    list((executor.map if executor else map)(shoot_film, films, folders))
    truth = {"seed": seed, "split": split, "files": [film_truth(film) for film in films]}
    _write(out / TRUTH_NAME, (json.dumps(truth, indent=1) + "\n").encode())
    return out / TRUTH_NAME


def _write(path: Path, data: bytes) -> None:
    temporary = path.with_name(f".{path.name}.tmp")
    temporary.write_bytes(data)
    os.replace(temporary, path)
