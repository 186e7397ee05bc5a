"""What a scene is said to do to viewers goes; what it looks like stays."""

from __future__ import annotations

import pytest

from captioner.check.boilerplate import strip_boilerplate
from captioner.check.effects import effect_at_end, effect_beside, effect_of_thing, is_effect


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
        "The overall feel is one of unhurried calm.",
        "The joy in the room is almost palpable.",
    ],
)
def test_a_sentence_on_its_effect_says_nothing_seen(talk: str) -> None:
    assert is_effect(talk)
    assert strip_boilerplate(f"A man opens a letter. {talk}").text == "A man opens a letter."


def test_what_can_be_seen_is_no_effect() -> None:
    assert not is_effect("The atmosphere is festive.")
    assert not is_effect("The soft light creates a sense of depth.")
    assert effect_at_end("A wave breaks, creating white foam on the rocks.") is None
    assert effect_at_end("Rails converge, creating a sense of depth.") is None
    assert effect_beside("A man sits, and the dog sleeps.") is None


def test_a_thing_stays_without_what_it_is_said_to_do() -> None:
    hit = effect_of_thing("Candles on every table create an intimate mood.")
    assert hit is not None and hit["what"] == "Candles on every table"
    assert effect_of_thing("A boy who runs adds a sense of joy.") is None
