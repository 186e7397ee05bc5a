"""References of ``sample``: pictures and videos that a DiT is shown beside the prompt, of files or retrieved clips."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from jobs.core.errors import UserError
from jobs.generate.inputs import check_there, fitted, read_picture, read_video
from pipeline import schema as s

if TYPE_CHECKING:
    from jobs.search.retrieve import Answer, Retrieval

MOST_REFERENCES = 4
"""References of one prompt at most; training shows one."""
MOST_FRAMES = 49
"""Frames of a reference video at most, at the rate of the video that is made."""
WIDEST = 4.0
"""Longer side over shorter of a reference; what is longer is cropped about its centre."""


@dataclass(frozen=True, kw_only=True)
class Shown:
    """What one prompt is shown, and how it is written down."""

    frames: tuple[np.ndarray, ...] = ()
    """uint8 RGB (H, W, 3) for a picture, (T, H, W, 3) for a video."""
    records: tuple[dict[str, Any], ...] = ()
    """One entry each: the file or the clip, its frames, width and height as the DiT sees them."""

    @property
    def names(self) -> tuple[str, ...]:
        """What the container's metadata calls them: the hash of a file, the id of a clip."""
        return tuple(str(each.get("sha256") or each[s.CLIP_ID]) for each in self.records)


@dataclass(frozen=True, kw_only=True)
class Prompted:
    """What goes with each prompt of a run, by its place: two prompts may be expanded to the same text."""

    shown: tuple[Shown, ...] = ()
    """References of each prompt; empty where none is shown anything."""
    answers: tuple[Answer, ...] = ()
    """What was retrieved for each prompt; empty without retrieval."""

    def references(self, numbers: Sequence[int]) -> list[tuple[np.ndarray, ...]] | None:
        """What the prompts of these places are shown; None where none is shown anything."""
        found = [self.shown[number].frames for number in numbers] if self.shown else []
        return found if any(found) else None

    def record(self, number: int) -> dict[str, Any]:
        """What the JSON file of a video says: what it was shown, and what was retrieved as whose example."""
        more: dict[str, Any] = {}
        if self.shown:
            more["references"] = list(self.shown[number].records)
        if self.answers:
            answer = self.answers[number]
            more["asked"] = answer.prompt
            more["retrieved"] = [each.record() for each in answer.found]
        return more

    def names(self, number: int) -> tuple[str, ...]:
        """What the container's metadata names: clips and hashes of files, each once."""
        shown = self.shown[number].names if self.shown else ()
        found = self.answers[number].found if self.answers else ()
        return tuple(dict.fromkeys([*shown, *(each.clip_id for each in found)]))


def reference_size(
    width: int, height: int, like: tuple[int, int], multiple: int
) -> tuple[int, int]:
    """(width, height) of a reference: of its own aspect, with about as many pixels as ``like``.

    Sides are multiples of ``multiple``.
    """
    aspect = float(np.clip(width / height, 1 / WIDEST, WIDEST))
    area = like[0] * like[1]
    wide, high = (area * aspect) ** 0.5, (area / aspect) ** 0.5
    return max(1, round(wide / multiple)) * multiple, max(1, round(high / multiple)) * multiple


def check_files(paths: Sequence[Path]) -> None:
    """UserError for too many references, or one that is no file."""
    if len(paths) > MOST_REFERENCES:
        raise UserError(
            f"--reference names {len(paths)} files; give at most {MOST_REFERENCES}, training shows one"
        )
    for path in paths:
        check_there(path)


def read_files(paths: Sequence[Path], like: tuple[int, int], multiple: int, fps: float) -> Shown:
    """References of files, each a picture or a video of any size; UserError for what is neither or too long."""
    import hashlib

    frames, records = [], []
    for path in paths:
        if is_picture(path):
            whole = read_picture(path, None)
            size = reference_size(whole.shape[1], whole.shape[0], like, multiple)
            one = fitted(whole, size)
        else:
            size = reference_size(*video_size(path), like, multiple)
            one = read_video(path, size, fps, most=MOST_FRAMES)
        frames.append(one)
        records.append(
            {
                "file": path.name,
                "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
                **_seen(one),
            }
        )
    return Shown(frames=tuple(frames), records=tuple(records))


def of_clip(retrieval: Retrieval, answer: Answer, like: tuple[int, int], multiple: int) -> Shown:
    """The nearest clip that was retrieved as a reference: the frame in its middle, for training shows one reference."""
    nearest = answer.found[0]
    picture = retrieval.picture(nearest.clip_id)
    one = fitted(picture, reference_size(picture.shape[1], picture.shape[0], like, multiple))
    return Shown(frames=(one,), records=({s.CLIP_ID: nearest.clip_id, **_seen(one)},))


def is_picture(path: Path) -> bool:
    """Whether Pillow knows the file as a single picture; a file of several frames is read as a video."""
    import warnings

    from PIL import Image

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            with Image.open(path) as found:
                return getattr(found, "n_frames", 1) == 1
    except Image.DecompressionBombError:
        return True  # reading it says what is wrong
    except (OSError, SyntaxError, ValueError):
        return False


def video_size(path: Path) -> tuple[int, int]:
    """(width, height) at which a video's first frame is shown; UserError for what is no video."""
    import av

    from pipeline.video.probe import ONLY, MediaError
    from pipeline.video.upright import Upright

    try:
        with av.open(f"file:{path.absolute()}", options=ONLY) as container:
            stream = container.streams.video[0]
            for frame in container.decode(stream):
                height, width = Upright(stream)(frame).shape[:2]
                return width, height
    except (av.FFmpegError, MediaError, IndexError, OSError) as error:
        why = getattr(error, "strerror", None) or str(error)
        raise UserError(
            f"--reference {path} is neither a picture nor a video that can be read: {why}; give another file"
        ) from None
    raise UserError(f"--reference {path} shows no picture; give another file")


def _seen(frames: np.ndarray) -> dict[str, int]:
    count = 1 if frames.ndim == 3 else len(frames)
    return {"frames": count, "width": frames.shape[-2], "height": frames.shape[-3]}
