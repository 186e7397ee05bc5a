"""Whatever is still said of the recording is judged by what else its clause holds."""

from __future__ import annotations

import pytest

from captioner.check.leftover import GUESS, left_of


@pytest.mark.parametrize(
    ("said", "left"),
    [
        ("Our video begins as a conductor whistles.", "A conductor whistles."),
        ("The video relies on macro close-ups of a ring.", "Macro close-ups of a ring."),
        ("The video can be divided into three parts.", ""),
        ("The person in the video is never shown.", "The person is never shown."),
    ],
)
def test_a_recording_goes_and_what_is_seen_stays(said: str, left: str) -> None:
    found = left_of(said, set())
    assert found is not None and found[0] == left


@pytest.mark.parametrize(
    "seen",
    [
        "The clip has a dreamy, pastel look.",
        "The footage is sped up.",
        "A logo hangs in the corner of the video.",
        "The video camera on the tripod blinks.",
    ],
)
def test_a_style_a_place_and_a_thing_stay(seen: str) -> None:
    assert left_of(seen, set()) is None


def test_a_recording_that_is_a_thing_in_the_scene_stays() -> None:
    assert left_of("The video shows nothing.", {"video"}) is None


def test_where_it_comes_from_is_a_guess() -> None:
    assert GUESS.match("It is likely a promotional video for a camera.")
    assert not GUESS.match("This appears to be footage from a helmet: a climber falls.")
