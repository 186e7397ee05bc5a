"""The first consecutive frames of any video, decoded in a child process: what measures of motion look at."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pipeline.video.cut import frame_duration, quarter_turns, read_frames
from pipeline.video.hdr import ToneMapper
from pipeline.video.isolate import Sandbox
from pipeline.video.probe import open_media, pick_stream, probe_stream

DEADLINE_S = 120.0
"""Seconds of its own time a child may take for one video."""


@dataclass(frozen=True, kw_only=True)
class Window:
    """Consecutive frames of a video."""

    frames: np.ndarray
    """uint8 RGB (T, H, W, 3), upright."""
    fps: float
    """Mean rate of these frames, frames per second."""


def read_window(
    path: str | Path, *, most: int = 97, side: int = 512, sandbox: Sandbox | None = None
) -> Window:
    """Up to ``most`` frames from the start of a video file, larger ones scaled down to the longer side ``side``.

    Raises:
        MediaError: the file cannot be read; ``stage`` and ``type`` say where and how it failed.
    """
    if sandbox is not None:
        return _checked(sandbox.run(decode_window, str(path), most, side, deadline_s=DEADLINE_S))
    with Sandbox() as own:
        return _checked(own.run(decode_window, str(path), most, side, deadline_s=DEADLINE_S))


def _checked(found: object) -> Window:
    assert isinstance(found, Window)
    return found


def decode_window(path: str, most: int, side: int) -> Window:
    """What ``read_window`` does, in this process."""
    from av.video.reformatter import VideoReformatter

    held: list[np.ndarray] = []
    tone, scaler = ToneMapper(), VideoReformatter()
    first = last = 0
    with open_media(path) as container:
        stream = pick_stream(container, path)
        info = probe_stream(stream, path)
        gap = 1
        for pts, frame in read_frames(stream, path):
            first = pts if not held else first
            gap, last = (pts - last if held else 1), pts
            wide = frame.width * float(info.sample_aspect)
            scale = min(1.0, side / max(wide, frame.height))
            size = max(1, round(wide * scale)), max(1, round(frame.height * scale))
            small = scaler.reformat(tone(frame), *size, "rgb24", interpolation="AREA", threads=1)
            held.append(np.ascontiguousarray(np.rot90(small.to_ndarray(), quarter_turns(frame))))
            if len(held) == most:
                break
        span = last - first if len(held) > 1 else frame_duration(frame, gap)
        steps = max(1, len(held) - 1)
        return Window(frames=np.stack(held), fps=float(steps / (span * info.time_base)))
