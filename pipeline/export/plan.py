"""What becomes of a clip in an export: how many frames, at which rate and size; or a typed reason why it stays out.

Nothing is decoded for a plan: a clip's length is its frames over its average rate, as ``cut`` wrote them.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum

from pipeline.export.profile import Profile

TIME_TOLERANCE_S = 0.001
"""Timestamps are rounded to the time base of a file; a frame this little late counts as on time, seconds."""
MOST_REPEATED = 0.1
"""Largest share of frames shown twice in a row that a clip may have after it is brought to a higher rate."""
WORST_ASPECT = 2.0
"""A clip whose aspect differs from every size by more than this factor would lose half of its picture."""


class Refusal(StrEnum):
    """Why a clip is not in an export."""

    TOO_SHORT = "too_short"
    LOW_FPS = "low_fps"
    BAD_ASPECT = "bad_aspect"
    STILL = "still"
    TOO_LONG = "too_long"
    SMALL_BUCKET = "small_bucket"
    NO_CAPTION = "no_caption"
    NO_STRUCTURED = "no_structured"
    UNREADABLE = "unreadable"
    FRAMES_DIFFER = "frames_differ"


class Note(StrEnum):
    """What an export changes of a clip that is in it, or what its trainer will."""

    RETIMED = "retimed"
    TRIMMED = "trimmed"
    REPEATS = "repeats"
    ENLARGED = "enlarged"
    SOUND_LOST = "sound_lost"
    NO_SOUND = "no_sound"
    CAPTION_CUT = "caption_cut"
    AV1 = "av1"


FIXES: dict[str, str] = {
    Refusal.TOO_SHORT: "name a smaller count with --frames, or cut longer clips (ingest.min_clip_s)",
    Refusal.LOW_FPS: "--repeat-frames keeps such clips and shows frames twice",
    Refusal.BAD_ASPECT: "add a size of that shape to a profile of your own",
    Refusal.STILL: "this trainer takes videos only; export stills to one that takes images",
    Refusal.TOO_LONG: "cut shorter clips (ingest.max_clip_s), or export with --model, which trims",
    Refusal.SMALL_BUCKET: "a smaller --batch, or fewer counts in --frames and fewer sizes in the profile",
    Refusal.NO_CAPTION: "filmstock caption makes it, or choose another --caption",
    Refusal.NO_STRUCTURED: "filmstock caption with kind structured makes it, or choose --dialect prose",
    Refusal.UNREADABLE: "pack the shards again",
    Refusal.FRAMES_DIFFER: "the file holds other frames than its table says: ingest its source again",
    Note.RETIMED: "shown at the model's rate by presentation times; the motion keeps its speed",
    Note.TRIMMED: "the end is left out; a larger count in --frames keeps more",
    Note.REPEATS: "frames are shown twice; sources of a higher rate would not need it",
    Note.ENLARGED: "the trainer enlarges it; drop such clips with [select.where], or use smaller sizes",
    Note.SOUND_LOST: "its sound is not trained on: this trainer or model reads none",
    Note.NO_SOUND: "the model is trained on sound, and this clip has none (ingest with audio = true)",
    Note.AV1: "trainers that read by OpenCV cannot decode AV1; with --model clips are H.264",
    Note.CAPTION_CUT: "the text encoder cuts its end off; --shorten leaves out last sentences instead",
}
"""What to do about each."""


@dataclass(frozen=True, kw_only=True)
class Shape:
    """A clip as its table describes it."""

    n_frames: int
    """Decoded frames."""
    fps: float
    """Average frames a second."""
    width: int
    """Pixels across."""
    height: int
    """Pixels down."""

    @property
    def duration_s(self) -> float:
        """Seconds shown."""
        return self.n_frames / self.fps


@dataclass(frozen=True, kw_only=True)
class Fit:
    """A clip as an export will hold it."""

    n_frames: int
    """Frames."""
    fps: float
    """Frames a second."""
    bucket: tuple[int, int]
    """(width, height) that it is trained at; its own size without a profile."""
    notes: tuple[str, ...] = ()
    """What changes."""
    lost_s: float = 0.0
    """Seconds left out at the end."""


def frames_at(duration_s: float, fps: float) -> int:
    """Frames that ``duration_s`` seconds give at ``fps``: those whose time comes before the end."""
    return max(0, math.ceil((duration_s - TIME_TOLERANCE_S) * fps))


def fit(shape: Shape, profile: Profile | None, *, repeat: bool = False) -> Fit | Refusal:
    """How a clip fits a model, or why it does not; without a profile it stays as it is."""
    size = (shape.width, shape.height)
    if profile is None:
        return Fit(n_frames=shape.n_frames, fps=shape.fps, bucket=size)
    if shape.n_frames == 1 and 1 in profile.frames:
        available = 1
    elif shape.n_frames == 1:
        return Refusal.STILL
    else:
        available = frames_at(shape.duration_s, profile.fps)
    frames = profile.fitting(available)
    if frames is None or (frames == 1 and shape.n_frames > 1):
        return Refusal.TOO_SHORT
    repeated = frames > 1 and 1 - shape.fps / profile.fps > MOST_REPEATED
    if repeated and not repeat:
        return Refusal.LOW_FPS
    bucket = profile.size_for(*size)
    if abs(math.log(bucket[0] / bucket[1]) - math.log(size[0] / size[1])) > math.log(WORST_ASPECT):
        return Refusal.BAD_ASPECT
    lost_s = max(0.0, shape.duration_s - frames / profile.fps) if frames > 1 else 0.0
    found = {
        Note.RETIMED: frames > 1 and abs(shape.fps - profile.fps) > 0.01,
        Note.TRIMMED: lost_s > 1 / profile.fps,
        Note.REPEATS: repeated,
        Note.ENLARGED: max(bucket[0] / size[0], bucket[1] / size[1]) > 1,
    }
    return Fit(
        n_frames=frames,
        fps=profile.fps,
        bucket=bucket,
        notes=tuple(str(note) for note, holds in found.items() if holds),
        lost_s=round(lost_s, 3),
    )
