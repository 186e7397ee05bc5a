"""Truth checks: the worst assertion is the false one, wherever it stands; camera and motion against measurements."""

from __future__ import annotations

import numpy as np
import pytest

from captioner.truth.grounding import (
    CAMERA_CONTRADICTS,
    MOTION_CONTRADICTS,
    MeasuredCamera,
    assertion_scores,
    camera_contradiction,
    ground,
    manifest_camera,
    motion_score,
    scored_assertions,
)
from pipeline.scores.object_motion import ObjectMotion

WORDS = ("dog", "beach", "cat", "snow")


def embed(texts):
    """One dimension per word: a CLIP that knows four words and no grammar."""
    rows = np.array([[float(word in text.lower()) for word in WORDS] for text in texts]) + 1e-6
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


FRAMES = embed(["dog", "beach"])


def test_the_false_assertion_is_the_worst_also_after_two_hundred_words():
    filler = " ".join(["A dog runs on the beach."] * 30)
    truth = ground(f"{filler} A cat watches.", embed, FRAMES)
    assert truth.worst == "A cat watches." and truth.minimum == pytest.approx(0, abs=1e-3)
    assert truth.mean > 0.6
    good = ground(filler, embed, FRAMES)
    assert good.minimum > 0.6 and good.checks == ()


def test_a_thing_seen_in_one_frame_alone_is_true():
    assert ground("A dog.", embed, FRAMES).minimum == pytest.approx(1, abs=1e-3)


def test_scores_against_a_reference_are_deviations():
    reference = embed(["cat"] * 10 + ["snow"] * 10 + ["dog"] * 2)
    scores = assertion_scores(embed(["a dog", "a cat"]), FRAMES, reference)
    assert scores[0] > 2 and scores[1] < 0
    few = assertion_scores(embed(["a dog"]), FRAMES, reference[:3])
    assert few[0] == pytest.approx(1, abs=1e-3)


def test_what_no_frame_shows_is_not_scored():
    text = "A dog runs. The camera pans left. The light is even."
    assert scored_assertions(text) == ["A dog runs."]
    empty = ground("The camera pans left.", embed, FRAMES)
    assert empty.minimum is None and empty.worst is None


@pytest.mark.parametrize(
    ("text", "camera", "wrong"),
    [
        ("The camera pans left.", MeasuredCamera(kind="pan", pan=-0.1), False),
        ("The camera pans left.", MeasuredCamera(kind="pan", pan=0.1), True),
        ("The camera pans.", MeasuredCamera(kind="pan", pan=0.1), False),
        ("The camera pans left.", MeasuredCamera(kind="static"), True),
        ("The camera pans left.", MeasuredCamera(kind="handheld", pan=-0.1), False),
        ("The camera is static.", MeasuredCamera(kind="handheld"), True),
        ("The camera is static.", MeasuredCamera(kind="zoom", zoom=0.1), True),
        ("The camera zooms in.", MeasuredCamera(kind="zoom", zoom=-0.1), True),
        ("The camera tilts up.", MeasuredCamera(kind="tilt", tilt=0.1), False),
        ("The camera tilts up.", MeasuredCamera(kind=None), False),
        ("The camera pans left, then zooms in.", MeasuredCamera(kind="zoom", zoom=0.1), False),
        ("A dog runs.", MeasuredCamera(kind="pan", pan=0.1), False),
    ],
)
def test_camera_claims_against_the_measured_camera(text, camera, wrong):
    assert camera_contradiction(text, camera) == wrong
    checks = ground(text, embed, FRAMES, camera=camera).checks
    assert (CAMERA_CONTRADICTS in checks) == wrong


def test_motion_claims_against_what_moves():
    right = ObjectMotion(left=0.001, right=0.05, up=0.002, down=0.002, still=0.0)
    nothing = ObjectMotion(left=0.0, right=0.0, up=0.0, down=0.0, still=1.0)
    wrong = ground("A car drives to the left.", embed, FRAMES, motion=right)
    assert wrong.checks == (MOTION_CONTRADICTS,)
    assert ground("A car drives to the right.", embed, FRAMES, motion=right).checks == ()
    assert motion_score("A car drives to the left.", nothing) == 0
    both = "One car drives to the left, another drives to the right."
    assert motion_score(both, right) <= 0


def test_a_manifest_without_camera_is_not_measured():
    assert manifest_camera({}) == MeasuredCamera(kind=None)
