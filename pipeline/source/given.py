"""One source to clips that are given beforehand, by somebody's table or folder. Runs in the decoding child.

A clip that is a whole file keeps its bytes where a clip of ours may hold them (``kept_as``), or is put into an MP4
without being encoded anew. Whatever else is given is cut at its frames, as ``source.clips`` cuts shots.
"""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np

from pipeline import schema as s
from pipeline.config import IngestConfig
from pipeline.motion.analysis import Analysis
from pipeline.shots.boundaries import shots_between
from pipeline.source.clips import (
    ClipRecord,
    Match,
    Plan,
    analysed,
    clip_record,
    find_boxes,
    frame_range,
    marked,
    own_scorers,
)
from pipeline.video.cut import (
    SQUARE_TOLERANCE,
    Clip,
    Span,
    cut,
    frame_pairs,
    read_frames,
)
from pipeline.video.cut_short import is_cut_short
from pipeline.video.decode import sample_indices
from pipeline.video.hdr import HLG, PQ
from pipeline.video.letterbox import Box
from pipeline.video.probe import MediaError, open_media, pick_stream

if TYPE_CHECKING:
    import av

MP4, CODECS = "mov,mp4,m4a,3gp,3g2,mj2", ("h264", "hevc", "av1", "libdav1d", "vp9", "libvpx-vp9")
"""FFmpeg's name of MP4 and QuickTime, and of the decoders of codecs that a clip may keep."""
SOUNDS = ("aac", "mp3", "mp3float", "opus", "ac3")
"""Decoders of sound that an MP4 may hold."""
LARGEST = 512 << 20
"""Largest file that is kept whole, bytes: clips pass through memory."""
SLACK_S, SLACK_SHARE = 0.002, 0.25
"""A given time may miss its frame by so much, seconds, and at most by this share of a frame: tables round."""

TICK_S = 0.0015
"""Most that a frame's time may change when a file is put into another container, seconds: Matroska counts in ms."""

Unit = Literal["s", "frame"]


@dataclass(frozen=True, kw_only=True)
class GivenSpan:
    """A clip that is given beforehand."""

    start: float | None = None
    """Where it starts, in ``unit`` from the first frame of the file; None is its start."""
    end: float | None = None
    """Where it ends (exclusive); None is the file's end."""
    unit: Unit = "s"
    """``s`` for seconds, ``frame`` for frames."""


@dataclass(frozen=True, kw_only=True)
class Given:
    """What is given of one source."""

    spans: tuple[GivenSpan, ...]
    """Its clips, in any order; they may overlap."""
    split: bool = False
    """Split a clip at the shots inside it."""
    store: bool = True
    """Give the clips' bytes; without, they are measured only and nothing is encoded."""


def clip_given(
    path: str, config: IngestConfig, samples: int, given: Given
) -> Iterator[Plan | ClipRecord | float]:
    """Yield the source's ``Plan``, then a ``ClipRecord`` for each distinct clip; before and between, seconds done."""
    analysis = yield from analysed(path, config.shot_detector)
    plan = marked(plan_given(analysis, given), path)
    yield plan
    passing, paired = own_scorers(config)
    whole = whole_file(analysis)
    for track in tracks(plan.spans):
        for clip in cut_track(path, analysis, track, whole, config, samples, given, bool(paired)):
            if not isinstance(clip, Clip):
                yield clip
                continue
            record = clip_record(clip, analysis, passing, paired)
            record.extra[s.SHOTS_INSIDE] = float(shots_inside(analysis, clip.span))
            yield record


def plan_given(analysis: Analysis, given: Given) -> Plan:
    """Where the given clips lie, by frame; clips that are the same are cut once."""
    n = len(analysis.pts)
    edges = np.append(analysis.pts, analysis.end_pts)
    matches: list[Match] = []
    spans: dict[tuple[int, int], Span] = {}
    for number, asked in enumerate(given.spans):
        first, stop = frames_of(analysis, asked)
        if first >= n or stop <= 0:
            matches.append(Match(number=number, reason="outside"))
        elif stop <= first:
            matches.append(Match(number=number, reason="empty"))
        else:
            for span in split_span(analysis, first, stop) if given.split else [(first, stop)]:
                start, end = int(edges[span[0]]), int(edges[span[1]])
                matches.append(Match(number=number, start_pts=start, end_pts=end))
                spans[start, end] = Span(
                    start_pts=start,
                    end_pts=end,
                    transition_in="start" if span[0] == 0 else "split",
                    transition_out="end" if span[1] == n else "split",
                    shot=len(spans),
                )
    return Plan(
        probe=analysis.probe,
        duration_s=float((edges[-1] - edges[0]) * analysis.probe.time_base),
        n_frames=n,
        spans=tuple(spans[key] for key in sorted(spans)),
        matches=tuple(matches),
    )


