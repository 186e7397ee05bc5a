"""The file of one clip in an export: the stored bytes where they fit, else frames chosen by presentation time.

Output frame k shows what the clip shows at k / fps seconds, so motion keeps its speed at every rate. This runs in the
decoding child (``video.isolate``): clips that were imported without re-encoding are foreign files.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING

import numpy as np

from pipeline.export.plan import TIME_TOLERANCE_S
from pipeline.video.crop import Cropper
from pipeline.video.cut import frame_duration, quarter_turns, read_frames, upright
from pipeline.video.encode import ClipEncoder, rational_fps
from pipeline.video.hdr import ToneMapper
from pipeline.video.letterbox import Box
from pipeline.video.probe import MediaError, open_media, pick_stream, probe_stream
from pipeline.video.sound import Sound, SoundReader

if TYPE_CHECKING:
    import av


AV1 = frozenset({"av1", "libdav1d"})
"""FFmpeg's decoders of a codec that the wheels of OpenCV, and trainers that read by them, cannot decode."""


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """What the file of a clip is to be."""

    n_frames: int
    """Frames."""
    fps: float | None = None
    """Frames a second; None keeps the file's own times, and the file as it is."""
    size: tuple[int, int] | None = None
    """(width, height) to fill, what sticks out cropped evenly; None keeps the file's own."""
    audio: bool = False
    """Keep its sound."""
    crf: int = 18
    """Quality where it is encoded again."""


@dataclass(frozen=True, kw_only=True)
class Media:
    """What came of it."""

    video: bytes
    """The new file; empty when the stored bytes are right as they are."""
    n_frames: int
    """Decoded frames."""
    width: int
    """Pixels across."""
    height: int
    """Pixels down."""
    audio: bool
    """Whether it has sound."""
    source_audio: bool
    """Whether the stored file has sound."""
    av1: bool = False
    """Whether its video is AV1."""


def make_media(path: str, wanted: Wanted) -> Media:
    """The file that ``wanted`` describes, from the stored one at ``path``; MediaError when it cannot be read."""
    times, sound, size, codec = look(path)
    fits = wanted.fps is None or (
        len(times) == wanted.n_frames
        and steady(times, wanted.fps)
        and wanted.size in (None, size)
        and (wanted.audio or not sound)
        and codec not in AV1
    )
    if fits:
        return Media(
            video=b"", n_frames=len(times), width=size[0], height=size[1], audio=sound,
            source_audio=sound, av1=codec in AV1,
        )  # fmt: skip
    return retime(path, wanted, sound)


def look(path: str) -> tuple[list[float], bool, tuple[int, int], str]:
    """(seconds of every frame that is shown, whether there is sound, (width, height), decoder); nothing is decoded."""
    with open_media(path) as container:
        stream = pick_stream(container, path)
        base = float(stream.time_base or 0)
        shown = [
            packet.pts * base
            for packet in container.demux(stream)
            if packet.size and packet.pts is not None and not packet.is_discard
        ]
        size = (stream.codec_context.width, stream.codec_context.height)
        codec = stream.codec_context.name
        return sorted(shown), bool(container.streams.audio), size, codec


def steady(times: list[float], fps: float) -> bool:
    """Whether frames are shown every 1 / fps seconds."""
    at = np.asarray(times) - times[0] if times else np.empty(0)
    return bool((np.abs(at - np.arange(len(at)) / fps) <= TIME_TOLERANCE_S).all())


def retime(path: str, wanted: Wanted, has_sound: bool) -> Media:
    """Encode ``wanted.n_frames`` frames at a constant rate; fewer when the file ends before."""
    assert wanted.fps is not None
    rate = rational_fps(wanted.fps)
    with open_media(path) as container:
        stream = pick_stream(container, path)
        base = probe_stream(stream, path).time_base
        step, slack = 1 / (rate * base), Fraction(TIME_TOLERANCE_S) / base
        maker: _Maker | None = None
        held: av.VideoFrame | None = None
        first = last = gap = 0
        for pts, frame in read_frames(stream, path, stage="export"):
            if held is None or maker is None:
                first = pts
                sound = clip_sound(path, first * base, wanted, rate) if has_sound else None
                maker = _Maker(frame, rate, wanted, sound)
            else:
                gap = pts - last
                while maker.count < wanted.n_frames and maker.count * step + slack < pts - first:
                    maker.add(held)
            if maker.count >= wanted.n_frames:
                break
            held, last = frame, pts
        if held is None or maker is None:
            raise MediaError("export", "no_frames", f"{path} holds no picture")
        end = last + frame_duration(held, gap) - first
        while maker.count < wanted.n_frames and maker.count * step + slack < end:
            maker.add(held)
        return Media(
            video=maker.encoder.finish(),
            n_frames=maker.count,
            width=maker.encoder.width,
            height=maker.encoder.height,
            audio=sound is not None,
            source_audio=has_sound,
        )


def clip_sound(path: str, start_s: Fraction, wanted: Wanted, rate: Fraction) -> Sound | None:
    """The sound of the frames that are kept; None where it is not wanted or damaged."""
    if not wanted.audio:
        return None
    with SoundReader(path) as reader:
        try:
            return reader.read(start_s, start_s + wanted.n_frames / rate)
        except MediaError:
            return None


class _Maker:
    """Turns upright, crops, scales and encodes frames at a constant rate."""

    def __init__(
        self, frame: av.VideoFrame, rate: Fraction, wanted: Wanted, sound: Sound | None
    ) -> None:
        from av.video.reformatter import VideoReformatter

        self.turns = quarter_turns(frame)
        coded = (frame.width, frame.height)
        shown = coded[::-1] if self.turns % 2 else coded
        self.size = wanted.size or (shown[0] - shown[0] % 2, shown[1] - shown[1] % 2)
        target = self.size[::-1] if self.turns % 2 else self.size
        self.crop = Cropper(cover(coded, target) if wanted.size else None)
        self.coded = target if wanted.size else coded
        self.tone, self.scaler = ToneMapper(), VideoReformatter()
        self.encoder = ClipEncoder(self.size[0], self.size[1], rate, crf=wanted.crf, sound=sound)
        self.count = 0

    def add(self, frame: av.VideoFrame) -> None:
        """Encode a frame for one step of the rate."""
        shown = upright(self.crop(self.tone(frame)), self.scaler, self.coded, self.turns)
        self.encoder.add(shown, pts=self.count, duration=1)
        self.count += 1


def cover(size: tuple[int, int], target: tuple[int, int]) -> Box:
    """The largest centred rectangle of ``size`` with the aspect of ``target``, on even pixels."""
    width, height = size
    scale = min(width / target[0], height / target[1])
    across, down = (max(2, int(scale * side + 0.5) // 2 * 2) for side in target)
    across, down = min(across, width - width % 2), min(down, height - height % 2)
    x, y = (width - across) // 4 * 2, (height - down) // 4 * 2
    return Box(x=x, y=y, width=across, height=down)
