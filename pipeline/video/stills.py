"""A few frames of a foreign video file, evenly spaced: what a captioner or an embedding looks at."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pipeline.video.cut import frame_duration, quarter_turns, read_frames
from pipeline.video.decode import sample_indices
from pipeline.video.hdr import ToneMapper
from pipeline.video.isolate import Sandbox
from pipeline.video.probe import open_media, pick_stream, probe_stream

HELD = 8
"""Frames held while reading, for each frame that is asked for: the spacing is even to within an eighth."""


@dataclass(frozen=True, kw_only=True)
class Stills:
    """Frames that stand for a video."""

    frames: np.ndarray
    """uint8 RGB (T, H, W, 3), upright, in order of presentation."""
    seconds: float
    """Length of the whole video, seconds."""


def sample_video(
    path: str | Path, *, count: int = 8, side: int = 384, deadline_s: float = 120.0
) -> Stills:
    """Decode ``count`` evenly spaced frames of a video file, in a child process that may crash or hang.

    Args:
        path: Any video file that FFmpeg reads.
        count: Frames to return; a shorter video gives all it has.
        side: Longer side that larger frames are scaled down to, pixels.
        deadline_s: Seconds the child may take.

    Raises:
        MediaError: the file cannot be read; ``stage`` and ``type`` say where and how it failed.
    """
    with Sandbox() as sandbox:
        *_, found = sandbox.stream(
            read_stills, str(path), count, side, silence_s=deadline_s, total_s=deadline_s
        )
    assert isinstance(found, Stills)
    return found


PICTURES = ("PNG", "JPEG", "WEBP", "BMP")
"""Formats of pictures that are read."""
MOST_PIXELS = 40_000_000
"""Pixels of a picture at most: a small file may claim a huge one."""


def sample_picture(path: str | Path, *, side: int = 384, deadline_s: float = 30.0) -> Stills:
    """A foreign picture as one frame, decoded in a child process; arguments and errors as ``sample_video``."""
    with Sandbox() as sandbox:
        *_, found = sandbox.stream(
            read_picture, str(path), side, silence_s=deadline_s, total_s=deadline_s
        )
    assert isinstance(found, Stills)
    return found


def read_picture(path: str, side: int) -> Iterator[Stills | None]:
    """Yield the picture as ``Stills`` of 0 seconds, upright, its longer side at most ``side`` pixels."""
    from PIL import Image, ImageOps, UnidentifiedImageError

    from pipeline.video.probe import MediaError

    try:
        with Image.open(path, formats=PICTURES) as image:
            if image.width * image.height > MOST_PIXELS:
                raise MediaError("open", "too_large", f"{image.width}x{image.height} pixels")
            image.draft("RGB", (side, side))
            upright = ImageOps.exif_transpose(image).convert("RGB")
    except (UnidentifiedImageError, OSError, SyntaxError) as error:
        raise MediaError("open", "invalid_data", f"it is no picture: {error}") from None
    upright.thumbnail((side, side))
    yield Stills(frames=np.asarray(upright)[None].copy(), seconds=0.0)


def read_stills(path: str, count: int, side: int) -> Iterator[Stills | None]:
    """Yield None as a sign of life, and the ``Stills`` last. Decodes the whole file once, in bounded memory."""
    from av.video.reformatter import VideoReformatter

    held: list[np.ndarray] = []
    stride, number, first, pts, gap = 1, 0, 0, 0, 1
    tone, scaler = ToneMapper(), VideoReformatter()
    with open_media(path) as container:
        stream = pick_stream(container, path)
        info = probe_stream(stream, path)
        for pts_now, frame in read_frames(stream, path):
            first = pts_now if number == 0 else first
            gap, pts = (pts_now - pts if number else 1), pts_now
            if number % stride == 0:
                scale = min(1.0, side / max(frame.width * float(info.sample_aspect), frame.height))
                size = (
                    max(1, round(frame.width * float(info.sample_aspect) * scale)),
                    max(1, round(frame.height * scale)),
                )
                turns = quarter_turns(frame)
                small = scaler.reformat(
                    tone(frame), *size, "rgb24", interpolation="AREA", threads=1
                )
                held.append(np.ascontiguousarray(np.rot90(small.to_ndarray(), turns)))
                if len(held) > HELD * count:
                    held, stride = held[::2], stride * 2
            number += 1
            last = frame
            if number % 64 == 0:
                yield None
        end = pts + frame_duration(last, gap)
    nearest = [min(round(i / stride), len(held) - 1) for i in sample_indices(number, count)]
    frames = np.stack([held[i] for i in nearest])
    yield Stills(frames=frames, seconds=float((end - first) * info.time_base))
