"""Talk is known by the role of its clause, whatever its words; what is seen stays."""

from __future__ import annotations

import pytest

from captioner.check.boilerplate import strip_boilerplate


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
