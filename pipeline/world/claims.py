"""What a caption of the world claims: all of it, object by object, in the scene's own words.

``parse_caption`` reads what the lenient judge compares; this also reads size, speed, place, ground and light. What a
caption leaves open is ``None`` and is never held against a video.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from pipeline.world.captions import LIGHT_PHRASES, PLACES, SHORT_PHRASES, caption, parse_caption
from pipeline.world.scene import (
    NOVEL_COLOUR_SHAPES,
    NOVEL_SHAPE_MOTIONS,
    SIZES,
    Scene,
)

_PLACE_NAMES = tuple(sorted((name for row in PLACES for name in row), key=len, reverse=True))


@dataclass(frozen=True, kw_only=True)
class ObjectClaim:
    """One object as a caption describes it."""

    colour: str
    shape: str
    motion: str | None = None
    """A name of ``scene.MOTIONS``; None when the caption is silent."""
    size: str | None = None
    """A name of ``scene.SIZES``."""
    speed: str | None = None
    """``slowly`` or ``quickly``."""
    place: str | None = None
    """Where it starts (or stays): a name of ``captions.PLACES``."""


@dataclass(frozen=True, kw_only=True)
class Claims:
    """Everything that a caption says of a video."""

    objects: tuple[ObjectClaim, ...]
    camera: str | None = None
    background: str | None = None
    texture: str | None = None
    light: str | None = None


def claims_of(text: str) -> Claims:
    """Claims of a caption in the world's wording; other wording leaves fields ``None``."""
    read = parse_caption(text)
    lowered = text.lower()
    objects, start = [], 0
    for colour, shape, motion in read.objects:
        found = re.compile(rf"\b{colour}\s+{shape}\b").search(lowered, start)
        assert found is not None
        before, start = lowered[: found.start()].rsplit(".", 1)[-1], found.end()
        after = re.split(r"[.]", lowered[start:])[0]
        size = re.search(rf"\b({'|'.join(SIZES)})\s+$", before)
        speed = re.search(r"\b(slowly|quickly)\b", after)
        objects.append(
            ObjectClaim(
                colour=colour,
                shape=shape,
                motion=motion,
                size=size[1] if size else None,
                speed=speed[1] if speed else None,
                place=_place(after),
            )
        )
    lights = {phrase.lower(): name for name, phrase in LIGHT_PHRASES.items()}
    return Claims(
        objects=tuple(objects),
        camera=read.camera,
        background=read.background,
        texture=read.texture,
        light=next((name for phrase, name in lights.items() if phrase in lowered), None),
    )


def _place(clause: str) -> str | None:
    """The place that a clause ends with or starts its motion at."""
    words = clause.rstrip(" ,")
    return next((name for name in _PLACE_NAMES if words.endswith(name)), None)


def claims_of_scene(scene: Scene, *, still: bool = False) -> Claims:
    """What the dense caption of a scene claims (``still``: of one frame of it)."""
    return claims_of(caption(scene, "dense", still=still))


def untrained_pairs(claims: Claims) -> list[str]:
    """What no training scene shows: ``purple ring``, ``square that bounces up and down``; empty for a known prompt."""
    found = []
    for claim in claims.objects:
        if (claim.colour, claim.shape) in NOVEL_COLOUR_SHAPES:
            found.append(f"{claim.colour} {claim.shape}")
        if claim.motion and (claim.shape, claim.motion) in NOVEL_SHAPE_MOTIONS:
            found.append(f"{claim.shape} that {SHORT_PHRASES[claim.motion]}")
    return found
