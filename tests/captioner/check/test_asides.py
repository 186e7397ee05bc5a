"""Sentences that say nothing of what is seen, and those that only sound like it."""

from __future__ import annotations

import pytest

from captioner.check.asides import is_talk, is_vague


@pytest.mark.parametrize(
    "sentence",
    [
        "Please let me know if you need any further details.",
        "Note: This summary is based on the frames alone.",
        "These images seem to be consecutive frames of a video.",
        "The clip lasts about five seconds.",
        "This video would appeal to fans of extreme sports.",
        "Overall, the video evokes a sense of nostalgia and warmth.",
        "There are no other animals visible.",
        "The video does not include any on-screen text.",
        "It is not possible to determine the exact city from the footage.",
        "Without further context, it is hard to say what the event is.",
    ],
)
def test_talk(sentence: str) -> None:
    assert is_talk(sentence)


@pytest.mark.parametrize(
    "sentence",
    [
        "A man reads a note that lasts five seconds.",
        "There is no camera movement.",
        "There is no one on the pier except a heron.",
        "Nothing moves except a flag.",
        "It is hard to see through the smoke, but a fireman comes out.",
        "Shallow focus creates a sense of depth.",
        "The scene conveys a sense of speed as cars pass.",
        "The video is in black and white.",
        "A woman without a coat waits at a tram stop.",
    ],
)
def test_what_is_seen_is_none(sentence: str) -> None:
    assert not is_talk(sentence) and not is_vague(sentence)


def test_praise_of_the_medium_is_vague_and_its_looks_are_not() -> None:
    assert is_vague("The video is humorous in nature.")
    assert is_vague("The frames are arranged in chronological order.")
    for looks in ("The video is grainy.", "The footage is sped up.", "The video is of a cat."):
        assert not is_vague(looks)
