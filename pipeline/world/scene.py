"""Scenes: what is in a shot of the synthetic world, exactly.

A scene holds one to three coloured objects over a muted, textured background, seen by a camera. It is independent of
frame size, frame rate and aspect: positions are fractions of the frame, radii fractions of the frame's shorter side,
speeds fractions of the frame per second. Object motion is stated *in the frame*; the camera moves the background and,
when it zooms, scales the objects. So every caption can be read off the pixels and nothing else.

    scene = random_scene(7, split="train")

Objects have saturated colours and backgrounds have little chroma: that is what lets ``judge`` read a video back
without a learned model. Some colour-shape and shape-motion pairs never occur in the train and heldout splits; only
``novel`` scenes show them.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass

import numpy as np

COLOURS: dict[str, tuple[int, int, int]] = {
    "red": (222, 38, 38),
    "orange": (242, 140, 18),
    "yellow": (236, 222, 40),
    "green": (38, 178, 58),
    "cyan": (36, 206, 216),
    "blue": (42, 78, 226),
    "purple": (142, 46, 204),
    "pink": (246, 108, 182),
}
COLOUR_NAMES = tuple(COLOURS)
SHAPES = ("circle", "square", "triangle", "diamond", "cross", "ring")
SIZES: dict[str, tuple[float, float]] = {
    "small": (0.125, 0.145),
    "medium": (0.170, 0.190),
    "large": (0.220, 0.250),
}
"""Radius ranges, as fractions of the frame's shorter side."""
BACKGROUNDS: dict[str, tuple[int, int, int]] = {
    "charcoal": (52, 52, 56),
    "grey": (126, 126, 126),
    "white": (224, 224, 221),
    "beige": (204, 190, 166),
    "slate": (92, 105, 122),
}
TEXTURES = ("plain", "dots", "checks", "grid", "clouds")
MOTIONS = ("still", "left", "right", "up", "down", "bounce_h", "bounce_v")
CAMERAS = ("static", "pan_left", "pan_right", "tilt_up", "tilt_down", "zoom_in", "zoom_out")
LIGHTS = ("even", "left", "right")
SPLITS = {"train": 0, "heldout": 1, "novel": 2}

NOVEL_COLOUR_SHAPES = frozenset({("purple", "ring"), ("cyan", "triangle"), ("orange", "cross")})
NOVEL_SHAPE_MOTIONS = frozenset({("square", "bounce_v"), ("diamond", "up")})

DIRECTIONS = {"left": (-1, 0), "right": (1, 0), "up": (0, -1), "down": (0, 1)}
SLOW = (0.10, 0.15)
QUICK = (0.22, 0.34)
BOUNCE = (0.50, 0.75)
"""Speeds in frame fractions per second; a bounce reverses at least once in two seconds."""
PAN_SPEED = (0.24, 0.36)
ZOOM_RATE = (0.18, 0.26)
"""Pan in shorter sides per second; zoom in natural-log scale per second."""


@dataclass(frozen=True, kw_only=True)
class Obj:
    """One object: its look and its path in the frame."""

    shape: str
    colour: str
    size: str
    radius: float
    """Fraction of the frame's shorter side."""
    x: float
    y: float
    """Centre at time 0, as fractions of width and height, origin top left."""
    vx: float
    vy: float
    """Frame fractions per second."""
    motion: str
    speed: str
    """``slowly``, ``quickly`` or empty (still objects and bounces)."""


@dataclass(frozen=True, kw_only=True)
class Scene:
    """Everything that determines the pixels of a shot."""

    seed: int
    objects: tuple[Obj, ...]
    """Largest first; front-most last in drawing order is the largest as well."""
    background: str
    texture: str
    camera: str
    camera_speed: float
    light: str
    duration_s: float
    texture_period: float
    """Fraction of the shorter side."""

    def to_dict(self) -> dict:
        """Plain JSON-ready form; ``Scene.from_dict`` inverts it."""
        return asdict(self)

    @classmethod
    def from_dict(cls, data: dict) -> Scene:
        """Inverse of ``to_dict``."""
        return cls(**{**data, "objects": tuple(Obj(**item) for item in data["objects"])})


def _uniform(rng: np.random.Generator, bounds: tuple[float, float]) -> float:
    return float(rng.uniform(*bounds))


def _path(
    rng: np.random.Generator, motion: str, margin: float, duration_s: float
) -> tuple[float, float, float, float, str]:
    """Start, velocity and speed word of an object that stays inside the frame for ``duration_s``."""
    free = (margin, 1 - margin)
    x, y = _uniform(rng, free), _uniform(rng, free)
    if motion == "still":
        return x, y, 0.0, 0.0, ""
    if motion in ("bounce_h", "bounce_v"):
        speed = _uniform(rng, BOUNCE) * (1 if rng.random() < 0.5 else -1)
        return (x, y, speed, 0.0, "") if motion == "bounce_h" else (x, y, 0.0, speed, "")
    room = free[1] - free[0]
    quick = rng.random() < 0.5 and QUICK[0] * duration_s <= room
    speed = min(_uniform(rng, QUICK if quick else SLOW), room / duration_s)
    travel = speed * duration_s
    start = _uniform(rng, (free[0], max(free[0], free[1] - travel)))
    dx, dy = DIRECTIONS[motion]
    if dx + dy < 0:
        start = 1 - start
    if dx:
        x = start
    else:
        y = start
    return x, y, dx * speed, dy * speed, "quickly" if quick else "slowly"


