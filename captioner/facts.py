"""Captions made only of what was measured: no model, no guess, every clause from named columns of the manifest.

A clause is written only where its measurement is clear of the thresholds that decide it; where it is not, nothing is
said. The same clauses serve as hints to a captioner (``captioner.ask.hints``).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import exp
from typing import Any

from pipeline import schema as s

VERSION = 1
"""Raised when the same measurements would be put in other words."""
MODEL = "measured"
"""In the place of a model's name."""
TOPICS = ("camera", "movement", "light", "colours", "text", "shape")
"""What can be told of a clip, in the order in which it is told."""

SLOW, FAST = 0.06, 0.2
"""Speed of the view in frame diagonals per second under which it is slow, and from which it is fast."""
ZOOM_FLOW = 0.27
"""Mean distance of a pixel from the middle, in frame diagonals: makes growth comparable to shifts."""
ZOOM_SLOW, ZOOM_FAST = 0.06, 0.25
"""Growth of the picture, natural logarithm per second, likewise."""
LEAST_TRAVEL = 0.08
"""Frame diagonals that a pan or tilt must cover, and natural logarithm that a zoom must grow by, to be told."""
CLEAR = 2.0
"""How much faster than in every other way the view must move in the one that is told."""
MOST_DRIFT, MOST_GROWTH = 0.03, 0.03
"""Frame diagonals that the view may have drifted by, and natural logarithm that it may have grown by, under a camera
that is called static."""
LEAST_WANDER, LEAST_JITTER = 0.1, 0.02
"""Frame diagonals that the view must have got to in some way, or jitter, for a camera that is said to move unevenly:
children who jump before a camera that stands come out with a jitter of 0.016."""
MOST_FLOW = 0.06
"""Mean flow under a camera that is called static: where more moves, the ground can hardly be seen. A scrolling game
with a score board had 0.11."""
STILL, STILL_SHARE = 0.002, 0.95
"""Mean flow, frame diagonals per second, and share of the time without any, from which nothing moves."""
LIVELY, LIVELY_SHARE = 0.01, 0.2
"""Mean flow, and share of the time without any, under a static camera from which something always moves."""
DARK, BRIGHT = 0.22, 0.62
"""Mean luma in [0, 1]."""
FLAT, CONTRASTY = 0.06, 0.29
"""Standard deviation of luma; a green pitch with white lines has 0.08 and nobody would call it flat."""
RATIOS = (
    ("21:9", 21 / 9), ("2:1", 2.0), ("16:9", 16 / 9), ("3:2", 1.5), ("4:3", 4 / 3), ("5:4", 1.25),
    ("1:1", 1.0), ("4:5", 0.8), ("3:4", 0.75), ("2:3", 2 / 3), ("9:16", 9 / 16),
)  # fmt: skip
"""Shapes with a name, told where width over height is within ``RATIO_TOLERANCE`` of them."""
RATIO_TOLERANCE = 0.015


@dataclass(frozen=True, kw_only=True)
class Clause:
    """One sentence and where it is from."""

    topic: str
    """One of ``TOPICS``."""
    text: str
    """A sentence."""
    columns: tuple[str, ...]
    """Manifest columns that say so."""


def facts(row: Mapping[str, Any]) -> list[Clause]:
    """What the manifest row of a clip says for sure, in order of ``TOPICS``; nothing of what was not measured."""
    found = [
        Clause(topic=topic, text=text, columns=columns)
        for topic, tell in _TELLERS.items()
        for text, columns in [tell(row)]
        if text
    ]
    return found


def facts_text(clauses: list[Clause]) -> str:
    """The caption: the sentences in order."""
    return " ".join(clause.text for clause in clauses)


def camera_clause(row: Mapping[str, Any]) -> tuple[str, tuple[str, ...]]:
    """What the view does, which is what was measured: a camera that travels sideways pans the view as well."""
    kind = row.get(s.CAMERA)
    pan, tilt, zoom = (row.get(n) for n in (s.CAMERA_PAN, s.CAMERA_TILT, s.CAMERA_ZOOM))
    seconds = _seconds(row)
    if kind is None or pan is None or tilt is None or zoom is None or not seconds:
        return "", ()
    speeds = {"pan": abs(pan), "tilt": abs(tilt), "zoom": ZOOM_FLOW * abs(zoom)}
    if kind == "static":
        drift = seconds * max(speeds["pan"], speeds["tilt"])
        stands = drift <= MOST_DRIFT and seconds * abs(zoom) <= MOST_GROWTH
        stands &= (row.get(s.MOTION_MEAN) or 0.0) <= MOST_FLOW
        columns = (s.CAMERA, s.CAMERA_PAN, s.CAMERA_TILT, s.CAMERA_ZOOM, s.MOTION_MEAN)
        return ("The camera is static.", columns) if stands else ("", ())
    if kind == "handheld":
        # A hand, a vehicle, or a pan and a zoom at once: what is sure is that it moves.
        moves = seconds * max(speeds.values()) >= LEAST_WANDER
        shakes = (row.get(s.JITTER) or 0.0) >= LEAST_JITTER
        columns = (s.CAMERA, s.CAMERA_PAN, s.CAMERA_TILT, s.CAMERA_ZOOM, s.JITTER)
        return ("The camera moves unevenly.", columns) if moves or shakes else ("", ())
    if any(CLEAR * speeds[way] > speeds[kind] for way in speeds if way != kind):
        return "", ()
    when = (s.START_S, s.END_S)
    if kind == "zoom":
        grown = abs(zoom) * seconds
        if grown < LEAST_TRAVEL:
            return "", ()
        pace = _pace(abs(zoom), ZOOM_SLOW, ZOOM_FAST)
        size = f"{100 * abs(exp(zoom * seconds) - 1):.0f} %"
        if zoom > 0:
            size = size if grown < 0.7 else f"a factor of {exp(grown):.1f}"
            text = f"The view pushes in{pace}: things grow by {size}."
        else:
            text = f"The view pulls back{pace}: things shrink by {size}."
        return text, (s.CAMERA, s.CAMERA_ZOOM, *when)
    speed, name, ways = (
        (pan, s.CAMERA_PAN, ("to the right", "to the left"))
        if kind == "pan"
        else (tilt, s.CAMERA_TILT, ("up", "down"))
    )
    travelled = abs(speed) * seconds
    if travelled < LEAST_TRAVEL:
        return "", ()
    verb = "pans" if kind == "pan" else "tilts"
    way = ways[0] if speed > 0 else ways[1]
    pace = _pace(abs(speed), SLOW, FAST)
    amount = f"{travelled:.1f}" if travelled >= 0.95 else f"{travelled:.2f}".rstrip("0")
    text = f"The view {verb}{pace} {way}, by {amount} of the frame's diagonal."
    return text, (s.CAMERA, name, *when)


