"""Talk is known by the role of its clause, whatever its words; what is seen stays."""

from __future__ import annotations

import pytest

from captioner.check.boilerplate import strip_boilerplate
from captioner.check.clauses import framed, without_time


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


@pytest.mark.parametrize(
    ("said", "before", "left", "taken"),
    [
        ("In the first part, a dog runs.", "", "At first, a dog runs.", "In the first part, "),
        ("Over the last half, a dog runs.", "A cat.", "At the end, a dog runs.", "Over the last half, "),
        ("In the middle section, a dog runs.", "", "Midway, a dog runs.", "In the middle section, "),
        ("In the next clip, a dog runs.", "A cat.", "Then a dog runs.", "In the next clip, "),
        ("In the next clip, a dog runs.", "", "A dog runs.", "In the next clip, "),
        ("0:00 - 0:04: a goat climbs.", "", "A goat climbs.", "0:00 - 0:04: "),
        ("As the video begins, a dog runs.", "", "At first, a dog runs.", "As the video begins"),
        ("As the video ends, a dog runs.", "", "At the end, a dog runs.", "As the video ends"),
        ("Halfway through the video, a dog runs.", "", "Midway, a dog runs.", "Halfway through the video"),
        ("Throughout the video, a dog runs.", "", "Throughout, a dog runs.", "Throughout the video"),
        ("As the video continues, a dog runs.", "A cat.", "Then a dog runs.", "As the video continues"),
        ("As the video continues, a dog runs.", "", "A dog runs.", "As the video continues"),
        ("In the video, a dog runs.", "", "A dog runs.", "In the video"),
        ("A dog runs, as the video ends, and barks.", "", "A dog runs, at the end, and barks.", "as the video ends"),
        ("A dog runs, as the video goes on, and barks.", "", "A dog runs, then, and barks.", "as the video goes on"),
        ("A dog runs, in the video, and barks.", "", "A dog runs, and barks.", "in the video"),
    ],
)  # fmt: skip
def test_when_it_is_stays_in_the_words_of_what_is_seen(
    said: str, before: str, left: str, taken: str
) -> None:
    """The order of what happens is all that a video model can learn time from."""
    assert without_time(said, before) == (left, taken)


@pytest.mark.parametrize(
    "seen",
    [
        "In the corner of the video, a dog runs.",  # a place, not a time
        "A dog runs, in the corner of the video, and barks.",
        "A dog runs.",
    ],
)
def test_where_it_is_is_no_time(seen: str) -> None:
    assert without_time(seen, "") is None


@pytest.mark.parametrize(
    ("said", "left", "taken", "put"),
    [
        (
            "The focal point of the clip is a red boat.",
            "A red boat.",
            "The focal point of the clip is ",
            "",
        ),
        (
            "In the center, we catch sight of a deer.",
            "In the center, a deer.",
            "In the center, we catch sight of ",
            "In the center, ",
        ),
        ("By the door, we catch sight of a deer.", "By the door, a deer.", ", we catch sight of ", "-"),
        ("A turtle swims (seen in the Video) home.", "A turtle swims home.", " (seen in the Video)", "-"),
    ],
)  # fmt: skip
def test_a_frame_is_told_with_what_was_put_for_it(
    said: str, left: str, taken: str, put: str
) -> None:
    assert framed(said, set()) == (left, taken, put)


@pytest.mark.parametrize(
    ("said", "named"),
    [
        ("The focal point of the clip is a red boat.", {"clip"}),  # of a clip on a screen
        ("A turtle swims (seen in the Video) home.", {"video"}),
        ("A lamp stands on the left as seen in the video.", set()),  # which says where
        ("The focal point of the clip is .", set()),  # nothing is left
        ("A dog runs.", set()),
    ],
)
def test_no_frame_is_taken_off_where_it_is_part_of_the_scene(said: str, named: set[str]) -> None:
    assert framed(said, named) is None
