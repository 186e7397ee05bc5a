"""RGB frames to MP4 bytes: H.264 or AV1, yuv420p, faststart, closed GOP of at most 2 s; same input, same bytes.

Odd sizes: yuv420p needs an even width and height, so the last column or row is cropped (nothing is invented by
padding). Colour: BT.709 limited range, and tagged so, which PyAV and decord both read back correctly.
"""

from __future__ import annotations

import io
import math
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext, suppress
from fractions import Fraction
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from pipeline.config import Codec

if TYPE_CHECKING:
    import av

    from pipeline.video.sound import Sound

GOP_SECONDS = 2.0
"""Longest distance between keyframes, in seconds."""
SOUND_BITS = 96_000
"""Bits a second for each channel of sound."""
X264_PARAMS = "open-gop=0:threads=1:cpu-independent=1"
"""cpu-independent: without it x264 gave different bytes for equal frames (19 results in 60 runs, on AVX-512)."""
ENCODERS: dict[Codec, str] = {"h264": "libx264", "av1": "libsvtav1"}
"""Codec -> FFmpeg's name of its encoder. A codec more is a line here, in ``OPTIONS`` and in ``config.Codec``."""
OPTIONS: dict[Codec, dict[str, str]] = {
    "h264": {"preset": "veryfast", "x264-params": X264_PARAMS},
    "av1": {"preset": "8", "svtav1-params": "lp=1"},
}
"""What each encoder is told besides its quality."""
BT709 = 1
LIMITED_RANGE = 1


class ClipEncoder:
    """Feed frames one by one, then take the MP4; memory holds the encoded bytes and the encoder's own delay only.

    ``rate`` is the nominal frame rate (GOP length, player hints); ``time_base`` is the unit of ``pts``/``duration``.
    ``sound`` becomes an AAC track behind the pictures; its first sample is heard with the first frame. ``tags`` become
    the container's metadata.
    """

    def __init__(
        self,
        width: int,
        height: int,
        rate: Fraction,
        *,
        time_base: Fraction | None = None,
        crf: int = 18,
        sound: Sound | None = None,
        tags: Mapping[str, str] | None = None,
        codec: Codec = "h264",
    ) -> None:
        import av

        if codec not in ENCODERS:
            raise ValueError(f"codec {codec!r} is unknown; use one of {', '.join(ENCODERS)}")

        if width < 2 or height < 2:
            raise ValueError(
                f"cannot encode {width}x{height}: H.264 yuv420p needs at least 2x2 pixels"
            )
        self.width, self.height = width - width % 2, height - height % 2
        self.time_base = time_base or 1 / rate
        self._buffer = io.BytesIO()
        self._container = av.open(
            self._buffer,
            "w",
            format="mp4",
            options={
                "movflags": "+faststart",
                "fflags": "+bitexact",
                "video_track_timescale": str(self.time_base.denominator),
            },
            # not a method: a container that refers back to self keeps x264's memory until the collector runs
            io_open=partial(_reopen, self._buffer),
        )
        self._container.metadata.update(tags or {})
        stream = self._container.add_stream(ENCODERS[codec], rate=rate)
        stream.width, stream.height, stream.pix_fmt = self.width, self.height, "yuv420p"
        stream.time_base = self.time_base
        context = stream.codec_context
        context.time_base = self.time_base
        context.thread_count = 1
        # else the muxer takes every frame to last 1 / rate, and a last frame that lasts longer ends early
        context.flags |= av.codec.context.Flags.frame_duration
        context.gop_size = max(1, math.floor(GOP_SECONDS * rate))
        context.color_range, context.colorspace = LIMITED_RANGE, BT709
        context.color_primaries, context.color_trc = BT709, BT709
        stream.options = {"crf": str(crf), **OPTIONS[codec]}
        self._stream = stream
        self._reformatter = av.video.reformatter.VideoReformatter()
        self.n_frames = 0
        if sound is not None:
            self._add_sound(sound)

    def _add_sound(self, sound: Sound) -> None:
        """All of it at once: the muxer holds it back until its pictures come."""
        import av

        channels = sound.samples.shape[0]
        layout = "mono" if channels == 1 else "stereo"
        stream = self._container.add_stream("aac", rate=sound.rate, layout=layout)
        stream.codec_context.bit_rate = SOUND_BITS * channels
        stream.codec_context.flags |= av.codec.context.Flags.bitexact
        frame = av.AudioFrame.from_ndarray(
            np.ascontiguousarray(sound.samples), format="fltp", layout=layout
        )
        frame.sample_rate, frame.pts, frame.time_base = sound.rate, 0, Fraction(1, sound.rate)
        for packet in (*stream.encode(frame), *stream.encode()):
            self._container.mux(packet)

    def add(self, frame: av.VideoFrame, *, pts: int, duration: int) -> None:
        """Encode one decoded frame (any pixel format, at least the encoder's size, rotation already applied)."""
        import av

        if frame.width - self.width in (0, 1) and frame.height - self.height in (0, 1):
            if (frame.width, frame.height) != (self.width, self.height):
                pixels = frame.to_ndarray(format="rgb24")[: self.height, : self.width]
                frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(pixels), format="rgb24")
        else:
            raise ValueError(
                f"frame is {frame.width}x{frame.height} but the encoder was opened for {self.width}x{self.height}"
            )
        frame = to_bt709(frame, self._reformatter)
        frame.pts, frame.time_base, frame.duration = pts, self.time_base, duration
        frame.pict_type = 0
        with nullcontext() if self.n_frames else usual_scheduling():  # the first frame opens it
            packets = self._stream.encode(frame)
        for packet in packets:
            self._container.mux(packet)
        self.n_frames += 1

    def finish(self) -> bytes:
        """Flush and return the whole file."""
        for packet in self._stream.encode():
            self._container.mux(packet)
        self._container.close()
        return self._buffer.getvalue()