def movement_clause(row: Mapping[str, Any]) -> tuple[str, tuple[str, ...]]:
    """How much moves under a camera that stands; under one that moves everything does, and nothing is said."""
    stands, columns = camera_clause(row)
    if row.get(s.CAMERA) != "static" or not stands or row.get(s.MOTION_MEAN) is None:
        return "", ()
    columns = (*columns, s.STATIC_SHARE)
    mean, still = row[s.MOTION_MEAN], row.get(s.STATIC_SHARE)
    if mean < STILL and still is not None and still >= STILL_SHARE:
        return "Hardly anything moves.", columns
    if mean >= LIVELY and still is not None and still <= LIVELY_SHARE:
        return "Something moves nearly all the time.", columns
    return "", ()


def light_clause(row: Mapping[str, Any]) -> tuple[str, tuple[str, ...]]:
    """Brightness and contrast, where they are out of the ordinary."""
    mean, spread = row.get(s.LUMA_MEAN), row.get(s.LUMA_STD)
    if mean is None:
        return "", ()
    words, columns = [], []
    if mean < DARK or mean > BRIGHT:
        words.append("dark" if mean < DARK else "bright")
        columns.append(s.LUMA_MEAN)
    if spread is not None and (spread < FLAT or spread > CONTRASTY):
        words.append(f"{'low' if spread < FLAT else 'high'} in contrast")
        columns.append(s.LUMA_STD)
    return (f"The picture is {' and '.join(words)}.", tuple(columns)) if words else ("", ())


def colours_clause(row: Mapping[str, Any]) -> tuple[str, tuple[str, ...]]:
    """The main colours by name, the largest first."""
    names = row.get(s.COLOURS)
    if not names:
        return "", ()
    many = len(names) > 1
    return f"The main colour{'s are' if many else ' is'} {_listed(names)}.", (s.COLOURS,)


def text_clause(row: Mapping[str, Any]) -> tuple[str, tuple[str, ...]]:
    """Text that was read, quoted."""
    lines = row.get(s.LEGIBLE_TEXT)
    if not lines:
        return "", ()
    quoted = ['"' + " ".join(line.replace('"', "'").split()) + '"' for line in lines]
    return f"The text {_listed(quoted)} can be read.", (s.LEGIBLE_TEXT,)


def shape_clause(row: Mapping[str, Any]) -> tuple[str, tuple[str, ...]]:
    """Aspect of the picture without bars, and how long it lasts."""
    width, height = row.get(s.CROP_W) or row.get(s.WIDTH), row.get(s.CROP_H) or row.get(s.HEIGHT)
    columns: tuple[str, ...] = ()
    words = []
    if width and height:
        inside = bool(row.get(s.CROP_W) and row.get(s.CROP_H))
        columns = (s.CROP_W, s.CROP_H) if inside else (s.WIDTH, s.HEIGHT)
        ratio = width / height
        name = min(RATIOS, key=lambda known: abs(known[1] / ratio - 1))
        near = abs(name[1] / ratio - 1) <= RATIO_TOLERANCE
        form = "square" if 0.97 < ratio < 1.03 else "landscape" if ratio > 1 else "portrait"
        words.append(f"the frame is {form}" + (f", {name[0]}" if near and form != "square" else ""))
    if seconds := _seconds(row):
        words.append(f"the clip lasts {seconds:.1f} seconds")
        columns += (s.START_S, s.END_S)
    text = ", and ".join(words)
    return (f"{text[0].upper()}{text[1:]}.", columns) if words else ("", ())


_TELLERS = {
    "camera": camera_clause,
    "movement": movement_clause,
    "light": light_clause,
    "colours": colours_clause,
    "text": text_clause,
    "shape": shape_clause,
}


def _seconds(row: Mapping[str, Any]) -> float:
    start, end = row.get(s.START_S), row.get(s.END_S)
    return float(end - start) if start is not None and end is not None else 0.0


def _pace(speed: float, slow: float, fast: float) -> str:
    return " slowly" if speed < slow else " fast" if speed >= fast else ""


def _listed(words: list[str]) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"