def frames_of(analysis: Analysis, span: GivenSpan) -> tuple[int, int]:
    """Frames [first, stop) that begin in a given span; one that goes beyond the file ends with it."""
    n = len(analysis.pts)
    if span.unit == "frame":
        first = 0 if span.start is None else max(0, int(span.start))
        return first, n if span.end is None else min(n, int(span.end))
    times = analysis.times_s - analysis.times_s[0]
    usual = float(np.median(np.diff(times))) if n > 1 else 1.0
    slack = min(SLACK_S, SLACK_SHARE * usual)
    first = 0 if span.start is None else int(np.searchsorted(times, span.start - slack))
    stop = n if span.end is None else int(np.searchsorted(times, span.end - slack))
    return first, stop


def split_span(analysis: Analysis, first: int, stop: int) -> list[tuple[int, int]]:
    """The shots inside a span, without the mixed frames between them."""
    shots = shots_between(analysis.transitions(), len(analysis.pts))
    inside = ((max(first, shot.first), min(stop, shot.stop)) for shot in shots)
    return [piece for piece in inside if piece[0] < piece[1]] or [(first, stop)]


def shots_inside(analysis: Analysis, span: Span) -> int:
    """How many shots show in a span."""
    return len(split_span(analysis, *frame_range(analysis, span)))


def whole_file(analysis: Analysis) -> tuple[int, int]:
    """The interval of all frames."""
    return int(analysis.pts[0]), int(analysis.end_pts)


def tracks(spans: Sequence[Span]) -> list[list[Span]]:
    """Spans in rising order as lists in which none overlap: each is one pass of ``cut`` over the file."""
    found: list[list[Span]] = []
    for span in sorted(spans, key=lambda each: (each.start_pts, each.end_pts)):
        for track in found:
            if track[-1].end_pts <= span.start_pts:
                track.append(span)
                break
        else:
            found.append([span])
    return found


def cut_track(
    path: str,
    analysis: Analysis,
    track: Sequence[Span],
    whole: tuple[int, int],
    config: IngestConfig,
    samples: int,
    given: Given,
    neighbours: bool,
) -> Iterator[Clip | float]:
    """The clips of one track: a whole file with its bytes where that can be, the others encoded."""
    boxes = find_boxes(analysis, track)
    if len(track) == 1 and (track[0].start_pts, track[0].end_pts) == whole:
        video = keep_bytes(path, analysis, config) if given.store else b""
        if video is not None:
            yield from look_at(path, analysis, track[0], boxes[0], video, samples, neighbours)
            return
    if not given.store:
        for span, box in zip(track, boxes, strict=True):
            yield from look_at(path, analysis, span, box, b"", samples, neighbours)
        return
    yield from cut(
        path,
        track,
        analysis.pts,
        crf=config.crf,
        height=config.height,
        samples=samples,
        audio=config.audio,
        boxes=boxes,
        crop_bars=config.crop_bars,
        codec=config.codec,
        neighbours=neighbours,
    )


def keep_bytes(path: str, analysis: Analysis, config: IngestConfig) -> bytes | None:
    """The file itself as a clip, or its streams in an MP4; None when its pictures have to be encoded anew."""
    if not can_keep(path, analysis, config):
        return None
    if analysis.probe.container == MP4:
        return Path(path).read_bytes()
    return remux(path, analysis.times_s)


def can_keep(path: str, analysis: Analysis, config: IngestConfig) -> bool:
    """Whether a clip may hold this stream: upright, SDR, 8-bit 4:2:0, square pixels, even sides, whole."""
    info = analysis.probe
    return (
        info.codec in CODECS
        and info.pixel_format == "yuv420p"
        and info.color_transfer not in (PQ, HLG)
        and abs(float(info.sample_aspect) - 1) <= SQUARE_TOLERANCE
        and info.width % 2 == info.height % 2 == 0
        and analysis.turns == 0
        and info.size_bytes <= LARGEST
        and (config.height is None or info.height <= config.height)
        and not is_cut_short(path)
    )


