"""The strict judge: every frame of a video of the world on its own, held against all that its caption claims.

A frame is right when it shows each claimed object once, whole shapes right and of a steady size, and nothing else: no
intruder, no double, no ghost. An object may be missing only while another stands where it must be. A video is right
when all its frames are, and motion, speed, start, size, camera, ground, light, and brightness are as claimed, with no
jump. ``benchmarks/strict_judge.py`` judges the judge: planted faults that it finds, rendered truth that it passes.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pipeline.world.blobs import Blob, FrameView, unit_area, view_frame
from pipeline.world.camera import read_camera
from pipeline.world.captions import PLACES
from pipeline.world.claims import Claims, ObjectClaim
from pipeline.world.ground import LIT, GroundView, gains, view_grounds
from pipeline.world.judge import check_video, grow, path_motion, prepare
from pipeline.world.scene import BOUNCE, COLOURS, DIRECTIONS, QUICK, SIZES, SLOW

FRAME_FAULTS = ("missing", "shape", "size", "intruder", "double", "ghost")
"""What can be wrong with a frame; shares of frames, and none of them in a frame that is right."""
MARKS = ("motion", "speed", "start", "size", "camera", "ground", "light", "steady", "no_jump")
"""What is judged of a whole video."""
SIZE_STEP = float(np.log(1.22))
"""Largest step of a frame's size from the video's, natural log of radius: size classes are 1.3 apart."""
SIZE_EDGES = {"small": (0.100, 0.157), "medium": (0.157, 0.205), "large": (0.205, 0.300)}
"""Radii taken for each size, fractions of the shorter side: up to the middle between two classes."""
SPEEDS = {"slowly": (0.65 * SLOW[0], 0.18), "quickly": (0.18, 1.25 * QUICK[1])}
BOUNCE_SPEEDS = (0.7 * BOUNCE[0], 1.25 * BOUNCE[1])
"""Speeds taken for each word, frame fractions a second."""
JUMP = 0.045
"""Frame fraction by which a step may exceed what the fastest claimed motion covers."""
HIDDEN = 0.93
"""Least size, relative to the trend, of an object that is not whole and still tells where it is."""
START = 0.05
"""Frame fraction by which a start may lie outside its third of the frame."""
TEXTURE_RUN = 3
"""Frames in a row whose texture is misread before it counts: a thin grid in a small frame may pass for clouds once."""
FLICKER = 0.07
"""Largest relative step of brightness from one frame to the next."""


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """What the strict judge found in one video; arrays have one entry per frame looked at."""

    faults: dict[str, np.ndarray]
    """Name of ``FRAME_FAULTS`` -> bool (T,)."""
    ground_frames: np.ndarray
    """bool (T,): the ground's colour and texture are as claimed."""
    identity_changes: int
    """How often an object's shape differs from the one it had when it was last seen whole."""
    jumps: int
    marks: dict[str, bool]
    """Name of ``MARKS`` -> as claimed; a mark of which the caption says nothing is missing."""
    objects: tuple[dict[str, bool], ...]
    """For each claimed object: ``colour`` (it shows in every frame, or is hidden), ``shape`` (right in every frame that
    shows it whole), and those of ``motion``, ``speed``, ``start``, ``size`` that are claimed."""

    @property
    def right_frames(self) -> np.ndarray:
        """bool (T,): frames without any fault."""
        return ~np.any(list(self.faults.values()), axis=0)

    @property
    def every_frame(self) -> bool:
        """Every frame is right."""
        return bool(self.right_frames.all())

    @property
    def right(self) -> bool:
        """Every frame is right, and so is the video as a whole."""
        return self.every_frame and all(self.marks.values())

    @property
    def score(self) -> float:
        """How right the video is, in [0, 1]; 1 only where it is right: the mean of the share of right frames, the share
        of marks as claimed, and 1 for a video that is right."""
        marks = sum(self.marks.values()) / max(1, len(self.marks))
        return (float(self.right_frames.mean()) + marks + float(self.right)) / 3

    def reasons(self) -> list[str]:
        """What is wrong, in words: ``shape in 3 of 17 frames``, ``speed``; empty when all is right."""
        total = len(self.right_frames)
        out = [
            f"{name} in {int(found.sum())} of {total} frames"
            for name, found in self.faults.items()
            if found.any()
        ]
        return out + [name.replace("_", " ") for name, right in self.marks.items() if not right]


