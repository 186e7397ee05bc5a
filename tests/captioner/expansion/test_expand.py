"""Prompt expansion: what the prompt says survives, the rest comes from the dataset, unsafe prompts are named."""

from __future__ import annotations

import pytest

from captioner.ask.structured import Structured, Subject, to_json
from captioner.expansion.expand import Library, example_of, expand
from captioner.expansion.fidelity import lost
from captioner.expansion.llm import read_answer
from captioner.render import plain


def scene(look, name, action, position, background, camera):
    return Structured(
        subjects=[Subject(name=name, appearance=look, action=action, position=position)],
        background=background,
        camera=camera,
        lighting="is even",
    )


SCENES = [
    scene("large red", "circle", "moves slowly to the right", "starting on the left", "plain grey", "is static"),
    scene("small blue", "square", "stays still", "in the centre", "beige with dots", "pans left"),
    scene("medium green", "circle", "moves quickly upward", "starting at the bottom", "white with a grid", "zooms in"),
    scene("brown", "dog", "runs along the beach", "on the left", "an empty beach", "follows the dog"),
]  # fmt: skip
LIBRARY = Library(example_of(plain(s), to_json(s)) for s in SCENES)


@pytest.mark.parametrize(
    ("prompt", "text"),
    [
        (
            "A red circle moves right.",
            "A large red circle moves slowly to the right, starting on the left. The background is plain grey. "
            "The camera is static. The light is even.",
        ),
        (
            "blue circle moving up, camera zooming in",
            "A small blue circle moves quickly upward, starting at the bottom. The background is white with a grid. "
            "The camera zooms in. The light is even.",
        ),
        (
            "a blue square stays still and a red circle moves right",
            "A small blue square stays still in the centre. A large red circle moves slowly to the right",
        ),
    ],
)
def test_what_is_open_is_filled_in_the_words_of_the_dataset(prompt, text):
    found = expand(prompt, LIBRARY)
    assert found.method == "template" and found.text.startswith(text)
    assert lost(prompt, found.text) == []
    assert found == expand(prompt, LIBRARY)


@pytest.mark.parametrize(
    "prompt",
    [
        "Three yellow taxis to the left of a blue bus",
        "two cats under a wooden table",
        "An old man with a green umbrella walks past seven pigeons.",
        "A purple hexagon on top of a black cube",
        "12 white candles around a cake",
    ],
)
def test_unknown_things_are_kept_word_for_word(prompt):
    found = expand(prompt, LIBRARY)
    assert prompt.rstrip(".").lower() in found.text.lower() and lost(prompt, found.text) == []
    assert "The camera" in found.text or "camera" in prompt


@pytest.mark.parametrize(
    ("prompt", "expansion", "gone"),
    [
        ("a red circle", "A large blue circle.", ["red", "red circle"]),
        ("a red circle and a blue square", "A blue circle and a red square.", ["red circle", "blue square"]),
        ("three dogs", "Two dogs run.", ["three", "three dogs"]),
        ("3 dogs", "Three dogs run.", []),
        ("a cat on a table", "A table. A cat runs.", ["cat on tabl"]),
        ("a cat left of a dog", "A dog left of a cat.", ["cat left of dog"]),
        ("a circle moving right", "A large circle moves slowly to the right.", []),
        ("a circle moves right", "A circle moves left, starting on the right.", ["motion right"]),
    ],
)  # fmt: skip
def test_what_is_lost_is_named(prompt, expansion, gone):
    assert lost(prompt, expansion) == gone


def test_a_language_model_is_asked_again_and_then_not_believed():
    asked = []

    def ask(prompt, examples, missing):
        asked.append(list(missing))
        return {"verdict": "ok", "caption": "A large blue circle moves right."}

    found = expand("a red circle moves right", LIBRARY, ask=ask)
    assert asked == [[], ["red", "red circle"]] and found.method == "template"
    assert found.lost == ("red", "red circle") and "red circle" in found.text

    def good(prompt, examples, missing):
        assert examples[0] == plain(SCENES[0])
        return {"verdict": "ok", "caption": "A huge red circle moves right."}

    assert expand("a red circle moves right", LIBRARY, ask=good).method == "llm"

    def refuses(prompt, examples, missing):
        return {"verdict": "gore", "caption": ""}

    refused = expand("a red circle", LIBRARY, ask=refuses)
    assert refused.method == "refused" and refused.verdict.category == "gore" and not refused.text


def test_an_unsafe_prompt_is_refused_before_any_model_is_asked():
    def never(prompt, examples, missing):
        raise AssertionError("asked")

    found = expand("hardcore sex scene", LIBRARY, ask=never)
    assert found.method == "refused" and found.text == "" and found.verdict.category == "sexual"


def test_replies_of_a_server_that_cannot_be_read_survive_nothing():
    assert read_answer('Sure: {"verdict": "ok", "caption": "A  dog."}')["caption"] == "A dog."
    for text in ("", "A dog.", '{"verdict": "fine", "caption": "x"}', '{"verdict": "ok"}', "[]"):
        assert read_answer(text) == {"verdict": "ok", "caption": ""}


def test_an_empty_dataset_is_refused():
    with pytest.raises(ValueError, match="no dense caption"):
        Library([])


def test_examples_go_before_the_nearest_by_words():
    examples = [example_of(plain(SCENES[2]), to_json(SCENES[2]))]
    offline = expand("A red circle moves right.", LIBRARY, examples=examples)
    assert "The background is white with a grid. The camera zooms in." in offline.text
    shown: list[list[str]] = []

    def ask(prompt, captions, missing):
        shown.append(list(captions))
        return {"verdict": "ok", "caption": "A red circle moves to the right on a table."}

    assert expand("A red circle moves right.", LIBRARY, ask=ask, examples=examples).method == "llm"
    assert expand("A red circle moves right.", LIBRARY, ask=ask).method == "llm"
    assert shown[0] == [plain(SCENES[2])] and len(shown[1]) == 3