def remux(path: str, times_s: np.ndarray) -> bytes | None:
    """The file's video, and sound that an MP4 may hold, in an MP4; None when its frames do not come back out of it
    at their times, float64 (N,) in seconds."""
    import av

    out = io.BytesIO()
    try:
        with open_media(path) as source, av.open(out, "w", format="mp4") as target:
            video = pick_stream(source, path)
            sound = source.streams.best("audio")
            taken = {video.index: target.add_stream_from_template(video, opaque=True)}
            if sound is not None and sound.codec_context and sound.codec_context.name in SOUNDS:
                taken[sound.index] = target.add_stream_from_template(sound, opaque=True)
            streams = [source.streams[index] for index in taken]
            packets = [packet for packet in source.demux(streams) if packet.size]
            order_decoding([p for p in packets if p.stream.index == video.index])
            for packet in packets:
                packet.stream = taken[packet.stream.index]
                target.mux(packet)
        with av.open(io.BytesIO(out.getvalue())) as check:
            found = np.array([frame.time for frame in check.decode(video=0)])
    except (av.error.FFmpegError, MediaError, ValueError, TypeError):
        return None
    if (
        len(found) != len(times_s)
        or np.abs(np.diff(found) - np.diff(times_s)).max(initial=0) > TICK_S
    ):
        return None
    return out.getvalue()


def order_decoding(packets: Sequence[av.Packet]) -> None:
    """Give packets of one stream, in the order of decoding, the times of decoding that Matroska leaves out."""
    if all(packet.dts is not None for packet in packets):
        return
    shown = sorted(packet.pts for packet in packets)
    ahead = max(at - packet.pts for at, packet in zip(shown, packets, strict=True))
    for at, packet in zip(shown, packets, strict=True):
        packet.dts = at - ahead


def look_at(
    path: str,
    analysis: Analysis,
    span: Span,
    box: Box | None,
    video: bytes,
    samples: int,
    neighbours: bool,
    side: int = 256,
) -> Iterator[Clip | float]:
    """A clip that is not encoded: frames of it are decoded to be scored. ``video`` becomes its bytes."""
    from av.video.reformatter import VideoReformatter

    first, stop = frame_range(analysis, span)
    keep = sample_indices(stop - first, samples)
    pairs = frame_pairs(keep, stop - first) if neighbours else []
    wanted = {*keep, *(index for pair in pairs for index in pair)}
    scaler, found = VideoReformatter(), dict[int, np.ndarray]()
    size, has_sound = (0, 0), False
    with open_media(path) as container:
        stream = pick_stream(container, path)
        has_sound = container.streams.best("audio") is not None
        for index, (stamp, frame) in enumerate(read_frames(stream, path, stage="cut")):
            if index >= stop:
                break
            if index - first in wanted:
                size = (frame.width, frame.height)
                shrink = min(1.0, side / min(size))
                small = scaler.reformat(
                    frame,
                    *(max(1, round(edge * shrink)) for edge in size),
                    "rgb24",
                    interpolation="AREA",
                    threads=1,
                )
                found[index - first] = np.rot90(small.to_ndarray(), analysis.turns)
            if index % 64 == 63:
                yield float((stamp - analysis.pts[0]) * analysis.probe.time_base)
    if lost := wanted - found.keys():
        raise MediaError("cut", "passes_differ", f"{path}: frame {min(lost)} went missing")
    upright = size[::-1] if analysis.turns % 2 else size
    pictures = np.stack([found[index] for index in keep])
    length = Fraction(span.end_pts - span.start_pts) * analysis.probe.time_base
    yield Clip(
        span=span,
        video=video,
        n_frames=stop - first,
        fps=float((stop - first) / length),
        width=upright[0],
        height=upright[1],
        audio="kept" if has_sound and video else None,
        samples=pictures,
        neighbours=np.stack([[found[a], found[b]] for a, b in pairs])
        if pairs
        else np.empty((0, 2, *pictures.shape[1:]), np.uint8),
        picture=None if box is None else box.turned(analysis.turns, *size),
    )
