"""Truth of a caption against the pixels: every assertion scored by CLIP, camera and motion claims by measurements.

CLIP judges what one frame can show; which way things and the camera move it cannot, so sentences about the camera are
left to the measured camera, and directions of movement to the measured travel (``pipeline.scores.object_motion``).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from captioner.truth.assertions import LIMIT, split, word_count
from captioner.truth.claims import is_camera_sentence, read_claims, text_faults, unquoted
from pipeline import schema as s
from pipeline.scores.object_motion import ObjectMotion

VERSION = 1
"""Raised when the same caption and frames would get other scores."""
CAMERA_CONTRADICTS, MOTION_CONTRADICTS = "camera_contradicts", "motion_contradicts"
MOST_REFERENCES = 256
"""Clips against which scores are calibrated at most."""
LEAST_REFERENCES = 16
"""With fewer, plain cosines are reported."""
OPPOSITE = {"left": "right", "right": "left", "up": "down", "down": "up"}
_LIGHT = re.compile(r"^(?:the )?(?:light|lighting|scene is lit)\b", re.I)
_WRONG_WAY = 0.6
"""Share of all travel that goes the other way before a claimed direction is called wrong."""
_RIGHT_WAY = 0.1
"""Share of all travel that goes the claimed way which clears it."""
_LEAST_TRAVEL = 0.002
"""Travel, in frame areas times frame sides, from which its direction is believed."""

Embed = Callable[[Sequence[str]], np.ndarray]
"""Texts to unit embeddings (N, D)."""


@dataclass(frozen=True, kw_only=True)
class Truth:
    """How a caption stands against its frames."""

    minimum: float | None
    """Score of the worst assertion; None when none can be scored. The sign of a hallucination."""
    mean: float | None
    """Mean score of all assertions."""
    worst: str | None
    """The worst assertion."""
    checks: tuple[str, ...]
    """Faults found: of the words, of the camera, of motion."""


@dataclass(frozen=True, kw_only=True)
class MeasuredCamera:
    """The manifest's camera scores of a clip."""

    kind: str | None
    """One of ``schema.CAMERAS``; None when not measured."""
    pan: float = 0.0
    """Speed to the right, frame diagonals per second."""
    tilt: float = 0.0
    """Speed upwards, frame diagonals per second."""
    zoom: float = 0.0
    """Growth of the picture, natural logarithm per second."""


def scored_assertions(
    text: str, *, limit: int = LIMIT, count: Callable[[str], int] = word_count
) -> list[str]:
    """The assertions of a caption that a still frame can confirm: all but those about the camera and the light."""
    return [
        part
        for part, sentence in split(unquoted(text), limit=limit, count=count)
        if not is_camera_sentence(sentence) and not _LIGHT.match(sentence)
    ]


def assertion_scores(
    embeddings: np.ndarray, frames: np.ndarray, reference: np.ndarray | None = None
) -> np.ndarray:
    """Score (A,) of each assertion: its best frame's cosine, in deviations from what other clips would get.

    Args:
        embeddings: (A, D) unit embeddings of the assertions.
        frames: (T, D) unit embeddings of the clip's frames.
        reference: (R, D) unit embeddings of other clips. Sentences about grounds have lower cosines than those about
            things, true or not; measured against the reference both are on one scale. None: plain cosines.
    """
    best = (frames @ embeddings.T).max(0)
    if reference is None or len(reference) < LEAST_REFERENCES:
        return best
    usual = reference @ embeddings.T
    return (best - usual.mean(0)) / np.maximum(usual.std(0), 1e-3)


def ground(
    text: str,
    embed: Embed,
    frames: np.ndarray,
    *,
    reference: np.ndarray | None = None,
    camera: MeasuredCamera | None = None,
    motion: ObjectMotion | None = None,
    count: Callable[[str], int] = word_count,
) -> Truth:
    """Every check of one caption; see ``assertion_scores`` for ``frames`` and ``reference``."""
    assertions = scored_assertions(text, count=count)
    checks = text_faults(text)
    if camera is not None and camera_contradiction(text, camera):
        checks.append(CAMERA_CONTRADICTS)
    if motion is not None and motion_score(text, motion) >= 1:
        checks.append(MOTION_CONTRADICTS)
    if not assertions:
        return Truth(minimum=None, mean=None, worst=None, checks=tuple(checks))
    scores = assertion_scores(embed(assertions), frames, reference)
    worst = int(np.argmin(scores))
    return Truth(
        minimum=float(scores[worst]),
        mean=float(scores.mean()),
        worst=assertions[worst],
        checks=tuple(checks),
    )


def camera_contradiction(text: str, camera: MeasuredCamera) -> bool:
    """The caption says one thing of the camera and the measurement another.

    Nothing is said of a camera that was not measured, of a hand-held one that the caption gives a direction (both may
    be), or of a caption that tells of several movements one after the other.
    """
    kind = camera.kind
    claims = read_claims(text).camera
    families = {name.split("_")[0] for name in claims}
    if kind is None or len(families) != 1:
        return False
    (family,) = families
    if family != kind:
        return kind != "handheld" or family == "static"
    speeds = {"pan": camera.pan, "tilt": camera.tilt, "zoom": camera.zoom}
    forward = {"pan": "pan_right", "tilt": "tilt_up", "zoom": "zoom_in"}
    if kind not in speeds or len(claims) != 1 or "_" not in claims[0] or speeds[kind] == 0:
        return False
    return (claims[0] == forward[kind]) != (speeds[kind] > 0)


def motion_score(text: str, motion: ObjectMotion) -> float:
    """How strongly what moves refutes the directions the caption claims: 1 and more is a contradiction, 0 or less none.

    A direction is wrong when hardly anything goes that way and most goes the opposite way.
    """
    claims = read_claims(text).motion
    if motion.total < _LEAST_TRAVEL:
        return 0.0
    scores = [
        motion.share(OPPOSITE[name]) / _WRONG_WAY - max(0.0, motion.share(name) / _RIGHT_WAY - 1)
        for name in claims
        if name in OPPOSITE and OPPOSITE[name] not in claims
    ]
    return max(scores, default=0.0)


def manifest_camera(row: dict) -> MeasuredCamera:
    """The camera of a manifest row."""
    return MeasuredCamera(
        kind=row.get(s.CAMERA),
        pan=row.get(s.CAMERA_PAN) or 0.0,
        tilt=row.get(s.CAMERA_TILT) or 0.0,
        zoom=row.get(s.CAMERA_ZOOM) or 0.0,
    )
