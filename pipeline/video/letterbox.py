"""Bars around the picture: their sizes to the pixel, from frames at full size.

A frame is looked at a few times a second while it is decoded anyway, and most are done after their border: a picture
that reaches it has no bars. Bars are black, or one flat level above and below (or left and right) of the picture. A
bar ends in a straight line along which the picture differs from it; a night sky, a vignette or a curtain does not.
Over a clip a bar has one size, and nothing ever shows inside it.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from pipeline.video.row_buffer import Rows

if TYPE_CHECKING:
    import av
    from av.video.reformatter import VideoReformatter

LOOK_S = 0.25
"""Seconds between the frames that are looked at."""
COLUMNS = 12
"""Numbers of a frame: black bars (top, bottom, left, right), how sharply each of them ends, then plain bars."""
DARK = 14
"""Levels of 255 above black up to which a bar may flicker."""
FLAT = 8
"""Levels of 255 between the brightest and the darkest pixel of a plain bar."""
STEP = 10
"""Levels of 255 by which the picture differs from the bar beside it."""
SHARP, PAIRED = 0.5, 0.15
"""Share of a bar's edge along which the picture must differ from it: for a bar alone, and where both bars are equal."""
PLAIN_SHARP = 0.8
"""The same for bars that are not black."""
LEAST_BAR, LEAST_PICTURE = 2, 0.25
"""Pixels of the smallest bar, and share of a side that the picture keeps at least."""
LEAST_PLAIN = 0.05
"""Share of a side that a bar takes at least that is not black."""
_DIRECT = frozenset({"yuv420p", "yuvj420p", "yuv422p", "yuvj422p", "yuv444p", "yuvj444p", "nv12"})


