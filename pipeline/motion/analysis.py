"""One low-resolution pass over a file: timestamps of every frame, and per-frame statistics for shots and scores.

Frames are decoded once on one thread and scaled to 64x36 inside the loop; nothing larger is kept. The statistics are
independent of the codec: they are computed from pictures, never from motion vectors or frame sizes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from pipeline.extensions import is_extension, make_extension
from pipeline.motion.camera_motion import chunk_steps, step_frames
from pipeline.motion.optical_flow import mean_flow
from pipeline.shots.boundaries import Transition, find_transitions
from pipeline.shots.crossings import small_pictures, without_crossings
from pipeline.shots.net import ShotNet
from pipeline.shots.signatures import HISTORY, Signatures, compare, signatures
from pipeline.video.cut import frame_duration, read_frames
from pipeline.video.hdr import ToneMapper
from pipeline.video.letterbox import BarWatch
from pipeline.video.probe import Probe, open_media, pick_stream, probe_stream
from pipeline.video.row_buffer import Rows

if TYPE_CHECKING:
    import av

    from pipeline.contracts import ShotDetector

Look = Callable[["av.VideoFrame", float], None]
"""Is shown a frame at its full size, with its time in seconds."""
WIDTH, HEIGHT = 64, 36
"""Size of the pictures that statistics are computed from, pixels; the aspect is not kept."""
CHUNK = 128
"""Frames processed together."""
_ARRAYS = ("pts", "luma_mean", "luma_std", "optical_flow", "camera", "shot_logits", "pictures")


@dataclass(frozen=True, kw_only=True)
class Analysis:
    """Per-frame statistics of a file; arrays of N have one entry per frame in order of presentation."""

    probe: Probe
    """The stream the frames come from."""
    pts: np.ndarray
    """int64 (N,), rising, in ``probe.time_base``."""
    end_pts: int
    """Timestamp at which the last frame stops being shown."""
    luma_mean: np.ndarray
    """float32 (N,), mean luma in [0, 1]."""
    luma_std: np.ndarray
    """float32 (N,), standard deviation of luma inside the frame, in [0, 1]."""
    optical_flow: np.ndarray
    """float32 (N,), mean optical flow from the frame before, in frame diagonals; 0 for the first frame.
    Empty when no scores were asked for."""
    camera: np.ndarray
    """float32 (N, 4): movement of the whole picture, NaN where no step ends, see ``camera_motion.chunk_steps``.
    Empty when no scores were asked for."""
    size: tuple[int, int]
    """Width and height of the decoded frames, pixels; zeros when no scores were asked for."""
    turns: int
    """Counter-clockwise quarter turns that put the frames upright."""
    looks: np.ndarray
    """int64 (M,), rising: numbers of the frames that were searched for bars; empty when no scores were asked for."""
    bars: np.ndarray
    """float32 (M, 12): bars of those frames, see ``letterbox.luma_bars``."""
    shot_logits: np.ndarray
    """float16 (N, len(shot_net.OUTPUTS)): what the shot detector's net says of each frame."""
    pictures: np.ndarray
    """uint8 (N, crossings.CELLS): a very small picture of each frame."""

    @property
    def times_s(self) -> np.ndarray:
        """float64 (N,) presentation times in seconds."""
        return self.pts * float(self.probe.time_base)

    def transitions(self) -> list[Transition]:
        """The boundaries between the file's shots, in order."""
        found = find_transitions(self.shot_logits)
        return without_crossings(found, self.pictures, float(self.probe.fps))


