"""Cut a file at exact presentation timestamps: a clip holds the frames with start_pts <= pts < end_pts, and no other.

Every clip is re-encoded (a stream copy can only start at a keyframe) while the source is decoded once, front to back,
without seeking. Frames keep their timestamps, shifted so that the first is 0, so a variable frame rate survives.
Rotation is applied, pixels are made square, HDR is tone-mapped (``hdr``).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from pipeline.config import Codec
from pipeline.video.clock import Clock
from pipeline.video.crop import Cropper
from pipeline.video.cut_short import is_cut_short
from pipeline.video.decode import sample_indices
from pipeline.video.encode import ClipEncoder
from pipeline.video.hdr import ToneMapper, check_colour
from pipeline.video.letterbox import Box
from pipeline.video.probe import (
    MediaError,
    check_size,
    describe,
    media_type,
    open_media,
    pick_stream,
    probe_stream,
)
from pipeline.video.sound import Sound, SoundReader

if TYPE_CHECKING:
    import av
    from av.video.reformatter import VideoReformatter

MAX_FRAME_TICKS = 2**31 - 1
"""Longest time a frame of an MP4 may be shown, in units of its time base."""
SQUARE_TOLERANCE = 0.02
"""Pixels whose aspect is within this of 1 are taken for square (some muxers write 224:225)."""


@dataclass(frozen=True, kw_only=True)
class Span:
    """One clip to be: where it starts and ends in its source."""

    start_pts: int
    """Timestamp of the first frame, in the source's time base."""
    end_pts: int
    """Timestamp at which the last frame stops being shown (exclusive), in the source's time base."""
    transition_in: str
    """What comes before: ``start`` of the file, ``cut``, ``dissolve``, ``wipe``, ``fade`` or ``split`` (too long)."""
    transition_out: str
    """What comes after: ``end`` of the file, or as ``transition_in``."""
    shot: int = 0
    """Number of the shot that it is a piece of, in its source."""


@dataclass(frozen=True, kw_only=True)
class Clip:
    """One encoded clip and a few of its frames."""

    span: Span
    """What was asked for."""
    video: bytes
    """The MP4 file."""
    n_frames: int
    """Frames in the MP4."""
    fps: float
    """Average frames a second: ``n_frames`` over the length of the span."""
    width: int
    """Pixels across."""
    height: int
    """Pixels down."""
    audio: str | None
    """None: not asked for. Otherwise ``kept``, ``none`` where the source is silent, or ``broken: `` and why."""
    samples: np.ndarray
    """Uniformly spaced frames, uint8 RGB (k, h, w, 3), scaled down to ``sample_side``."""
    neighbours: np.ndarray
    """Those frames, each with the one after it (of the last frame of a clip, before it): uint8 RGB (k, 2, h, w, 3).
    Of a clip of one frame, and where they were not asked for, k is 0."""
    picture: Box | None
    """Where the picture lies between bars, in pixels of the MP4; None when that is not known."""


def read_frames(
    stream: av.video.VideoStream, path: str | Path, *, stage: str = "decode"
) -> Iterator[tuple[int, av.VideoFrame]]:
    """Decode a stream front to back as (pts, frame), pts strictly rising as ``Clock`` says; typed errors for damage.

    A file that is cut short (``is_cut_short``) ends where it can no longer be decoded.
    """
    import av

    clock = Clock(stream, path, stage)
    size: tuple[int, int] | None = None
    try:
        for frame in stream.container.decode(stream):
            if frame.is_corrupt and size is not None and is_cut_short(path):
                break
            pts = clock.stamp(frame)
            if frame.is_corrupt:
                raise MediaError(
                    stage, "corrupt_frame", f"{path}: damaged frame at pts {frame.pts}"
                )
            if size is None:
                check_colour(frame, path)
                check_size(frame.width, frame.height, path)
                size = (frame.width, frame.height)
            elif (frame.width, frame.height) != size:
                raise MediaError(
                    stage,
                    "size_changed",
                    f"{path}: frames go from {size[0]}x{size[1]} to {frame.width}x{frame.height}",
                )
            if pts is not None:
                yield pts, frame
    except (av.error.FFmpegError, MemoryError, ValueError) as error:
        broken_off = isinstance(error, av.error.FFmpegError) and size is not None
        if not (broken_off and is_cut_short(path)):
            raise MediaError(stage, media_type(error), f"{path}: {describe(error)}") from error
    clock.check()
    if size is None:
        raise MediaError(stage, "no_frames", f"{path}: its video stream holds no picture")


