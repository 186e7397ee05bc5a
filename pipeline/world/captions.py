"""Captions rendered from a scene, and attributes read back from a caption.

``short`` names the main subject and what it does. ``dense`` describes every object (size, colour, shape, motion, speed,
place), the background, the camera and the light: the short/descriptive pair of the DALL-E 3 recipe. A one-frame clip
gets captions without motion or camera. ``parse_caption`` inverts the wording and tolerates anything else around it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from pipeline.world.scene import (
    BACKGROUNDS,
    CAMERAS,
    COLOURS,
    SHAPES,
    SIZES,
    TEXTURES,
    Obj,
    Scene,
)

MOTION_PHRASES = {
    "still": "stays still",
    "left": "moves {speed} to the left",
    "right": "moves {speed} to the right",
    "up": "moves {speed} upward",
    "down": "moves {speed} downward",
    "bounce_h": "bounces from side to side",
    "bounce_v": "bounces up and down",
}
SHORT_PHRASES = {
    "still": "stays still",
    "left": "moves left",
    "right": "moves right",
    "up": "moves up",
    "down": "moves down",
    "bounce_h": "bounces from side to side",
    "bounce_v": "bounces up and down",
}
TEXTURE_PHRASES = {
    "plain": "plain {colour}",
    "dots": "{colour} with dots",
    "checks": "{colour} with checks",
    "grid": "{colour} with a grid",
    "clouds": "{colour} with soft clouds",
}
CAMERA_PHRASES = {
    "static": "The camera is static.",
    "pan_left": "The camera pans left.",
    "pan_right": "The camera pans right.",
    "tilt_up": "The camera tilts up.",
    "tilt_down": "The camera tilts down.",
    "zoom_in": "The camera zooms in.",
    "zoom_out": "The camera zooms out.",
}
LIGHT_PHRASES = {
    "even": "The light is even.",
    "left": "The light comes from the left.",
    "right": "The light comes from the right.",
}
PLACES = (
    ("at the top left", "at the top", "at the top right"),
    ("on the left", "in the centre", "on the right"),
    ("at the bottom left", "at the bottom", "at the bottom right"),
)


@dataclass(frozen=True, kw_only=True)
class Attributes:
    """What a caption states or a judge sees; ``None`` where it is silent."""

    objects: tuple[tuple[str, str, str | None], ...]
    """(colour, shape, motion) of each object."""
    camera: str | None = None
    background: str | None = None
    texture: str | None = None


def place(obj: Obj) -> str:
    """Where the object starts, in thirds of the frame."""
    return PLACES[min(2, int(obj.y * 3))][min(2, int(obj.x * 3))]


def attributes(scene: Scene, *, still: bool = False) -> Attributes:
    """The true attributes of a scene (``still``: of one frame of it, without motion or camera)."""
    return Attributes(
        objects=tuple((o.colour, o.shape, None if still else o.motion) for o in scene.objects),
        camera=None if still else scene.camera,
        background=scene.background,
        texture=scene.texture,
    )


def _article(word: str) -> str:
    return "An" if word[0] in "aeiou" else "A"


def _dense_object(obj: Obj, still: bool) -> str:
    head = f"A {obj.size} {obj.colour} {obj.shape}"
    if still:
        return f"{head} is {place(obj)}."
    link = " " if obj.motion == "still" else ", "
    return f"{head} {_action(obj)}{link}{_position(obj)}."


def caption(scene: Scene, kind: str, *, still: bool = False) -> str:
    """Caption of ``kind`` (``short`` or ``dense``) for the whole shot, or for one frame of it when ``still``."""
    if kind == "short":
        main = scene.objects[0]
        subject = f"{_article(main.colour)} {main.colour} {main.shape}"
        return f"{subject}." if still else f"{subject} {SHORT_PHRASES[main.motion]}."
    if kind == "dense":
        ground = TEXTURE_PHRASES[scene.texture].format(colour=scene.background)
        parts = [_dense_object(obj, still) for obj in scene.objects]
        parts.append(f"The background is {ground}.")
        if not still:
            parts.append(CAMERA_PHRASES[scene.camera])
        parts.append(LIGHT_PHRASES[scene.light])
        return " ".join(parts)
    raise ValueError(f"caption kind {kind!r} cannot be rendered from a scene; use short or dense")


def _action(obj: Obj) -> str:
    """What the object does, as a predicate."""
    return MOTION_PHRASES[obj.motion].format(speed=obj.speed)


def _position(obj: Obj) -> str:
    """Where the object stays, or where it starts."""
    return place(obj) if obj.motion == "still" else f"starting {place(obj)}"


def structured(scene: Scene, *, still: bool = False) -> dict:
    """The scene as the fields of a structured caption, JSON-ready; ``still``: one frame, without motion or camera.

    Rendered in full and in order, they read as the dense caption.
    """
    fields: dict = {
        "subjects": [
            {
                "name": o.shape,
                "appearance": f"{o.size} {o.colour}",
                **({"position": place(o)} if still else {}),
                **({} if still else {"action": _action(o), "position": _position(o)}),
            }
            for o in scene.objects
        ],
        "background": TEXTURE_PHRASES[scene.texture].format(colour=scene.background),
    }
    if not still:
        fields["camera"] = _predicate(CAMERA_PHRASES[scene.camera], "camera")
    fields["lighting"] = _predicate(LIGHT_PHRASES[scene.light], "light")
    return fields


def _predicate(phrase: str, noun: str) -> str:
    return phrase.removeprefix(f"The {noun} ").removesuffix(".")


_DENSE_OBJECT = re.compile(
    rf"An? ({'|'.join(SIZES)}) ({'|'.join(COLOURS)}) ({'|'.join(SHAPES)}) ([^.]+?)[.]"
)


def structured_from_dense(text: str) -> dict | None:
    """The fields that a dense caption in the world's wording states; None when it has another wording.

    The inverse of rendering: nothing is looked up in a scene, so what the caption gets wrong stays wrong.
    """
    places = {name for row in PLACES for name in row}
    subjects = []
    for size, colour, shape, rest in _DENSE_OBJECT.findall(text):
        where = max((name for name in places if rest.endswith(name)), key=len, default="")
        action = rest.removesuffix(where).strip()
        starts = action.endswith(", starting")
        subject = {"name": shape, "appearance": f"{size} {colour}"}
        if (did := action.removesuffix(", starting")) and did != "is":
            subject["action"] = did
        if where:
            subject["position"] = f"starting {where}" if starts else where
        subjects.append(subject)
    if not subjects:
        return None
    fields: dict = {"subjects": subjects}
    for name, pattern in (
        ("background", r"The background is ([^.]+)[.]"),
        ("camera", r"The camera ([^.]+)[.]"),
        ("lighting", r"The light ([^.]+)[.]"),
    ):
        if found := re.search(pattern, text):
            fields[name] = found[1]
    return fields


_OBJECT = re.compile(
    rf"\b({'|'.join(COLOURS)})\s+({'|'.join(SHAPES)})\b(.*?)(?=\b(?:{'|'.join(COLOURS)})\s+(?:{'|'.join(SHAPES)})\b|[.]|$)",
    re.IGNORECASE | re.DOTALL,
)
_MOTIONS = (
    ("bounce_h", r"bounc\w*[^.]*side to side"),
    ("bounce_v", r"bounc\w*[^.]*up and down"),
    ("still", r"\bstill\b|stationary|motionless"),
    ("left", r"\bmov\w*(?: \w+)?(?: to the)? left\b"),
    ("right", r"\bmov\w*(?: \w+)?(?: to the)? right\b"),
    ("up", r"\bmov\w*(?: \w+)? up"),
    ("down", r"\bmov\w*(?: \w+)? down"),
)
_CAMERAS = (
    ("pan_left", r"pans? left"),
    ("pan_right", r"pans? right"),
    ("tilt_up", r"tilts? up"),
    ("tilt_down", r"tilts? down"),
    ("zoom_in", r"zooms? in"),
    ("zoom_out", r"zooms? out"),
    ("static", r"camera is static"),
)


def parse_caption(text: str) -> Attributes:
    """Attributes stated by a caption in the world's wording; unknown wording leaves fields ``None``."""
    objects = []
    for colour, shape, rest in _OBJECT.findall(text):
        clause = rest.split(".")[0].lower()
        motion = next((name for name, pattern in _MOTIONS if re.search(pattern, clause)), None)
        objects.append((colour.lower(), shape.lower(), motion))
    lowered = text.lower()
    camera = next((name for name, pattern in _CAMERAS if re.search(pattern, lowered)), None)
    ground = re.search(r"background is ([^.]*)", lowered)
    words = ground.group(1) if ground else ""
    background = next((name for name in BACKGROUNDS if name in words), None)
    texture = next((name for name in TEXTURES if name in words), None)
    assert camera is None or camera in CAMERAS
    return Attributes(objects=tuple(objects), camera=camera, background=background, texture=texture)


def attribute_items(attrs: Attributes) -> set[tuple[str, ...]]:
    """Statements that F1 counts: object, colour bound to shape, motion bound to colour, camera."""
    items: set[tuple[str, ...]] = set()
    for colour, shape, motion in attrs.objects:
        items.add(("object", shape))
        items.add(("colour", colour, shape))
        if motion is not None:
            items.add(("motion", colour, motion))
    if attrs.camera is not None:
        items.add(("camera", attrs.camera))
    return items


def attribute_counts(predicted: Attributes, true: Attributes) -> tuple[int, int, int]:
    """(right, predicted, true) statement counts of one clip; sum over clips before taking F1."""
    said, truth = attribute_items(predicted), attribute_items(true)
    return len(said & truth), len(said), len(truth)


def attribute_f1(pairs: list[tuple[Attributes, Attributes]]) -> float:
    """Micro-averaged F1 in [0, 1] over (predicted, true) pairs."""
    right = said = truth = 0
    for predicted, true in pairs:
        r, s, t = attribute_counts(predicted, true)
        right, said, truth = right + r, said + s, truth + t
    return 2 * right / max(1, said + truth)