def read_lowres(
    path: str | Path, look: Callable[[av.VideoFrame, float], None] | None = None
) -> Iterator[tuple[Probe, np.ndarray, np.ndarray, int]]:
    """Yield (probe, pts (n,), frames uint8 (n, 3, 36, 64), end_pts so far), ``CHUNK`` frames at a time.

    Frames are planes of Y, U, V at full chroma resolution in limited range (Y from 16 to 235), whatever the source is:
    that costs half of what RGB does. The decoder leaves its deblocking filter out, which saves a fifth of its time and
    is not seen at this size. ``look`` is shown every frame at its full size, with its time in seconds.
    """
    from av.video.reformatter import VideoReformatter

    with open_media(path) as container:
        stream = pick_stream(container, path)
        info = probe_stream(stream, path)
        stream.codec_context.options = {"skip_loop_filter": "all"}
        scaler, tone = VideoReformatter(), ToneMapper()
        stamps: list[int] = []
        frames = np.empty((CHUNK, 3, HEIGHT, WIDTH), dtype=np.uint8)
        step = 1
        end = 0
        for pts, frame in read_frames(stream, path):
            if len(stamps) == CHUNK:
                yield info, np.array(stamps, dtype=np.int64), frames, end
                stamps, frames = [], np.empty_like(frames)
            step = pts - (end - step) if end else step
            end = pts + frame_duration(frame, step)
            step = end - pts
            if look:
                look(frame, float(pts * info.time_base))
            small = scaler.reformat(
                tone(frame, (WIDTH, HEIGHT)),
                WIDTH,
                HEIGHT,
                "yuv444p",
                interpolation="AREA",
                dst_color_range="MPEG",
                threads=1,
            )
            for plane, out in zip(small.planes, frames[len(stamps)], strict=True):
                out[:] = np.frombuffer(plane, np.uint8).reshape(HEIGHT, -1)[:, :WIDTH]
            stamps.append(pts)
        yield info, np.array(stamps, dtype=np.int64), frames[: len(stamps)], end


def shot_detector(name: str, look: Look | None) -> tuple[ShotDetector, Look | None]:
    """The detector of a file, and ``look`` with the detector's own behind it where it wants whole frames."""
    net: ShotDetector
    if is_extension(name):
        net = make_extension(name, "shot detector")
    elif name == "transnetv2":
        from pipeline.shots.transnet import TransNet

        net = TransNet()
    elif name == "embedded":
        net = ShotNet()
    else:
        raise ValueError(
            f"shot detector {name!r} is unknown; use embedded, transnetv2 or module:object"
        )
    own: Look | None = getattr(net, "look", None)
    if own is None:
        return net, look
    shown = own

    def both(frame: av.VideoFrame, time_s: float) -> None:
        if look:
            look(frame, time_s)
        shown(frame, time_s)

    return net, both


def analyse(
    path: str | Path, *, scores: bool = True, detector: str = "embedded"
) -> Iterator[Analysis | float]:
    """Analyse a whole file in bounded memory; yields how many seconds of it are done, and the ``Analysis`` last.

    ``scores`` False leaves out what only scores need (``optical_flow``, ``camera`` and ``bars`` are empty then).
    ``detector`` names who looks for shots, see ``IngestConfig.shot_detector``.
    """
    parts = {name: Rows() for name in _ARRAYS}
    past: Signatures | None = None
    info: Probe | None = None
    start: int | None = None
    watch = BarWatch() if scores else None
    net, look = shot_detector(detector, watch)
    end = done = 0
    for info, stamps, frames, end in read_lowres(path, look):  # noqa: B007 - the last ones are used below
        new = signatures(frames)
        before = new.frozen(HISTORY) if past is None else past
        parts["pts"].add(stamps)
        parts["luma_mean"].add(new.luma_mean)
        parts["luma_std"].add(new.luma_std)
        parts["pictures"].add(small_pictures(new))
        for logits in net.add(compare(before, new)):
            parts["shot_logits"].add(logits.astype(np.float16))
        if scores:
            parts["optical_flow"].add(mean_flow(np.concatenate([before.grey[-1:], new.grey])))
            earlier = new.grey[:0] if past is None else past.grey
            every = step_frames(float(info.fps))
            parts["camera"].add(chunk_steps(earlier, new.grey, done, every))
            done += len(stamps)
        past = before.then(new).tail(HISTORY)
        start = int(stamps[0]) if start is None and len(stamps) else start
        yield float((end - (start or 0)) * info.time_base)
    parts["shot_logits"].add(net.finish().astype(np.float16))
    assert info is not None
    arrays = {name: part.array() for name, part in parts.items()}
    watch = watch or BarWatch()
    looks, bars = watch.result()
    yield Analysis(
        probe=info,
        end_pts=end,
        size=watch.size,
        turns=watch.turns,
        looks=looks,
        bars=bars,
        **arrays,
    )