def position(obj: Obj, t_s: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Centre of ``obj`` at times ``t_s`` (seconds), as frame fractions; bounces reflect at the frame's edge."""
    margin = obj.radius + 0.02
    low, span = margin, 1 - 2 * margin

    def axis(start: float, velocity: float, bounces: bool) -> np.ndarray:
        raw = start + velocity * t_s
        if not bounces:
            return raw
        phase = np.mod(raw - low, 2 * span)
        return low + np.where(phase > span, 2 * span - phase, phase)

    return axis(obj.x, obj.vx, obj.motion == "bounce_h"), axis(
        obj.y, obj.vy, obj.motion == "bounce_v"
    )


def _allowed(colour: str, shape: str, motion: str) -> bool:
    return (colour, shape) not in NOVEL_COLOUR_SHAPES and (shape, motion) not in NOVEL_SHAPE_MOTIONS


def _random_object(
    rng: np.random.Generator, colour: str, size: str, duration_s: float, novel: bool
) -> Obj:
    while True:
        shape = SHAPES[int(rng.integers(len(SHAPES)))]
        motion = MOTIONS[int(rng.integers(len(MOTIONS)))]
        if novel:
            colour = str(rng.choice(list(COLOURS)))
        if _allowed(colour, shape, motion) != novel:
            break
    radius = _uniform(rng, SIZES[size])
    x, y, vx, vy, speed = _path(rng, motion, radius + 0.02, duration_s)
    return Obj(
        shape=shape,
        colour=colour,
        size=size,
        radius=radius,
        x=x,
        y=y,
        vx=vx,
        vy=vy,
        motion=motion,
        speed=speed,
    )


def _clear_share(a: Obj, b: Obj, duration_s: float) -> float:
    """Share of the shot during which two objects do not touch, in a square frame (the worst case)."""
    t = np.linspace(0, duration_s, 13)
    ax, ay = position(a, t)
    bx, by = position(b, t)
    return float(np.mean(np.hypot(ax - bx, ay - by) > (a.radius + b.radius) * 1.05))


def _place_objects(
    rng: np.random.Generator, colours: list[str], sizes: list[str], duration_s: float, novel_at: int
) -> tuple[Obj, ...] | None:
    """Objects one after the other, each clear of the earlier ones; None when there is no room for one of them."""
    placed: list[Obj] = []
    for i, (colour, size) in enumerate(zip(colours, sizes, strict=True)):
        for _ in range(30):
            obj = _random_object(rng, colour, size, duration_s, novel=i == novel_at)
            if all(
                obj.colour != other.colour and _clear_share(obj, other, duration_s) >= 0.7
                for other in placed
            ):
                placed.append(obj)
                break
        else:
            return None
    return tuple(placed)


def random_scene(
    seed: int,
    *,
    split: str = "train",
    max_objects: int = 3,
    duration_s: float | None = None,
) -> Scene:
    """The scene of ``seed`` in ``split`` (``train``, ``heldout`` or ``novel``); equal arguments, equal scene.

    Splits draw from disjoint random streams. Objects of one scene differ in colour and size class, so a caption
    names each of them unambiguously; two objects may occlude each other for part of the shot.
    """
    if split not in SPLITS:
        raise ValueError(f"split {split!r} is unknown; use one of {', '.join(SPLITS)}")
    rng = np.random.default_rng([SPLITS[split], seed])
    duration = _uniform(rng, (2.2, 4.0)) if duration_s is None else duration_s
    texture = str(rng.choice(TEXTURES, p=[0.12, 0.22, 0.22, 0.22, 0.22]))
    if texture == "plain" or rng.random() < 0.5:
        camera = "static"
    else:
        camera = str(rng.choice(CAMERAS[1:]))
    if camera.startswith("zoom"):
        duration = min(duration, 3.0)
    count = min(max_objects, int(rng.choice([1, 2, 3], p=[0.65, 0.28, 0.07])))
    sizes = [str(name) for name in rng.permutation(list(SIZES))][:count]
    sizes.sort(key=["large", "medium", "small"].index)
    placed: tuple[Obj, ...] | None = None
    while placed is None:
        colours = [str(name) for name in rng.permutation(list(COLOURS))][:count]
        novel_at = int(rng.integers(count)) if split == "novel" else -1
        placed = _place_objects(rng, colours, sizes, duration, novel_at)
    return Scene(
        seed=seed,
        objects=placed,
        background=str(rng.choice(list(BACKGROUNDS))),
        texture=texture,
        camera=camera,
        camera_speed=_uniform(rng, ZOOM_RATE if camera.startswith("zoom") else PAN_SPEED),
        light=str(rng.choice(LIGHTS, p=[0.5, 0.25, 0.25])),
        duration_s=duration,
        texture_period=_uniform(rng, (0.26, 0.34)),
    )
