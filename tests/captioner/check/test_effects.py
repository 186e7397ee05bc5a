"""What a scene is said to do to viewers goes; what it looks like stays."""

from __future__ import annotations

import pytest

from captioner.check.boilerplate import strip_boilerplate
from captioner.check.effects import (
    before_thing,
    effect_at_end,
    effect_beside,
    effect_of_thing,
    is_effect,
)


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


TALK = "the playful chaos adds a lighthearted touch to the chore"


@pytest.mark.parametrize(
    ("said", "left", "talk"),
    [
        (f"A dog runs, and {TALK}.", "A dog runs.", f", and {TALK}."),
        (f"A dog runs, and {TALK}!", "A dog runs!", f", and {TALK}!"),
        (f"A dog runs; {TALK}", "A dog runs", f"; {TALK}"),
        (f"A dog runs – {TALK}.", "A dog runs.", f" – {TALK}."),
        (
            "A man ties a knot, which is a testament to patience.",
            "A man ties a knot.",
            ", which is a testament to patience.",
        ),
        (
            "A cat yawns, a dog runs, something that is a testament to patience.",
            "A cat yawns, a dog runs.",
            ", something that is a testament to patience.",
        ),
    ],
)
def test_a_last_clause_of_talk_goes_with_its_joining_word(said: str, left: str, talk: str) -> None:
    """What is seen keeps the mark that the sentence ended with, and gets none that it had not."""
    assert effect_beside(said) == (left, talk)


@pytest.mark.parametrize(
    "said",
    [
        f"Rain falls, and {TALK}.",  # two words are no caption
        "A man ties a knot, which is made of rope.",
        "A man ties a knot, is a testament to patience.",  # without its subject it is no sentence
        "A dog runs.",
    ],
)
def test_a_last_clause_stays_where_it_is_seen_or_nothing_would_be_left(said: str) -> None:
    assert effect_beside(said) is None


def test_a_clause_at_the_end_goes_from_two_words_on() -> None:
    hit = effect_at_end("He smiles, conveying a sense of joy.")
    assert hit is not None and hit[0] == ", conveying a sense of joy"
    assert effect_at_end("Smiling, conveying a sense of joy.") is None


@pytest.mark.parametrize(
    "said",
    [
        "A dog runs.",
        "Candles on every table create a sense of depth.",  # which is seen
        "The singer smiles and conveys a sense of joy.",
        "The singers smile or convey a sense of joy.",
        "The singer seems to convey a sense of joy.",
    ],
)
def test_a_subject_that_is_no_thing_alone_is_not_taken_for_the_caption(said: str) -> None:
    """``The singer smiles and`` would be what is left."""
    assert effect_of_thing(said) is None


def test_what_a_recording_gives_of_a_thing_leaves_the_thing() -> None:
    said = "The video captures the beauty of a lake at dawn."
    hit = before_thing(said)
    assert hit is not None and said[hit.end() :] == "a lake at dawn."
    assert before_thing("A lake at dawn.") is None