@dataclass(frozen=True, kw_only=True)
class Box:
    """A rectangle in a frame, in pixels."""

    x: int
    y: int
    width: int
    height: int

    def even(self) -> Box:
        """The largest rectangle inside whose corners lie on even pixels."""
        x, y = self.x + self.x % 2, self.y + self.y % 2
        right, bottom = self.x + self.width, self.y + self.height
        return Box(x=x, y=y, width=(right - x) // 2 * 2, height=(bottom - y) // 2 * 2)

    def origin(self) -> Box:
        """A frame of its size: what it is once everything around it is cut away."""
        return Box(x=0, y=0, width=self.width, height=self.height)

    def turned(self, turns: int, width: int, height: int) -> Box:
        """Where it lies after counter-clockwise quarter ``turns`` of its frame of ``width`` x ``height``."""
        box = self
        for _ in range(turns % 4):
            box = Box(x=box.y, y=width - box.x - box.width, width=box.height, height=box.width)
            width, height = height, width
        return box

    def scaled(self, size: tuple[int, int], to: tuple[int, int]) -> Box:
        """Where it lies when its frame goes from ``size`` to ``to`` (width, height), to the nearest pixel."""
        across, down = to[0] / size[0], to[1] / size[1]
        x, y = round(self.x * across), round(self.y * down)
        right = round((self.x + self.width) * across)
        bottom = round((self.y + self.height) * down)
        return Box(x=x, y=y, width=right - x, height=bottom - y)


class BarWatch:
    """Looks at a frame every ``LOOK_S`` of a file that is decoded from front to back."""

    def __init__(self) -> None:
        from av.video.reformatter import VideoReformatter

        self.size = (0, 0)
        self.turns = 0
        self._converter: VideoReformatter = VideoReformatter()
        self._index = -1
        self._due = -np.inf
        self._looks: list[int] = []
        self._bars = Rows()

    def __call__(self, frame: av.VideoFrame, time_s: float) -> None:
        """Take the next frame of the file, whole, shown at ``time_s`` seconds."""
        self._index += 1
        self.size = (frame.width, frame.height)
        if time_s >= self._due:
            self._due = time_s + LOOK_S
            self.turns = round(frame.rotation) % 360 // 90
            self._looks.append(self._index)
            self._bars.add(frame_bars(frame, self._converter)[None])

    def result(self) -> tuple[np.ndarray, np.ndarray]:
        """Numbers of the frames looked at, int64 (m,), and their bars, float32 (m, 12)."""
        return np.array(self._looks, dtype=np.int64), self._bars.array().reshape(-1, COLUMNS)


def frame_bars(frame: av.VideoFrame, converter: VideoReformatter) -> np.ndarray:
    """Bars of one decoded frame, float32 (12,) as ``luma_bars``."""
    name = frame.format.name
    full = name.startswith("yuvj") or int(frame.color_range) == 2
    if name not in _DIRECT:
        frame = converter.reformat(
            frame, frame.width, frame.height, "yuv420p", dst_color_range="MPEG", threads=1
        )
        full = False
    plane = frame.planes[0]
    luma = np.frombuffer(plane, np.uint8).reshape(-1, plane.line_size)
    return luma_bars(luma[: frame.height, : frame.width], black=0 if full else 16)


def luma_bars(luma: np.ndarray, black: int = 16) -> np.ndarray:
    """Bars of a picture uint8 (h, w): float32 (12,), see ``COLUMNS``; NaN when all of it is black."""
    out = np.zeros(COLUMNS, dtype=np.float32)
    lines = (luma[0], luma[-1], luma[:, 0], luma[:, -1])
    dark = black + DARK
    if any(int(line.max()) <= dark for line in lines):
        lit = np.flatnonzero(luma.max(axis=1) > dark)
        if len(lit) == 0:
            return np.full(COLUMNS, np.nan, dtype=np.float32)
        rows = int(lit[0]), int(lit[-1]) + 1
        lit = np.flatnonzero(luma[rows[0] : rows[1]].max(axis=0) > dark)
        columns = int(lit[0]), int(lit[-1]) + 1
        inner = luma[:, columns[0] : columns[1]]
        out[0], out[4] = _edge(inner, rows[0])
        out[1], out[5] = _edge(inner[::-1], len(luma) - rows[1])
        inner = luma[rows[0] : rows[1]].T
        out[2], out[6] = _edge(inner, columns[0])
        out[3], out[7] = _edge(inner[::-1], luma.shape[1] - columns[1])
    elif _flat(luma[0], luma[-1]):
        out[8:10] = _plain(luma)
    elif _flat(luma[:, 0], luma[:, -1]):
        out[10:] = _plain(luma.T)
    return out


def _edge(lines: np.ndarray, first: int) -> tuple[int, float]:
    """Size of the bar above a picture whose first bright line is ``first``, and how sharply it ends, in [0, 1].

    Compression rings a little across the edge: the bar ends where the mean of the lines leaps most.
    """
    if first == 0:
        return 0, 0.0
    start = max(0, first - 3)
    near = lines[start : first + 5].astype(np.int16)
    means = np.minimum(near, 96).mean(1)
    if len(means) < 2:
        return first, 0.0
    at = int(np.argmax(np.diff(means))) + 1
    inside = near[at : at + 2].max(0)
    return start + at, float((inside - near[at - 1] >= STEP).mean())


def _flat(*lines: np.ndarray) -> bool:
    """Whether lines of pixels have one level, the same in all."""
    return max(int(line.max()) for line in lines) - min(int(line.min()) for line in lines) <= FLAT


def _plain(lines: np.ndarray) -> tuple[int, int]:
    """Sizes of plain bars above and below of lines (h, w): both, equal and sharp over most of the width, or none."""
    level = int(np.median(lines[0]))
    uneven = np.maximum(lines.max(1) - np.int16(level), np.int16(level) - lines.min(1)) > FLAT
    inside = np.flatnonzero(uneven)
    if len(inside) == 0:
        return 0, 0
    sizes = []
    for each, first in ((lines, int(inside[0])), (lines[::-1], len(lines) - 1 - int(inside[-1]))):
        best = (0.0, first)
        for at in range(max(1, first - 1), min(first + 4, len(lines) - 1)):
            differs = np.abs(each[at].astype(np.int16) - level) >= STEP
            share = float(differs.mean())
            if share >= PLAIN_SHARP:
                best = (share, at)
                break
        sizes.append(best[1] if best[0] else 0)
    same = abs(sizes[0] - sizes[1]) <= max(2, 0.01 * len(lines))
    first, second = sizes
    # lines of a grid are no edges of a picture: behind them the ground goes on
    inner = uneven[first : 2 * first].all() and uneven[::-1][second : 2 * second].all()
    large = min(sizes) >= LEAST_PLAIN * len(lines)
    return (first, second) if large and same and inner else (0, 0)


def picture_boxes(clips: list[np.ndarray], width: int, height: int) -> list[Box | None]:
    """The picture inside the bars of every clip of a source, as ``picture_box``.

    A clip too dark to show where its bars end has those that most other clips have, if nothing shows inside them.
    """
    whole = Box(x=0, y=0, width=width, height=height)
    boxes = [picture_box(bars, width, height) for bars in clips]
    cut = Counter(box for box in boxes if box not in (None, whole))
    if not cut:
        return boxes
    usual, times = cut.most_common(1)[0]
    assert usual is not None
    sizes = (
        *(usual.y, height - usual.y - usual.height),
        *(usual.x, width - usual.x - usual.width),
    )
    return [
        usual if box == whole and times > 1 and _hides(bars, sizes) else box
        for box, bars in zip(boxes, clips, strict=True)
    ]


def _hides(bars: np.ndarray, sizes: tuple[int, ...]) -> bool:
    """Whether nothing shows in bars of these ``sizes`` in any frame; ``bars`` as for ``picture_box``."""
    seen = bars[np.isfinite(bars[:, 0]), :4]
    # where a bar does not end sharply, its size is how far the dark reaches
    return bool((seen >= np.array(sizes) - 2).all())


def picture_box(bars: np.ndarray, width: int, height: int) -> Box | None:
    """The picture inside the bars of one clip.

    Args:
        bars: float32 (n, 12) of its frames, as ``luma_bars``; NaN rows say nothing.
        width: Of the frames, pixels.
        height: Of the frames, pixels.

    Returns:
        The box; the whole frame when there are no bars; None when nothing could be seen, as in the dark.
    """
    seen = bars[np.isfinite(bars[:, 0])]
    if len(seen) == 0:
        return None
    top, bottom = _pair(seen[:, 0:2], seen[:, 4:6])
    left, right = _pair(seen[:, 2:4], seen[:, 6:8])
    if not any((top, bottom, left, right)):
        top, bottom, left, right = _steady(seen[:, 8:])
    box = Box(x=left, y=top, width=width - left - right, height=height - top - bottom)
    if box.width < LEAST_PICTURE * width or box.height < LEAST_PICTURE * height:
        return Box(x=0, y=0, width=width, height=height)
    return box


def _pair(sizes: np.ndarray, sharp: np.ndarray) -> tuple[int, int]:
    """Sizes of two opposite black bars over the frames of a clip, from (n, 2) sizes and sharpness of each."""
    found, edges = zip(*(_one(sizes[:, k], sharp[:, k]) for k in range(2)), strict=True)
    equal = abs(found[0] - found[1]) <= 2 and min(edges) >= PAIRED
    first, second = (
        size if size >= LEAST_BAR and (edge >= SHARP or equal) else 0
        for size, edge in zip(found, edges, strict=True)
    )
    return first, second


def _one(sizes: np.ndarray, sharp: np.ndarray) -> tuple[int, float]:
    """Size of one bar, and how sharply it ends where it does so best; 0 when something shows inside it."""
    clear = sharp >= PAIRED
    if not clear.any():
        return 0, 0.0
    size = Counter(sizes[clear].astype(int).tolist()).most_common(1)[0][0]
    if sizes.min() < size - 2:
        return 0, 0.0
    return size, float(sharp[np.abs(sizes - size) <= 1].max())


def _steady(plain: np.ndarray) -> tuple[int, int, int, int]:
    """Plain bars (n, 4) that every frame of a clip has alike, else none."""
    low, high = plain.min(0), plain.max(0)
    if low.max() < LEAST_BAR or (high - low).max() > 1:
        return 0, 0, 0, 0
    top, bottom, left, right = (int(size) for size in np.median(plain, axis=0))
    return top, bottom, left, right
