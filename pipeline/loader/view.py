"""The part of a clip that a model sees: which frames at what rate, and at what size.

Frames are resampled to a rate and cut to 1 + a multiple of the VAE's time factor; the picture is
scaled to cover a size whose sides are multiples of the patch, then centre-cropped to it, so nothing
is stretched and clips of any aspect fit one pixel budget.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from pipeline.shards.ranges import ClipError


@dataclass(frozen=True, kw_only=True)
class ClipView:
    """How clips are sampled and sized before a model sees them."""

    fps: float | None = 8.0
    """Frames per second to sample at; slower clips keep their own rate; None keeps every frame."""
    max_frames: int = 17
    """Most frames taken, from the start of the clip."""
    time_factor: int = 4
    """The number of frames is cut to 1 + a multiple of this."""
    max_pixels: int | None = 64 * 64
    """Area a frame is scaled down to, pixels; None keeps the size and only crops."""
    multiple: int = 16
    """Both sides are multiples of this many pixels."""

    def stride(self, fps: float) -> float:
        """Source frames from one frame taken to the next."""
        return max(1.0, fps / self.fps) if self.fps and fps > 0 else 1.0

    def count(self, n_frames: int, fps: float) -> int:
        """Frames taken of a clip with ``n_frames`` at ``fps``."""
        if n_frames < 1:
            raise ValueError(f"a clip of {n_frames} frames has nothing to look at")
        count = min(int((n_frames - 1) / self.stride(fps) + 1e-6) + 1, self.max_frames)
        return 1 + (count - 1) // self.time_factor * self.time_factor

    def indices(self, n_frames: int, fps: float) -> list[int]:
        """Source frames to take of a clip with ``n_frames`` at ``fps``."""
        stride = self.stride(fps)
        return [min(n_frames - 1, round(k * stride)) for k in range(self.count(n_frames, fps))]

    def rate(self, fps: float) -> float:
        """Frames per second of the frames that ``indices`` takes."""
        return min(fps, self.fps) if self.fps else fps

    def size(self, width: int, height: int) -> tuple[int, int]:
        """(width, height) in pixels of the view of a ``width`` x ``height`` clip; never larger."""
        return _covered(width, height, self.multiple, self.max_pixels)

    def shape(self, n_frames: int, fps: float, width: int, height: int) -> tuple[int, int, int]:
        """(frames, height, width) of the view."""
        w, h = self.size(width, height)
        return self.count(n_frames, fps), h, w


@lru_cache(maxsize=4096)
def _covered(width: int, height: int, step: int, max_pixels: int | None) -> tuple[int, int]:
    """``ClipView.size``; a data set has few sizes and many clips."""
    wide, high = max(1, width // step), max(1, height // step)
    if max_pixels is None:
        return wide * step, high * step
    budget = max(1, max_pixels // (step * step))
    area = min(budget, wide * high)
    aspect = math.log(width / height)

    def misfit(tiles: tuple[int, int]) -> tuple[float, tuple[int, int]]:
        w, h = tiles
        return abs(math.log(w / h) - aspect) + 0.5 * math.log(area / (w * h)), tiles

    choices = [
        (w, h)
        for w in range(1, min(wide, budget) + 1)
        for h in {max(1, min(high, budget // w, round(w / math.exp(aspect)) + d)) for d in (0, 1)}
        if w * h <= budget
    ]
    w, h = min(choices, key=misfit)
    return w * step, h * step


def decode_view(
    data: bytes, view: ClipView, *, n_frames: int, fps: float, width: int, height: int
) -> np.ndarray:
    """Decode MP4 bytes to the view, uint8 (T, H, W, 3); ClipError when they are not what was stated."""
    import av.error

    from pipeline.video.decode import decode_clip

    w, h = view.size(width, height)
    scale = max(w / width, h / height)
    if view.max_pixels is None and scale <= 1:
        scale = 1.0
    scaled = max(w, round(width * scale)), max(h, round(height * scale))
    try:
        frames, _ = decode_clip(data, indices=view.indices(n_frames, fps), size=scaled)
    except (ValueError, av.error.FFmpegError, IndexError) as error:
        raise ClipError("decode", f"cannot decode {len(data)} bytes of video: {error}") from None
    top, left = (scaled[1] - h) // 2, (scaled[0] - w) // 2
    return np.ascontiguousarray(frames[:, top : top + h, left : left + w])
