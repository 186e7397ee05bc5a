"""Long raw videos strung together from scenes, with the exact truth of every frame.

    shoot("footage", minutes=3, files=4, seed=0)     # film-00.mp4 ... and truth.json

A film is planned first (``film_plan``, pure) and then rendered shot by shot, so memory holds two shots at most. In
``truth.json`` every interval is ``[start, end)`` in frames of the decoded file. A shot's ``start``/``end`` bound the
frames where any of it shows; ``clean_start``/``clean_end`` those where it shows alone. A ``cut`` is an empty interval;
``dissolve`` and ``wipe`` overlap two shots; ``fade`` darkens one to black and brings the next out of it. A flash lies
inside a shot: it looks like a boundary and is none.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from concurrent.futures import Executor
from dataclasses import asdict
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.world.captions import caption, structured
from pipeline.world.film_plan import FORMATS, Film, Shot, plan_films
from pipeline.world.junk import junk_shot, without_index
from pipeline.world.render import render

TRUTH_NAME = "truth.json"
FLASH_WHITE = 0.85
"""How far a flash goes towards white."""


def shot_frames(film: Film, index: int) -> np.ndarray:
    """Frames of one shot as planned, uint8 (end - start, H, W, 3), flash included, transitions not."""
    shot = film.shots[index]
    form: dict[str, Any] = {
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
    """Render and encode one planned file; it appears under its name only when complete.

    A tag of its container says that it shows the synthetic world, so that the models that know only this take it.
    """
    import av

    from pipeline.video.encode import ClipEncoder
    from pipeline.video.tags import WORLD, domain_tags

    encoder = ClipEncoder(film.width, film.height, film.fps, crf=20, tags=domain_tags(WORLD))
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
    formats: tuple[tuple[int, int, Fraction], ...] = FORMATS,
    executor: Executor | None = None,
) -> Path:
    """Film ``files`` raw videos into ``out_dir`` (in parallel with an ``executor``); returns the path of truth.json."""
    films = plan_films(
        minutes=minutes, files=files, seed=seed, split=split, corrupt=corrupt, formats=formats
    )
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
