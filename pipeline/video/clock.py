"""When each decoded frame is shown: the container's presentation timestamps, and what stands in where it has none.

Three kinds of file need more than ``frame.pts``. AVI stores decoding times only, and FFmpeg passes them off as
presentation times, which loses every other frame of H.264 with B-frames. Elementary streams (``.h264``, ``.m2v``)
store no times. Transport streams joined end to end, or recorded over a reset of the sender's clock, jump back.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.video.probe import MediaError

if TYPE_CHECKING:
    import av

LEAP_BACK_S = 0.5
"""A timestamp that falls back by more than this starts a new count, seconds; by less, its frame is never shown."""
MAX_HIDDEN = 0.1
"""Largest share of frames whose timestamps may not rise before the file counts as broken."""
HIDDEN_ALLOWED = 8
"""Frames whose timestamps may not rise in any file, however short."""


class Clock:
    """Timestamps of one stream's frames, in the order its decoder gives them out: strictly rising, in its time base."""

    def __init__(self, stream: av.video.VideoStream, path: str | Path, stage: str) -> None:
        from av.format import Flags

        container = stream.container.format
        self._path, self._stage = path, stage
        self._counts = bool(container.flags & Flags.no_timestamps.value)
        self._decoding_times = container.name == "avi"
        rate = stream.average_rate or stream.guessed_rate
        self._step = max(1, round(1 / (rate * stream.time_base))) if rate else 1
        self._leap = LEAP_BACK_S / float(stream.time_base)
        self._origin: int | None = None
        self._shift = 0
        self._last: int | None = None
        self._shown = self._hidden = 0

    def stamp(self, frame: av.VideoFrame) -> int | None:
        """When the frame is shown; None for one that has no moment of its own, which is not to be used.

        After a leap back, time goes on from the last frame, so no two frames share a timestamp.
        """
        raw = self._raw(frame)
        stamp = raw + self._shift
        if self._last is not None:
            if stamp <= self._last:
                if self._last - stamp <= self._leap:
                    self._hidden += 1
                    return None
                stamp = self._last + self._step
                self._shift = stamp - raw
            elif stamp - self._last <= self._leap:
                self._step = stamp - self._last
        self._last = stamp
        self._shown += 1
        return stamp

    def check(self) -> None:
        """At the end: refuse a file that hid more than a few of its frames."""
        if self._hidden > max(HIDDEN_ALLOWED, MAX_HIDDEN * self._shown):
            raise MediaError(
                self._stage,
                "timestamps_out_of_order",
                f"{self._path}: timestamps of {self._hidden} frames of {self._hidden + self._shown} do not rise; "
                "remux it with timestamps made new",
            )

    def _raw(self, frame: av.VideoFrame) -> int:
        """The frame's time as the file has it; one step after the last where it has none."""
        following = 0 if self._last is None else self._last + self._step - self._shift
        if self._counts and frame.pts is None:
            return following
        if self._decoding_times:
            if frame.dts is None:  # frames that the decoder held back to the end
                return following
            if self._origin is None:  # with B-frames the first frame comes out some packets late
                self._origin = int(frame.dts)
            return int(frame.dts) - self._origin
        pts = frame.pts if frame.pts is not None else frame.dts
        if pts is None:
            raise MediaError(
                self._stage, "no_timestamps", f"{self._path}: a frame carries no timestamp"
            )
        return int(pts)
