"""Talk to whoever asked, and doubt."""

from __future__ import annotations

import pytest

from captioner.check.answering import is_answering, is_unknown, without_hedge
from captioner.check.boilerplate import strip_boilerplate


@pytest.mark.parametrize(
    "talk",
    [
        "I've left out any mention of sound.",
        "This caption covers only what is visible.",
        "If you need timestamps, just say so.",
        "Describe the video in detail.",
        "Word count: 24",
    ],
)
def test_a_sentence_with_a_speaker_or_a_listener_is_no_caption(talk: str) -> None:
    assert is_answering(talk)
    assert strip_boilerplate(f"A man opens a letter. {talk}").text == "A man opens a letter."


@pytest.mark.parametrize(
    "seen",
    [
        "I Love NY is printed on a mug.",
        "World War I soldiers cross a field.",
        "The caption at the bottom is in white letters.",
        "You barely see the runners.",
    ],
)
def test_words_of_the_scene_are_no_answer(seen: str) -> None:
    assert not is_answering(seen)


def test_doubt_goes_and_what_is_hidden_in_the_scene_stays() -> None:
    assert is_unknown("The contents of the envelope are never shown.")
    assert is_unknown("Nothing in the video indicates where this was filmed.")
    assert not is_unknown("A man speaks, though he is not clear in the fog.")
    assert without_hedge("Two women run, though where to is never made clear.") == (
        "Two women run.",
        "though where to is never made clear",
    )
    assert without_hedge("Two women run, though it rains.") is None