@dataclass(frozen=True, kw_only=True)
class _Path:
    """One claimed object over time; NaN and None where it does not show."""

    claim: ObjectClaim
    blobs: list[Blob | None]
    x: np.ndarray
    y: np.ndarray
    """Centre as frame fractions."""
    size: np.ndarray
    """Radius by its area, fractions of the shorter side, taken for an object of the claimed shape."""
    whole: np.ndarray
    """bool (T,): its outline can be read."""

    def placed(self, trend: np.ndarray) -> np.ndarray:
        """Indices of the frames that tell where it is: it is whole, or hardly anything of it is hidden."""
        full = np.nan_to_num(self.size) >= HIDDEN * np.exp(trend)
        return np.nonzero(self.whole | full)[0]


def judge_strictly(frames: np.ndarray, fps: float, claims: Claims) -> Verdict:
    """Hold uint8 RGB ``frames`` (T, H, W, 3) against the claims of a caption.

    Raises ``ValueError`` for another kind of array and for claims without an object.
    """
    check_video(frames, "judge_strictly")
    if not claims.objects:
        raise ValueError('the caption names no object, such as "a red circle"')
    video, rate = prepare(frames, fps)
    views = [view_frame(frame) for frame in video]
    covered = np.stack([view.covered for view in views])
    grounds = view_grounds(video, covered)
    paths = [_follow(claim, views, video.shape) for claim in claims.objects]
    faults = _frame_faults(paths, views)
    for path in paths:
        faults["size"] |= _size_faults(path, claims.camera)
    ground_frames = _ground_frames(grounds, claims)
    jumps = sum(_jumps(path, claims.camera, rate) for path in paths)
    objects = tuple(_object_marks(path, claims, views, rate) for path in paths)
    marks = {
        name: all(found[name] for found in objects if name in found)
        for name in ("motion", "speed", "start", "size")
        if any(name in found for found in objects)
    }
    marks["no_jump"] = jumps == 0
    if claims.background is not None or claims.texture is not None:
        marks["ground"] = bool(ground_frames.all())
    if claims.light is not None:
        marks["light"] = claims.light == _light(video, views, grounds)
    marks["steady"] = bool(np.all(np.abs(np.log(gains(grounds))) < FLICKER))
    if claims.camera is not None and len(video) > 1:
        marks["camera"] = read_camera(video, covered, rate) == claims.camera
    return Verdict(
        faults=faults,
        ground_frames=ground_frames,
        identity_changes=sum(_identity_changes(path) for path in paths),
        jumps=jumps,
        marks={name: marks[name] for name in MARKS if name in marks},
        objects=objects,
    )


def _follow(claim: ObjectClaim, views: list[FrameView], shape: tuple[int, ...]) -> _Path:
    """The blob of the claim's colour in each frame: of several the one nearest to where it was, first the largest."""
    height, width = shape[1:3]
    blobs: list[Blob | None] = []
    last: Blob | None = None
    for view in views:
        mine = [blob for blob in view.blobs if blob.colour == claim.colour]
        if len(mine) > 1 and last is not None:
            was = last
            mine.sort(key=lambda blob: (blob.x - was.x) ** 2 + (blob.y - was.y) ** 2)
        blobs.append(mine[0] if mine else None)
        last = blobs[-1] or last
    nan = float("nan")
    unit = unit_area(claim.shape) ** 0.5 * min(height, width)
    return _Path(
        claim=claim,
        blobs=blobs,
        x=np.array([blob.x / width if blob else nan for blob in blobs]),
        y=np.array([blob.y / height if blob else nan for blob in blobs]),
        size=np.array([blob.area**0.5 / unit if blob else nan for blob in blobs]),
        whole=np.array([blob is not None and blob.whole for blob in blobs]),
    )


def _frame_faults(paths: list[_Path], views: list[FrameView]) -> dict[str, np.ndarray]:
    """Faults that one frame shows; ``size`` is left empty."""
    faults = {name: np.zeros(len(views), bool) for name in FRAME_FAULTS}
    claimed = {path.claim.colour for path in paths}
    for t, view in enumerate(views):
        colours = [blob.colour for blob in view.blobs]
        faults["intruder"][t] = any(colour not in claimed for colour in colours)
        faults["double"][t] = any(colours.count(colour) > 1 for colour in claimed)
        faults["ghost"][t] = view.ghosts > 0
        for path in paths:
            blob = path.blobs[t]
            if blob is None:
                faults["missing"][t] |= not _is_hidden(path, view, t)
            elif blob.whole and blob.shape != path.claim.shape:
                faults["shape"][t] = True
    return faults