def frame_duration(frame: av.VideoFrame, previous: int) -> int:
    """Time the last frame of a file is shown: what the file says, else as long as the one before it."""
    return int(frame.duration) if frame.duration and frame.duration > 0 else max(1, previous)


def cut(
    path: str | Path,
    spans: Sequence[Span],
    pts: np.ndarray,
    *,
    crf: int = 18,
    height: int | None = None,
    samples: int = 8,
    sample_side: int = 256,
    audio: bool = False,
    boxes: Sequence[Box | None] | None = None,
    crop_bars: bool = False,
    codec: Codec = "h264",
    neighbours: bool = False,
) -> Iterator[Clip | float]:
    """Decode ``path`` once and yield its clips in order; between them, how many seconds of it are done.

    Args:
        path: The source.
        spans: Clips in rising order, not overlapping.
        pts: Every timestamp of the source, rising, as the analysis pass saw them.
        crf: Quality, in the codec's own scale.
        height: Height in pixels to scale down to; None keeps the source's.
        samples: Frames kept of each clip (centres of equal spans).
        sample_side: Longest short side of those frames, pixels.
        audio: Keep the sound of each clip, as AAC.
        boxes: The picture of each clip between its bars, in pixels of the decoded frame; None where not known.
        codec: Of the clips, as ``[ingest] codec`` names it.
        neighbours: Keep a neighbour of every sampled frame, too.
        crop_bars: Leave the bars out; what is left starts on even pixels and has even sides.
    """
    with (
        open_media(path) as container,
        SoundReader(path) if audio else nullcontext() as sound_reader,
    ):
        stream = pick_stream(container, path)
        info = probe_stream(stream, path)
        source = read_frames(stream, path, stage="cut")
        tone = ToneMapper()
        position = 0
        for span, box in zip(spans, boxes or [None] * len(spans), strict=True):
            trim = Cropper(box.even() if box and crop_bars else None)
            first, stop = np.searchsorted(pts, [span.start_pts, span.end_pts])
            shown = np.append(pts[first:stop], span.end_pts)
            if stop <= first:
                raise ValueError(
                    f"span [{span.start_pts}, {span.end_pts}) of {path} holds no frame"
                )
            check_leap(shown, path)
            keep = sample_indices(int(stop - first), samples)
            pairs = frame_pairs(keep, int(stop - first)) if neighbours else []
            wanted = {*keep, *(index for pair in pairs for index in pair)}
            rate = Fraction(int(stop - first)) / (int(shown[-1] - shown[0]) * info.time_base)
            maker: _ClipMaker | None = None
            sound, heard = clip_sound(sound_reader, span, info.time_base)
            while position < stop:
                try:
                    stamp, frame = next(source)
                except StopIteration:
                    raise MediaError(
                        "cut", "passes_differ", f"{path}: frames went missing"
                    ) from None
                if stamp != pts[position]:
                    raise MediaError(
                        "cut", "passes_differ", f"{path}: frame {position} moved to pts {stamp}"
                    )
                index = position - int(first)
                position += 1
                if index >= 0:
                    frame = trim(frame)
                    maker = maker or _ClipMaker(
                        frame,
                        info.sample_aspect,
                        rate,
                        info.time_base,
                        crf,
                        height,
                        sample_side,
                        sound,
                        codec,
                    )
                    maker.add(
                        tone(frame),
                        pts=int(shown[index] - shown[0]),
                        duration=int(shown[index + 1] - shown[index]),
                        sample=index if index in wanted else None,
                    )
                if position % 64 == 0:
                    yield float((stamp - pts[0]) * info.time_base)
            assert maker is not None
            inside = box and (box.even().origin() if crop_bars else box)
            yield maker.finish(span, float(rate), heard, inside, keep, pairs)


def frame_pairs(indices: Sequence[int], n_frames: int) -> list[tuple[int, int]]:
    """Each frame with the one after it; the last frame of a clip with the one before; none of a single frame."""
    if n_frames < 2:
        return []
    return [(min(index, n_frames - 2), min(index, n_frames - 2) + 1) for index in indices]


def clip_sound(
    reader: SoundReader | None, span: Span, time_base: Fraction
) -> tuple[Sound | None, str | None]:
    """The sound of a clip, and what its ``audio`` is to say."""
    if reader is None:
        return None, None
    try:
        sound = reader.read(span.start_pts * time_base, span.end_pts * time_base)
    except MediaError as error:
        return None, f"broken: {error.message}"
    return sound, "none" if sound is None else "kept"


