"""MP4 bytes of a clip to RGB frames, and which frames stand for a clip."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np

from pipeline.video.probe import ONLY

if TYPE_CHECKING:
    import av
    from av.video.reformatter import VideoReformatter


SKIPPERS = frozenset(("h264", "hevc", "vp9"))
"""Decoders that can be told before each packet to leave frames out; dav1d, of AV1, is told once, when it opens."""


def sample_indices(n_frames: int, k: int) -> list[int]:
    """Centres of ``k`` equal spans of ``n_frames``: the frames that CLIP and captioners look at.

    Fewer frames than ``k`` gives every frame once: ``sample_indices(3, 8) == [0, 1, 2]``.
    """
    if n_frames < 1 or k < 1:
        raise ValueError(f"sample_indices needs n_frames >= 1 and k >= 1, got {n_frames} and {k}")
    k = min(n_frames, k)
    return [(2 * i + 1) * n_frames // (2 * k) for i in range(k)]


def rgb_pixels(
    frame: av.VideoFrame, reformatter: VideoReformatter, size: tuple[int, int] | None
) -> np.ndarray:
    """The frame as uint8 RGB (H, W, 3), scaled to ``size`` (width, height) if that is given.

    One conversion thread: starting a pool for each frame takes longer than a small frame does.
    """
    width, height = size or (frame.width, frame.height)
    interpolation = "AREA" if size else None
    rgb = reformatter.reformat(
        frame, width, height, "rgb24", interpolation=interpolation, threads=1
    )
    return rgb.to_ndarray()


def decode_clip(
    mp4_bytes: bytes,
    *,
    indices: Sequence[int] | None = None,
    size: tuple[int, int] | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Decode a trusted clip, one that this project encoded; foreign media goes through ``isolate`` and ``cut``.

    Args:
        mp4_bytes: A whole file in memory.
        indices: Frames to return, in this order, repeats allowed; None returns all of them.
        size: (width, height) in pixels to scale to, aspect not kept; None keeps the clip's own.

    Returns:
        frames: uint8 RGB (T, H, W, 3).
        pts_s: float64 (T,) presentation times in seconds, the first frame of the clip being near 0.
    """
    import av

    wanted = None if indices is None else set(indices)
    reformatter = av.video.reformatter.VideoReformatter()
    pixels: dict[int, np.ndarray] = {}
    times: dict[int, float] = {}
    with av.open(io.BytesIO(mp4_bytes), options=ONLY) as container:
        stream = container.streams.video[0]
        stream.codec_context.thread_count = 1
        for index, frame in _numbered(list(container.demux(stream)), stream.codec_context, wanted):
            if wanted is None or index in wanted:
                pixels[index] = rgb_pixels(frame, reformatter, size)
                times[index] = float(frame.pts * frame.time_base)
    order = sorted(pixels) if indices is None else list(indices)
    missing = [i for i in order if i not in pixels]
    if missing or not order:
        raise ValueError(
            f"clip has {len(pixels)} of the frames asked for; indices {missing[:4]} are not in it"
        )
    return np.stack([pixels[i] for i in order]), np.array(
        [times[i] for i in order], dtype=np.float64
    )


def _numbered(
    packets: list[av.Packet], codec: av.VideoCodecContext, wanted: set[int] | None
) -> Iterator[tuple[int, av.VideoFrame]]:
    """(number, frame) in order of presentation, at least of the ``wanted`` ones (None: all).

    Frames that nobody wants and no other frame refers to are not decoded: at 8 frames of 32, a quarter of the time.
    They can be told apart before decoding where every packet says when its frame is shown.
    """
    shown = sorted({packet.pts for packet in packets if packet.size and packet.pts is not None})
    known = len(shown) == sum(1 for packet in packets if packet.size)
    last = max(wanted) if wanted else None
    skips = codec.name in SKIPPERS and not any(packet.is_discard for packet in packets)
    if wanted is None or not known or not skips:
        frames = (frame for packet in packets for frame in codec.decode(packet))
        for index, frame in enumerate(frames):
            yield index, frame
            if index == last:
                return
        return
    number = {pts: index for index, pts in enumerate(shown)}
    for packet in packets:
        needed = not packet.size or number[packet.pts] in wanted
        codec.skip_frame = "DEFAULT" if needed else "NONREF"
        for frame in codec.decode(packet):
            index = number.get(frame.pts, -1)
            yield index, frame
            if index == last:
                return