def _is_hidden(path: _Path, view: FrameView, t: int) -> bool:
    """Whether another object stands where the missing one must be: between its sightings, or on its way beyond them."""
    seen = np.nonzero(~np.isnan(path.x))[0]
    if len(seen) == 0:
        return False
    height, width = view.covered.shape
    x = int(np.clip(_expected(path, path.x, seen, t) * width, 0, width - 1))
    y = int(np.clip(_expected(path, path.y, seen, t) * height, 0, height - 1))
    reach = 3 + min(height, width) // 32
    return any(
        bool(grow(blob.mask, reach)[y, x])
        for blob in view.blobs
        if blob.colour != path.claim.colour
    )


def _expected(path: _Path, centre: np.ndarray, seen: np.ndarray, t: int) -> float:
    """Coordinate at frame ``t``: a straight line between sightings; beyond them the object goes on if it claims to."""
    near = seen[0] if t < seen[0] else seen[-1]
    if seen[0] < t < seen[-1] or path.claim.motion not in DIRECTIONS or path.whole.sum() < 2:
        return float(np.interp(t, seen, centre[seen]))
    whole = np.nonzero(path.whole)[0]
    return float(centre[near] + _robust_slope(whole, centre[whole]) * (t - near))


def _trend(path: _Path, camera: str | None) -> np.ndarray:
    """Natural log of the radius that each frame should have: a zoom's straight line, else the median; NaN if unseen."""
    times = np.nonzero(path.whole)[0]
    count = len(path.size)
    if len(times) == 0:  # what is hidden looks smaller, so the largest sighting is nearest
        largest = np.nanmax(path.size, initial=0.0)
        return np.full(count, np.log(largest) if largest > 0 else np.nan)
    sizes = np.log(path.size[times])
    if camera is not None and camera.startswith("zoom") and len(times) >= 4:
        slope = _robust_slope(times, sizes)
        return np.median(sizes - slope * times) + slope * np.arange(count)
    return np.full(count, np.median(sizes))


def _robust_slope(times: np.ndarray, values: np.ndarray) -> float:
    """Theil-Sen slope: the median over all pairs, which a third of bad frames does not move."""
    first, second = np.triu_indices(len(times), 1)
    return float(np.median((values[second] - values[first]) / (times[second] - times[first])))


def _size_faults(path: _Path, camera: str | None) -> np.ndarray:
    """Frames in which an object is off the video's trend; one that is not whole can only be too large."""
    off = np.log(np.nan_to_num(path.size, nan=1.0)) - _trend(path, camera)
    return ~np.isnan(path.size) & ((off > SIZE_STEP) | (path.whole & (off < -SIZE_STEP)))


def _light(video: np.ndarray, views: list[FrameView], grounds: list[GroundView]) -> str:
    """Where the light comes from: by the slope of the ground, but by the objects where clouds shade the ground."""
    textures = [ground.texture for ground in grounds]
    if textures.count("clouds") * 2 > len(textures):
        found = _light_on_objects(video, views)
        if found is not None:
            return found
    tilt = float(np.median([ground.tilt for ground in grounds]))
    return "left" if tilt < -LIT else "right" if tilt > LIT else "even"


def _light_on_objects(video: np.ndarray, views: list[FrameView]) -> str | None:
    """The light under which the objects' colours are nearest to what they should be; None without an object."""
    at, ratios = [], []
    for frame, view in zip(video, views, strict=True):
        for blob in view.blobs:
            inner = ~grow(~blob.mask, 1)
            shade = frame[inner].mean(axis=-1) / np.mean(COLOURS[blob.colour])
            at.append((np.nonzero(inner)[1] + 0.5) / frame.shape[1])
            ratios.append(shade)
    if not at or not sum(map(len, at)):
        return None
    x, ratio = np.concatenate(at), np.concatenate(ratios)
    lights = {"even": np.ones_like(x), "left": 1.08 - 0.36 * x, "right": 0.72 + 0.36 * x}
    return min(lights, key=lambda name: float(np.mean(np.abs(ratio - lights[name]))))


