"""One frame of the world as blobs: connected components of saturated colour, each with its shape, and faint ghosts.

Nothing here looks at another frame, so nothing can be averaged away: a wrong shape in one frame is one wrong blob.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np

from pipeline.world.judge import MIN_AREA, chroma_of, grow, hue_names, is_vivid
from pipeline.world.outline import nearest_shape, on_grid
from pipeline.world.render import signed_distance
from pipeline.world.scene import COLOUR_NAMES

FRINGE_SHARE = 0.4
"""A component smaller than this share of a neighbour that it lies along is that neighbour's fringe."""
FRINGE_PIXELS = 2
GHOST_CHROMA = 30.0
"""Least distance of a ghost's chroma from the ground's, 8-bit levels of the two opponent channels."""
GHOST_MARGIN = 4
"""Pixels around an object in which nothing counts as a ghost: blur and codec leave colour there."""
TOUCH = 2
"""Pixels between two objects within which neither shows its whole outline."""
CUT_COVERAGE = 0.85
"""Coverage of pixels on the frame's border from which an object is cut off; one that only comes near covers less."""


@dataclass(frozen=True, kw_only=True)
class Blob:
    """One connected component of one colour in one frame."""

    colour: str
    shape: str
    x: float
    y: float
    """Centre in pixels."""
    area: float
    """Soft area in pixels."""
    whole: bool
    """Away from the frame's edge and from every other object, so that its outline can be read."""
    mask: np.ndarray
    """bool (H, W)."""

    @property
    def radius(self) -> float:
        """Radius in pixels of the object of this shape that covers this area."""
        return (self.area / unit_area(self.shape)) ** 0.5


@dataclass(frozen=True, kw_only=True)
class FrameView:
    """What one frame shows."""

    blobs: tuple[Blob, ...]
    ghosts: int
    """Faint patches of colour, as large as an object, away from every object."""
    covered: np.ndarray
    """bool (H, W): all that an object or its blurred edge covers."""


@cache
def unit_area(shape: str) -> float:
    """Area of a shape of radius 1."""
    axis = (np.arange(800, dtype=np.float32) + 0.5) / 400 - 1
    x, y = np.meshgrid(axis * 1.25, axis * 1.25)
    return float((signed_distance(shape, x, y, np.float32(1)) < 0).mean() * 2.5**2)


def components(mask: np.ndarray) -> list[np.ndarray]:
    """Connected components (8 neighbours) of a bool (H, W) mask, largest first."""
    if not mask.any():
        return []
    import cv2

    count, labels = cv2.connectedComponents(mask.astype(np.uint8), connectivity=8)
    parts = [labels == number for number in range(1, count)]
    return sorted(parts, key=lambda part: -int(part.sum()))


def view_frame(frame: np.ndarray) -> FrameView:
    """Blobs and ghosts of one float32 RGB frame (H, W, 3)."""
    least = max(4.0, MIN_AREA * min(frame.shape[:2]) ** 2)
    vivid = is_vivid(frame)
    chroma = chroma_of(frame)
    names = np.where(vivid, hue_names(chroma), -1)
    ground = np.median(chroma[~vivid], axis=0) if (~vivid).any() else np.zeros(2)
    relative = chroma - ground.astype(np.float32)
    found = [
        (index, part)
        for index in range(len(COLOUR_NAMES))
        for part in components(names == index)
        if part.sum() >= least
    ]
    found = [item for item in found if not _is_fringe(item[1], [m for _, m in found])]
    blobs = _blobs(found, relative, names)
    covered = np.zeros(vivid.shape, bool)
    for blob in blobs:
        covered |= blob.mask
    near = grow(covered, GHOST_MARGIN)
    faint = (np.linalg.norm(relative, axis=-1) > GHOST_CHROMA) & ~near
    ghosts = sum(part.sum() >= least for part in components(faint))
    return FrameView(blobs=blobs, ghosts=int(ghosts), covered=grow(covered, 2) | vivid)


def _is_fringe(mask: np.ndarray, others: list[np.ndarray]) -> bool:
    """Whether a component is only the blurred edge of a larger one."""
    size = mask.sum()
    return any(
        size < FRINGE_SHARE * other.sum() and (mask & grow(other, FRINGE_PIXELS)).sum() > 0.7 * size
        for other in others
        if other is not mask
    )


def _blobs(
    found: list[tuple[int, np.ndarray]], relative: np.ndarray, names: np.ndarray
) -> tuple[Blob, ...]:
    """Components with their centre, soft area and shape; pieces of one object that another cuts are one."""
    merged: list[tuple[int, np.ndarray]] = []
    for index, mask in found:
        for place, (other_index, other) in enumerate(merged):
            if index == other_index and _cut_apart(
                mask, other, [m for i, m in found if i != index]
            ):
                merged[place] = (index, other | mask)
                break
        else:
            merged.append((index, mask))
    height, width = names.shape
    ys, xs = np.mgrid[:height, :width].astype(np.float32)
    blobs = []
    for index, mask in merged:
        window = grow(mask, 3)
        core = np.median(relative[mask], axis=0)
        share = relative @ core / max(1e-6, float(core @ core))
        share = share / max(0.5, float(np.quantile(share[mask], 0.75)))
        mine = window & ((names == index) | (names < 0))
        alpha = np.where(mine & (share > 0.08), np.clip(share, 0, 1.5), 0)
        area = float(alpha.sum())
        if area <= 0:  # its colours cancel out, as in noise: it covers what it was found in
            alpha = mask.astype(alpha.dtype)
            area = float(alpha.sum())
        x, y = float((alpha * xs).sum() / area + 0.5), float((alpha * ys).sum() / area + 0.5)
        others = np.zeros(mask.shape, bool)
        for _, other in merged:
            if other is not mask:
                others |= other
        border = np.concatenate([alpha[0], alpha[-1], alpha[:, 0], alpha[:, -1]])
        blobs.append(
            Blob(
                colour=COLOUR_NAMES[index],
                shape=nearest_shape(on_grid(alpha, x, y, area), area**0.5),
                x=x,
                y=y,
                area=area,
                whole=int((border > CUT_COVERAGE).sum()) <= 1
                and not (grow(mask, TOUCH) & others).any(),
                mask=mask,
            )
        )
    return tuple(sorted(blobs, key=lambda blob: -blob.area))


def _cut_apart(a: np.ndarray, b: np.ndarray, others: list[np.ndarray]) -> bool:
    """Whether one other object touches both pieces: it passes in front of them."""
    near_a, near_b = grow(a, TOUCH), grow(b, TOUCH)
    return any((other & near_a).any() and (other & near_b).any() for other in others)