@contextmanager
def usual_scheduling() -> Iterator[None]:
    """Undo that SVT-AV1, in a process of root, makes this thread and its own threads real-time ones.

    They would go before everything else on the machine, and so would every process that this one starts.
    """
    try:
        policy, param = os.sched_getscheduler(0), os.sched_getparam(0)
    except (AttributeError, OSError):  # not Linux
        yield
        return
    try:
        yield
    finally:
        for thread in map(int, os.listdir("/proc/self/task")) if policy != os.SCHED_FIFO else ():
            with suppress(OSError):  # it has ended meanwhile
                if os.sched_getscheduler(thread) == os.SCHED_FIFO:
                    os.sched_setscheduler(thread, policy, param)


def _reopen(buffer: io.BytesIO, url: str, flags: int, options: dict[str, str]) -> io.BytesIO:
    """Faststart reads back what was written in order to move the index in front of the pictures."""
    return io.BytesIO(buffer.getbuffer())


def to_bt709(
    frame: av.VideoFrame, reformatter: av.video.reformatter.VideoReformatter
) -> av.VideoFrame:
    """The frame as yuv420p in BT.709 limited range, from whatever matrix and range it is tagged with.

    A ``reformatter`` kept between frames keeps its scaler: half the time of encoding a small clip.
    """
    out = reformatter.reformat(
        frame,
        format="yuv420p",
        dst_colorspace="ITU709",
        dst_color_range="MPEG",
        interpolation="BICUBIC",
        threads=1,  # a pool of threads per frame is slower on small clips, and much slower on a busy machine
    )
    out.colorspace, out.color_range = BT709, LIMITED_RANGE
    return out


def rational_fps(fps: float | Fraction) -> Fraction:
    """Frame rate as an exact fraction: 29.97 -> 30000/1001, 23.976 -> 24000/1001, 8 -> 8."""
    if isinstance(fps, Fraction):
        return fps
    if not (math.isfinite(fps) and 0 < fps <= 1000):
        raise ValueError(f"fps is {fps!r}; it must be a number above 0 and at most 1000")
    for base in (24, 30, 48, 60, 120):
        if abs(fps - base * 1000 / 1001) < 0.005:
            return Fraction(base * 1000, 1001)
    return Fraction(fps).limit_denominator(1000)


def encode_mp4(
    frames: np.ndarray,
    fps: float | Fraction,
    crf: int = 18,
    *,
    tags: Mapping[str, str] | None = None,
) -> bytes:
    """Encode uint8 RGB ``frames`` (T, H, W, 3) at a constant ``fps``; returns the bytes of a complete MP4 file.

    ``tags`` become the container's metadata.
    """
    import av

    if frames.ndim != 4 or frames.shape[-1] != 3 or frames.dtype != np.uint8 or len(frames) == 0:
        raise ValueError(
            f"encode_mp4 takes a non-empty uint8 array (T, H, W, 3), got {frames.dtype} {frames.shape}"
        )
    height, width = frames.shape[1:3]
    encoder = ClipEncoder(width, height, rational_fps(fps), crf=crf, tags=tags)
    for index, pixels in enumerate(frames):
        cropped = np.ascontiguousarray(pixels[: encoder.height, : encoder.width])
        encoder.add(av.VideoFrame.from_ndarray(cropped, format="rgb24"), pts=index, duration=1)
    return encoder.finish()
