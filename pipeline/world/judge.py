"""Read a video of the world back into attributes, by rules and not by a learned model.

Objects are saturated and grounds are not, so: find pixels of strong chroma, name them by hue, follow each hue's centre
over time (motion), compare its mask with the six shapes on a common grid (shape), and register the rest of the picture
from frame to frame (camera). Made to bear H.264, the blur of a VAE and mild faults of generated video; it says what it
sees, not whether the video is any good. ``benchmarks/judge.py`` states its error.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pipeline.world.camera import read_camera
from pipeline.world.captions import Attributes
from pipeline.world.outline import nearest_shape, on_grid
from pipeline.world.scene import BACKGROUNDS, COLOUR_NAMES, COLOURS, SLOW, Scene

MAX_FRAMES = 40
"""Frames looked at; longer videos are thinned evenly."""
WORK_SIDE = 96
"""Frames with a shorter side of twice this or more are averaged down, by whole factors."""
MIN_CHROMA = 55.0
"""Least chroma (largest minus smallest channel, 8-bit levels) of an object's pixel."""
MIN_SATURATION = 0.36
MIN_AREA = 0.009
"""Least area of an object, in squared shorter sides: half of a small triangle, zoomed out."""
MIN_PRESENCE = 0.3
"""Least share of frames in which an object must show."""
FRINGE_SHARE = 0.4
"""A colour smaller than this share of one that it always touches is that one's fringe, not an object."""
TURN = 0.07
"""Frame fraction by which a path must come back to count as a bounce."""


@dataclass(frozen=True, kw_only=True)
class Track:
    """One colour followed over time; arrays have one entry per frame looked at."""

    colour: str
    mask: np.ndarray
    """bool (T, H, W): pixels of this hue near its centre."""
    area: np.ndarray
    """Soft area in pixels."""
    x: np.ndarray
    y: np.ndarray
    """Centre in pixels; NaN where it does not show."""
    alpha: np.ndarray
    """float32 (T, H, W): coverage, 1 where the colour is full (noise may exceed it)."""


def check_video(frames: np.ndarray, by: str) -> None:
    """``ValueError`` for an array that is no video (T, H, W, 3), or an empty one; ``by`` is who takes it."""
    if frames.ndim != 4 or frames.shape[-1] != 3 or 0 in frames.shape:
        raise ValueError(f"{by} takes a non-empty RGB array (T, H, W, 3), got shape {frames.shape}")


def judge(frames: np.ndarray, fps: float) -> Attributes:
    """Attributes seen in uint8 RGB ``frames`` (T, H, W, 3); objects largest first; no motion in one frame."""
    check_video(frames, "judge")
    video, rate = prepare(frames, fps)
    tracks = find_tracks(video)
    still = len(video) == 1
    objects = tuple(
        (
            track.colour,
            read_shape(track, [t for t in tracks if t is not track]),
            None if still else read_motion(track, rate),
        )
        for track in tracks
    )
    covered = np.zeros(video.shape[:3], bool)
    for track in tracks:
        covered |= track.mask | (track.alpha > 0.1)
    return Attributes(
        objects=objects,
        camera=None if still else read_camera(video, covered, rate),
        background=read_background(video, covered),
    )


