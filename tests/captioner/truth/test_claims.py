"""Claims read from captions of the world and of prose that was not looked at while the patterns were written."""

from __future__ import annotations

import pytest

from captioner.truth.claims import is_camera_sentence, read_claims, text_faults
from pipeline.world.captions import caption
from pipeline.world.scene import random_scene

CLAIM = {way: way for way in ("still", "left", "right", "up", "down")}
CLAIM |= {"bounce_h": "sideways", "bounce_v": "updown"}


def test_claims_of_the_world_are_its_truth_and_have_no_fault():
    for seed in range(150):
        scene = random_scene(seed, split="novel")
        text = caption(scene, "dense")
        claims = read_claims(text)
        assert claims.camera == (scene.camera,)
        assert set(claims.motion) == {CLAIM[o.motion] for o in scene.objects}
        assert text_faults(text) == []


@pytest.mark.parametrize(
    ("text", "camera", "motion"),
    [
        ("The camera slowly pans across the valley to the left.", {"pan_left"}, set()),
        ("A static shot of a lake.", {"static"}, set()),
        ("Handheld camera footage follows a dog.", {"handheld"}, set()),
        ("The view zooms out from a map.", {"zoom_out"}, set()),
        ("The camera pushes in on her face.", {"zoom_in"}, set()),
        ("A man stands to the left of a car.", set(), set()),
        ("She turns her head to the right.", set(), set()),
        ("The light comes from the left.", set(), set()),
        ("A car drives slowly towards the right.", set(), {"right"}),
        ("A cyclist crosses from right to left.", set(), {"left"}),
        ("The balloon rises.", set(), {"up"}),
        ("A cat walks down the stairs.", set(), set()),
        ("The statue remains motionless.", set(), {"still"}),
        ('A sign reads "PAN LEFT ONLY".', set(), set()),
        ("A frying pan stands on the stove.", set(), set()),
    ],
)
def test_claims_of_prose(text, camera, motion):
    claims = read_claims(text)
    assert set(claims.camera) == camera and set(claims.motion) == motion
    assert is_camera_sentence(text) == bool(camera)


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("A man appears to be waiting for a bus.", "hedging"),
        ("The setting is probably a kitchen.", "hedging"),
        ("A boat, or perhaps a ship, crosses the bay.", "hedging"),
        ("The dim light creates a mood that suggests tension.", "hedging"),
        ("A street without any cars.", "absence"),
        ("No text is visible in the picture.", "absence"),
        ("The woman does not move.", "absence"),
        ("The camera is static. Later views show how the camera zooms in.", None),
        ("The camera is static throughout. The camera pans right over the town.", "contradiction"),
        ("A red car stops. The driver of the blue car gets out.", "contradiction"),
        ("Two dogs play. The three dogs run off.", "contradiction"),
        ("A busy indoor market, shot outdoors in the sun.", None),
        ("The room is indoors. The scene takes place outdoors.", "contradiction"),
        ("A red car and a blue car stop. The blue car turns.", None),
        ("A dog runs along the beach in the sun.", None),
        ("A ghost appears in the doorway of the house.", None),
        ('A door with a sign "NO ENTRY" opens.', None),
        ("Two people wave; one of them likes to laugh.", None),
        ("The likeness of a king is carved in stone.", None),
        ("She notices a knot in the rope.", None),
    ],
)
def test_faults_of_words(text, fault):
    assert text_faults(text) == ([fault] if fault else [])