def _ground_frames(grounds: list[GroundView], claims: Claims) -> np.ndarray:
    """Frames whose ground is as claimed; a texture must be misread ``TEXTURE_RUN`` times in a row to be wrong."""
    colour = np.array(
        [
            claims.background in (None, ground.background) or ground.background is None
            for ground in grounds
        ]
    )
    if claims.texture is None:
        return colour
    off = np.array([ground.texture not in (None, claims.texture) for ground in grounds])
    run = min(TEXTURE_RUN, len(off))
    wrong = np.zeros(len(off), bool)
    for start in range(len(off) - run + 1):
        wrong[start : start + run] |= off[start : start + run].all()
    return colour & ~wrong


def _jumps(path: _Path, camera: str | None, fps: float) -> int:
    """Steps from sighting to sighting that are longer than the claimed motion can take."""
    claim = path.claim
    if claim.motion is None:
        return 0
    fastest = {"still": 0.0, "bounce_h": BOUNCE_SPEEDS[1], "bounce_v": BOUNCE_SPEEDS[1]}.get(
        claim.motion, SPEEDS[claim.speed or "quickly"][1]
    )
    at = path.placed(_trend(path, camera))
    steps = np.hypot(np.diff(path.x[at]), np.diff(path.y[at]))
    return int(np.sum(steps > fastest * np.diff(at) / fps + JUMP))


def _identity_changes(path: _Path) -> int:
    shapes = [blob.shape for blob in path.blobs if blob is not None and blob.whole]
    return sum(a != b for a, b in zip(shapes, shapes[1:], strict=False))


def _object_marks(
    path: _Path, claims: Claims, views: list[FrameView], fps: float
) -> dict[str, bool]:
    claim, at = path.claim, path.placed(_trend(path, claims.camera))
    seen = [blob for blob in path.blobs if blob is not None]
    found = {
        "colour": all(
            blob is not None or _is_hidden(path, view, t)
            for t, (blob, view) in enumerate(zip(path.blobs, views, strict=True))
        ),
        "shape": bool(seen) and all(b.shape == claim.shape for b in seen if b.whole),
        "motion": None if claim.motion is None else _moves_as(path, at, fps),
        "speed": None if claim.motion is None else _is_as_fast(path, at, fps),
        "start": None if claim.place is None else _starts_at(path),
        "size": None if claim.size is None else _is_as_large(path, claims.camera),
    }
    return {name: right for name, right in found.items() if right is not None}


def _moves_as(path: _Path, at: np.ndarray, fps: float) -> bool:
    if len(at) < 2:
        return False
    return path_motion(path.x[at], path.y[at], (at[-1] - at[0]) / fps) == path.claim.motion


def _is_as_fast(path: _Path, at: np.ndarray, fps: float) -> bool:
    motion = path.claim.motion
    if motion == "still":
        return True
    if motion in ("bounce_h", "bounce_v"):
        low, high = BOUNCE_SPEEDS
    elif path.claim.speed:
        low, high = SPEEDS[path.claim.speed]
    else:
        low, high = SPEEDS["slowly"][0], SPEEDS["quickly"][1]
    along = (path.x if motion in ("left", "right", "bounce_h") else path.y)[at]
    near = np.diff(at) == 1
    if len(at) < 2:
        return False
    if not near.any():
        return True  # never twice in a row: nothing to measure
    speed = float(np.median(np.abs(np.diff(along)[near]))) * fps
    return low <= speed <= high


def _starts_at(path: _Path) -> bool:
    """Whether the first sighting lies in the claimed third; one that comes late or cut may lie further off."""
    seen = np.nonzero(~np.isnan(path.x))[0]
    if len(seen) == 0:
        return False
    first = seen[0]
    row, column = next(
        (r, c)
        for r, names in enumerate(PLACES)
        for c, name in enumerate(names)
        if name == path.claim.place
    )
    slack = START + 0.1 * first + (0 if path.whole[first] else 0.05)
    return all(
        third / 3 - slack <= at <= (third + 1) / 3 + slack
        for third, at in ((column, path.x[first]), (row, path.y[first]))
    )


def _is_as_large(path: _Path, camera: str | None) -> bool:
    low, high = SIZE_EDGES[path.claim.size or "small"]
    size = float(np.exp(_trend(path, camera)[len(path.size) // 2]))
    if not path.whole.any():  # then it may be larger than it looks
        return not size > high
    return low <= size <= high


assert set(SIZE_EDGES) == set(SIZES)
