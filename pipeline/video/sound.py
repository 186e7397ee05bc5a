"""The sound of a file, handed out by intervals of its presentation time, to the sample.

Sound never decides whether a clip exists: where it is damaged, the clip goes without and says so.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Self

import numpy as np

from pipeline.video.probe import MediaError, describe, media_type, open_media

if TYPE_CHECKING:
    import av

AAC_RATES = (8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000, 64000, 88200, 96000)
"""Sampling rates that AAC knows, Hz; others become 48 kHz."""
JITTER_S = 0.005
"""Timestamps of sound that stray less than this from the count of samples are rounding, seconds."""
LEAP_BACK_S = 0.5
"""Sound whose timestamps fall back further than this belongs to another count of time, seconds."""


@dataclass(frozen=True, kw_only=True)
class Sound:
    """Samples of one clip."""

    samples: np.ndarray
    """float32 (channels, n) in [-1, 1]: one channel, or left and right."""
    rate: int
    """Samples a second."""


class SoundReader:
    """Reads one file's sound front to back, in memory of one interval; use as a context manager."""

    def __init__(self, path: str | Path) -> None:
        self._path = path
        self._container = open_media(path)
        stream = self._container.streams.best("audio")
        self._stream = None if stream is None or stream.codec_context is None else stream
        self._failure: str | None = None
        self._damage: list[int] = []
        self._blocks: list[tuple[int, np.ndarray]] = []
        self._next: int | None = None
        self._source: Iterator[tuple[int, np.ndarray]] | None = None
        if self._stream is not None:
            rate = self._stream.codec_context.sample_rate
            self.rate = rate if rate in AAC_RATES else 48000
            self._source = self._decode(self._stream)

    def read(self, start_s: Fraction, end_s: Fraction) -> Sound | None:
        """Sound shown in [start_s, end_s), silence where the file has none; None where it has none at all.

        Intervals must rise. Raises ``MediaError`` where the sound of this interval is damaged.
        """
        if self._stream is None:
            return None
        first, stop = round(start_s * self.rate), round(end_s * self.rate)
        self._blocks = [block for block in self._blocks if block[0] + block[1].shape[1] > first]
        while self._source is not None and (self._next is None or self._next < stop):
            try:
                at, samples = next(self._source)
            except StopIteration:
                self._source = None
            except MediaError as error:
                self._source, self._failure = None, error.message
            else:
                if at + samples.shape[1] > first:
                    self._blocks.append((at, samples))
        if self._failure is not None and (self._next is None or self._next < stop):
            raise MediaError("sound", "broken", self._failure)
        if any(first <= at < stop for at in self._damage):
            raise MediaError("sound", "broken", f"{self._path}: damaged sound")
        inside = [(at, samples) for at, samples in self._blocks if at < stop]
        if not inside:
            return None
        out = np.zeros((inside[0][1].shape[0], stop - first), np.float32)
        for at, samples in inside:
            low, high = max(at, first), min(at + samples.shape[1], stop)
            out[:, low - first : high - first] = samples[:, low - at : high - at]
        return Sound(samples=out, rate=self.rate)

    def _decode(self, stream: av.audio.AudioStream) -> Iterator[tuple[int, np.ndarray]]:
        """(index of the first sample since time 0, samples float32 (channels, n)), not overlapping, rising."""
        import av

        layout = "mono" if stream.codec_context.channels == 1 else "stereo"
        resampler = av.AudioResampler(format="fltp", layout=layout, rate=self.rate)
        try:
            for packet in self._container.demux(stream):
                try:
                    frames = packet.decode()
                except av.error.InvalidDataError:
                    if packet.pts is not None:
                        self._damage.append(int(packet.pts * packet.time_base * self.rate))
                    continue
                for frame in frames:
                    for part in resampler.resample(frame):
                        yield from self._place(part)
        except (av.error.FFmpegError, MemoryError, ValueError) as error:
            text = f"{self._path}: {media_type(error)}: {describe(error)}"
            raise MediaError("sound", "broken", text) from error

    def _place(self, frame: av.AudioFrame) -> Iterator[tuple[int, np.ndarray]]:
        samples = frame.to_ndarray()
        expected = self._next
        at = expected or 0
        if frame.pts is not None:
            at = round(frame.pts * frame.time_base * self.rate)
        if expected is not None:
            if abs(at - expected) <= JITTER_S * self.rate:
                at = expected
            elif at < expected - LEAP_BACK_S * self.rate:
                seconds = expected / self.rate
                raise ValueError(f"its timestamps fall back after {seconds:.3f} s")
            elif at < expected:
                samples, at = samples[:, expected - at :], expected
        if samples.shape[1]:
            self._next = at + samples.shape[1]
            yield at, samples

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._container.close()