def prepare(frames: np.ndarray, fps: float) -> tuple[np.ndarray, float]:
    """float32 frames thinned to ``MAX_FRAMES`` and averaged down; and their rate in frames per second."""
    count, height, width = frames.shape[:3]
    step = -(-count // MAX_FRAMES)
    video = frames[::step].astype(np.float32)
    factor = max(1, min(height, width) // WORK_SIDE)
    if factor > 1:
        high, wide = height // factor, width // factor
        video = video[:, : high * factor, : wide * factor]
        video = video.reshape(len(video), high, factor, wide, factor, 3).mean(axis=(2, 4))
    return video, fps / step


def chroma_of(video: np.ndarray) -> np.ndarray:
    """Two opponent channels of RGB, linear, zero for greys: (..., 2)."""
    red, green, blue = video[..., 0], video[..., 1], video[..., 2]
    return np.stack([(red - green) / 2**0.5, (red + green - 2 * blue) / 6**0.5], axis=-1)


def hue_names(chroma: np.ndarray) -> np.ndarray:
    """Index of the nearest palette colour by hue angle, for vectors (..., 2)."""
    palette = chroma_of(np.array(list(COLOURS.values()), np.float32))
    palette /= np.linalg.norm(palette, axis=1, keepdims=True)
    return np.argmax(chroma @ palette.T, axis=-1)


def is_vivid(video: np.ndarray) -> np.ndarray:
    """Pixels of strong colour, as those of objects are, of float32 RGB (..., 3)."""
    red, green, blue = video[..., 0], video[..., 1], video[..., 2]
    top = np.maximum(np.maximum(red, green), blue)
    low = np.minimum(np.minimum(red, green), blue)
    vivid: np.ndarray = (top - low > MIN_CHROMA) & (top - low > MIN_SATURATION * top)
    return vivid


def find_tracks(video: np.ndarray) -> list[Track]:
    """Objects of a float32 video (T, H, W, 3), largest first."""
    vivid = is_vivid(video)
    chroma = chroma_of(video)
    names = np.where(vivid & (neighbours(vivid) >= 5), hue_names(chroma), -1)
    side = min(video.shape[1:3])
    least = max(4.0, MIN_AREA * side * side)
    grounds = chroma[~vivid]
    ground = (
        np.median(grounds[:: max(1, len(grounds) // 5000)], axis=0) if len(grounds) else np.zeros(2)
    )
    tracks = []
    for index, colour in enumerate(COLOUR_NAMES):
        mask = names == index
        counts = mask.sum(axis=(1, 2))
        if np.mean(counts >= least) < MIN_PRESENCE:
            continue
        track = _follow(colour, mask, chroma - ground.astype(np.float32), names, least)
        if np.mean(track.area >= least) >= MIN_PRESENCE:
            tracks.append(track)
    tracks = [
        t for t in tracks if not any(is_fringe(t, other) for other in tracks if other is not t)
    ]
    return sorted(tracks, key=lambda t: -float(np.median(t.area[t.area > 0])))


def _follow(
    colour: str, mask: np.ndarray, chroma: np.ndarray, names: np.ndarray, least: float
) -> Track:
    """Centre, area and soft coverage of one hue in every frame."""
    count, height, width = mask.shape
    ys, xs = np.mgrid[:height, :width].astype(np.float32)
    index = COLOUR_NAMES.index(colour)
    near = np.zeros_like(mask)
    alpha = np.zeros(mask.shape, np.float32)
    x = np.full(count, np.nan)
    y = np.full(count, np.nan)
    area = np.zeros(count)
    for t in range(count):
        rows, columns = np.nonzero(mask[t])
        if len(rows) < least / 2:
            continue
        reach = 1.7 * len(rows) ** 0.5 + 2
        window = np.hypot(ys - np.median(rows), xs - np.median(columns)) <= reach
        near[t] = mask[t] & window
        if not near[t].any():
            continue
        core = np.median(chroma[t][near[t]], axis=0)
        share = chroma[t] @ core / max(1e-6, float(core @ core))
        share = share / max(0.5, float(np.quantile(share[near[t]], 0.75)))
        mine = window & ((names[t] == index) | (names[t] < 0))
        alpha[t] = np.where(mine & (share > 0.08), np.clip(share, 0, 1.5), 0)
        area[t] = alpha[t].sum()
        x[t] = (alpha[t] * xs).sum() / area[t] + 0.5
        y[t] = (alpha[t] * ys).sum() / area[t] + 0.5
    return Track(colour=colour, mask=near, area=area, x=x, y=y, alpha=alpha)


def neighbours(mask: np.ndarray) -> np.ndarray:
    """How many of the 3x3 pixels around (and at) each pixel of ``mask`` (T, H, W) are set."""
    wide = np.pad(mask, ((0, 0), (1, 1), (1, 1)), mode="edge").astype(np.int8)
    rows = wide[:, :-2] + wide[:, 1:-1] + wide[:, 2:]
    return rows[:, :, :-2] + rows[:, :, 1:-1] + rows[:, :, 2:]


def grow(mask: np.ndarray, pixels: int) -> np.ndarray:
    """``mask`` (..., H, W) widened by ``pixels`` in the four directions, repeatedly."""
    out = mask.copy()
    for _ in range(pixels):
        step = out.copy()
        step[..., 1:, :] |= out[..., :-1, :]
        step[..., :-1, :] |= out[..., 1:, :]
        step[..., :, 1:] |= out[..., :, :-1]
        step[..., :, :-1] |= out[..., :, 1:]
        out = step
    return out


def is_fringe(track: Track, other: Track) -> bool:
    """Whether ``track`` is only the edge of a larger, other-coloured object."""
    mine, theirs = track.mask.sum(), other.mask.sum()
    if mine >= FRINGE_SHARE * theirs:
        return False
    return bool((track.mask & grow(other.mask, 2)).sum() > 0.7 * mine)


def read_shape(track: Track, others: list[Track]) -> str:
    """Shape whose outline is nearest to the track's mask, over the sharpest frames that show the object whole.

    A VAE smears what moves: through one, the sharpest sixth told 85 of 95 shapes, all frames together 78.
    """
    whole = whole_frames(track, others)
    edges = [edge_energy(track.alpha[t]) / track.area[t] ** 0.5 for t in whole]
    best = whole[np.argsort(edges)[::-1][: max(2, len(whole) // 6)]]
    masks = [on_grid(track.alpha[t], track.x[t], track.y[t], track.area[t]) for t in best]
    return nearest_shape(np.mean(masks, axis=0), float(np.mean(track.area[best])) ** 0.5)


def edge_energy(alpha: np.ndarray) -> float:
    """Sum of squared slopes of a coverage (H, W): large for a crisp outline."""
    return float(np.sum(np.diff(alpha, axis=0) ** 2) + np.sum(np.diff(alpha, axis=1) ** 2))


def whole_frames(track: Track, others: list[Track]) -> np.ndarray:
    """Frames that show the object away from the frame's edge and from other objects, else those that show most."""
    seen = np.nonzero(track.area > 0)[0]
    edge = track.mask.copy()
    edge[:, 1:-1, 1:-1] = False
    crossing = np.zeros(track.mask.shape, bool)
    for other in others:
        crossing |= grow(other.mask, 2)
    bad = edge.sum(axis=(1, 2)) + (crossing & track.mask).sum(axis=(1, 2))
    # a neighbour that only grazes the object does not spoil its outline
    good = seen[
        (bad[seen] <= 0.02 * track.area[seen])
        & (track.area[seen] > 0.5 * np.median(track.area[seen]))
    ]
    if len(good):
        return good
    return seen[np.argsort(bad[seen] / track.area[seen])[: max(1, len(seen) // 4)]]


def read_motion(track: Track, fps: float) -> str:
    """Motion of a track in the frame: still, a direction, or a bounce along an axis."""
    count, height, width = track.mask.shape
    seen = np.nonzero(track.area > 0.6 * np.median(track.area[track.area > 0]))[0]
    if len(seen) < 2:
        return "still"
    return path_motion(track.x[seen] / width, track.y[seen] / height, (count - 1) / fps)


def path_motion(x: np.ndarray, y: np.ndarray, duration_s: float) -> str:
    """Motion along a path of frame fractions that takes ``duration_s`` seconds."""
    x, y = smooth(x), smooth(y)
    least = float(np.clip(0.5 * SLOW[0] * duration_s, 0.03, 0.11))
    spans = float(np.ptp(x)), float(np.ptp(y))
    if max(spans) < least:
        return "still"
    path, names = (
        (x, ("bounce_h", "left", "right"))
        if spans[0] >= spans[1]
        else (y, ("bounce_v", "up", "down"))
    )
    if turns(path, TURN):
        return names[0]
    return names[1] if path[-1] < path[0] else names[2]


def smooth(path: np.ndarray) -> np.ndarray:
    """Median of three, ends kept: drops single misread frames."""
    if len(path) < 5:
        return path
    middle = np.median(np.stack([path[:-2], path[1:-1], path[2:]]), axis=0)
    return np.concatenate([path[:1], middle, path[-1:]])


def turns(path: np.ndarray, least: float) -> int:
    """How often ``path`` changes direction after moving by ``least`` and comes back by as much."""
    count, direction, low, high = 0, 0, path[0], path[0]
    for value in path[1:]:
        low, high = min(low, value), max(high, value)
        if direction >= 0 and high - value >= least:
            count += direction > 0 or high - path[0] >= least
            direction, low, high = -1, value, value
        elif direction <= 0 and value - low >= least:
            count += direction < 0 or path[0] - low >= least
            direction, low, high = 1, value, value
    return count


def read_background(video: np.ndarray, covered: np.ndarray) -> str | None:
    """Nearest ground colour to the median of what no object covers, with a light ramp taken out."""
    from pipeline.world.camera import light_ramp

    free = ~grow(covered, 2)
    if free.mean() < 0.05:
        return None
    level = video / light_ramp(video.mean(axis=-1), free)[None, None, :, None]
    pixels = level[free]
    seen = np.median(pixels[:: max(1, len(pixels) // 20000)], axis=0)
    palette = np.array(list(BACKGROUNDS.values()), np.float32)
    tint = chroma_of(palette) - chroma_of(seen)
    gap = 0.3 * np.abs(palette.mean(axis=1) - seen.mean()) + 2.0 * np.linalg.norm(tint, axis=1)
    return list(BACKGROUNDS)[int(np.argmin(gap))]


def score_against(truth: Scene | Attributes, seen: Attributes) -> dict[str, bool]:
    """Whether ``seen`` has exactly the true colours, shape of each, motion of each, and camera.

    ``colour``: the sets of colours agree. ``shape`` and ``motion``: also bound to the right colour. A truth that is
    silent on motion or camera (None) is met by anything.
    """
    true = (
        truth.objects
        if isinstance(truth, Attributes)
        else tuple((o.colour, o.shape, o.motion) for o in truth.objects)
    )
    found = {colour: (shape, motion) for colour, shape, motion in seen.objects}
    colours = {c for c, _, _ in true} == set(found) and len(true) == len(seen.objects)
    return {
        "colour": colours,
        "shape": colours and all(found[c][0] == s for c, s, _ in true),
        "motion": colours and all(m is None or found[c][1] == m for c, _, m in true),
        "camera": truth.camera is None or seen.camera == truth.camera,
    }