def check_leap(shown: np.ndarray, path: str | Path) -> None:
    """Refuse timestamps (starts of frames, then the end) with a leap that an MP4 cannot hold: 13 hours at 45 kHz."""
    longest = int(np.diff(shown).max())
    if longest > MAX_FRAME_TICKS:
        at = int(shown[np.diff(shown).argmax()])
        raise MediaError(
            "cut", "timestamp_leap", f"{path}: timestamps leap by {longest} after pts {at}"
        )


class _ClipMaker:
    """Turns upright, scales and encodes the frames of one clip, and keeps samples of them."""

    def __init__(
        self,
        frame: av.VideoFrame,
        aspect: Fraction,
        rate: Fraction,
        time_base: Fraction,
        crf: int,
        height: int | None,
        sample_side: int,
        sound: Sound | None,
        codec: Codec,
    ) -> None:
        from av.video.reformatter import VideoReformatter

        self._scaler: VideoReformatter = VideoReformatter()
        self._sampler: VideoReformatter = VideoReformatter()
        self.turns = quarter_turns(frame)
        self._size = coded = (frame.width, frame.height)
        square = abs(float(aspect) - 1) <= SQUARE_TOLERANCE
        self._coded = coded if square else (max(2, round(coded[0] * aspect)), coded[1])
        shown = self._coded[::-1] if self.turns % 2 else self._coded
        if height is not None and shown[1] > height:
            scale = height / shown[1]
            self._coded = tuple(max(2, 2 * round(side * scale / 2)) for side in self._coded)  # type: ignore[assignment]
            shown = self._coded[::-1] if self.turns % 2 else self._coded
        shrink = min(1.0, sample_side / min(shown))
        self._sample_size = tuple(max(1, round(side * shrink)) for side in self._coded)
        self._encoder = ClipEncoder(
            shown[0], shown[1], rate, time_base=time_base, crf=crf, sound=sound, codec=codec
        )
        self._samples: dict[int, np.ndarray] = {}

    def add(self, frame: av.VideoFrame, *, pts: int, duration: int, sample: int | None) -> None:
        """Encode a frame; ``sample`` is its number in the clip if it is kept as a picture, too."""
        if sample is not None:
            small = self._sampler.reformat(
                frame, *self._sample_size, "rgb24", interpolation="AREA", threads=1
            )
            self._samples[sample] = np.rot90(small.to_ndarray(), self.turns)
        shown = upright(frame, self._scaler, self._coded, self.turns)
        self._encoder.add(shown, pts=pts, duration=duration)

    def finish(
        self,
        span: Span,
        fps: float,
        audio: str | None,
        picture: Box | None,
        keep: Sequence[int],
        pairs: Sequence[tuple[int, int]],
    ) -> Clip:
        """The clip; ``picture`` is where its picture lies in the frames that were added."""
        video = self._encoder.finish()
        size = (self._encoder.width, self._encoder.height)
        if picture is not None:
            shown = self._size[::-1] if self.turns % 2 else self._size
            picture = picture.turned(self.turns, *self._size).scaled(shown, size)
        samples = np.stack([self._samples[index] for index in keep])
        return Clip(
            span=span,
            video=video,
            n_frames=self._encoder.n_frames,
            fps=fps,
            width=size[0],
            height=size[1],
            audio=audio,
            samples=samples,
            neighbours=np.stack([[self._samples[a], self._samples[b]] for a, b in pairs])
            if pairs
            else np.empty((0, 2, *samples.shape[1:]), np.uint8),
            picture=picture,
        )


def upright(
    frame: av.VideoFrame, scaler: VideoReformatter, coded: tuple[int, int], turns: int
) -> av.VideoFrame:
    """The frame scaled to (width, height) ``coded``, then turned by ``turns``; as it is where neither is needed."""
    import av

    if turns or (frame.width, frame.height) != coded:
        form = "rgb24" if turns else None
        frame = scaler.reformat(frame, *coded, form, interpolation="BICUBIC", threads=1)
    if not turns:
        return frame
    turned = np.ascontiguousarray(np.rot90(frame.to_ndarray(), turns))
    return av.VideoFrame.from_ndarray(turned, format="rgb24")


def quarter_turns(frame: av.VideoFrame) -> int:
    """Counter-clockwise quarter turns that put the frame upright; other angles are refused."""
    angle = round(frame.rotation) % 360
    if angle % 90:
        raise MediaError(
            "cut", "rotation", f"rotated by {angle} degrees; only quarter turns are handled"
        )
    return angle // 90
