"""Talk is known by the role of its clause, whatever its words; what is seen stays."""

from __future__ import annotations

import pytest

from captioner.check.boilerplate import strip_boilerplate
from captioner.check.checks import is_malformed


@pytest.mark.parametrize(
    ("said", "left"),
    [
        ("The focal point of the clip is a red boat.", "A red boat."),
        ("What makes this footage striking is the dancer's hat.", "The dancer's hat."),
        ("Our attention is drawn to a chipped plate.", "A chipped plate."),
        ("By the door, we catch sight of a deer.", "By the door, a deer."),
        (
            "A dog barks, and you'll notice a cat on the wall.",
            "A dog barks, and a cat on the wall.",
        ),
        ("As the recording plays on, two women carry a canoe.", "Two women carry a canoe."),
        ("The video relies on macro close-ups of a ring.", "Macro close-ups of a ring."),
        ("Our video begins as a conductor blows a whistle.", "A conductor blows a whistle."),
        ("0:00 - 0:04 of the video: A goat climbs a car.", "A goat climbs a car."),
        ("I'd say a couple is folding a sheet.", "A couple is folding a sheet."),
    ],
)
def test_a_frame_goes_and_what_it_holds_stays(said: str, left: str) -> None:
    assert strip_boilerplate(said).text == left


@pytest.mark.parametrize(
    "tail",
    [
        ", lending the room a meditative stillness",
        ", which speaks to years of dedication",
        " and conveys a quiet sense of belonging",
        ", underscoring what the craft demands",
        ", allowing viewers to appreciate every detail",
        ", though where she learned it is never made clear",
    ],
)
def test_what_it_does_to_viewers_goes(tail: str) -> None:
    assert strip_boilerplate(f"A potter shapes a bowl{tail}.").text == "A potter shapes a bowl."


@pytest.mark.parametrize(
    "talk",
    [
        "The playful chaos adds a lighthearted touch to the chore.",
        "There is something intimate about this moment.",
        "Few viewers will be able to resist its charm.",
        "The video can be divided into three parts.",
        "It is likely a promotional video for a camera.",
        "I've left out any mention of sound.",
        "The contents of the envelope are never shown.",
        "Nothing in the video indicates where this was filmed.",
        "This caption covers only what is visible.",
    ],
)
def test_a_sentence_without_anything_seen_goes(talk: str) -> None:
    assert strip_boilerplate(f"A man opens a letter. {talk}").text == "A man opens a letter."


@pytest.mark.parametrize(
    "seen",
    [
        "Mist creates a sense of depth between rows of pines.",
        "The mood is eerie, and a boy walks {down} the hall.",
        "A wave breaks, creating white foam on the rocks.",
        "It is hard to tell where the sea ends and the sky begins.",
        "You can barely see the runners through the dust.",
        "The clip has a dreamy, pastel look; a girl blows seeds toward the lens.",
        "A scene painter and a stagehand carry a forest backdrop.",
        "A video editor scrubs through a timeline; on the left screen, a clip plays in reverse.",
        "The footage is sped up, and ants swarm over a melon.",
    ],
)
def test_what_is_seen_stays(seen: str) -> None:
    assert strip_boilerplate(seen).text == seen
    assert strip_boilerplate(seen).found == ()


def test_what_is_left_is_not_talk_again() -> None:
    said = "Overall, the video shows a man. It then moves on to a dog, and the viewer sees a cat."
    left = strip_boilerplate(said)
    assert left.text is not None
    assert strip_boilerplate(left.text).found == ()


def test_pairs_without_a_brace_are_no_prose() -> None:
    assert is_malformed('"description": "A red balloon", "camera": "pan"')
    assert not is_malformed('"Stop": a sign by the road.')
