"""Broken JSON is read for what it says; no value is made up, and none is changed."""

from __future__ import annotations

import json
import random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from captioner.check.mend_json import mend_json

DOG = {"name": "dog", "count": 2, "tags": ["wet", "brown"], "seen": True, "score": -1.5e3}


def values(node: Any) -> list[Any]:
    if isinstance(node, dict):
        return [v for value in node.values() for v in values(value)] + list(node)
    if isinstance(node, list):
        return [v for value in node for v in values(value)]
    return [node]


@pytest.mark.parametrize(
    "text",
    [
        json.dumps(DOG),
        f"Here you are:\n```json\n{json.dumps(DOG, indent=2)}\n```\nAnything else?",
        json.dumps(DOG).replace("}", ",}").replace("]", ", ]"),
        str(DOG),  # Python's quotes and words
        "{name: 'dog', count: 2, tags: ['wet', 'brown'], seen: true, score: -1.5e3}",
        "{\u201cname\u201d: \u201cdog\u201d, \u201ccount\u201d: 2, \u201ctags\u201d: [\u201cwet\u201d, "
        "\u201cbrown\u201d], \u201cseen\u201d: true, \u201cscore\u201d: -1500}",
        json.dumps(DOG, indent=1).replace(",\n", "\n"),  # no commas at all
        json.dumps(DOG, indent=1).replace("2,", "2, // two of them"),
    ],
)
def test_usual_faults_leave_no_doubt(text: str) -> None:
    assert json.loads(mend_json(text) or "null") == DOG


def test_quotes_and_breaks_inside_a_string_are_kept() -> None:
    text = '{"what": "a sign reading "Open, now" above a door", "who": "it\'s a dog", "n": 1}'
    assert json.loads(mend_json(text) or "null") == {
        "what": 'a sign reading "Open, now" above a door',
        "who": "it's a dog",
        "n": 1,
    }
    assert json.loads(mend_json('{"a": "one\ntwo", "b": "c\\d"}') or "null") == {
        "a": "one\ntwo",
        "b": "c\\d",
    }
    assert json.loads(mend_json("{'a': 'the dog\\'s ball', 'b': 'x'}") or "null") == {
        "a": "the dog's ball",
        "b": "x",
    }


def test_what_was_cut_off_is_left_out_not_completed() -> None:
    whole = json.dumps(DOG)
    for end in range(1, len(whole)):
        mended = mend_json(whole[:end])
        if mended is None:
            continue
        found = json.loads(mended)
        for key, value in found.items():
            if key == "tags":
                assert value == DOG["tags"][: len(value)]  # type: ignore[index]
            else:
                assert value == DOG[key]
    assert mend_json('{"name": "dog", "colour": "bro') == '{"name": "dog"}'
    assert mend_json('{"name": "dog", "count": 1') == '{"name": "dog"}', "it may have been 12"


@pytest.mark.parametrize(
    "text",
    ["", "A dog runs.", "{", "{}", "[1, 2]", '{"a": @}', '{"a": 1, "a": 2}', "{" * 5000, "{:}"],
)
def test_what_says_nothing_certain_is_refused(text: str) -> None:
    assert mend_json(text) is None


TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\x00"), max_size=12)
LEAF = st.none() | st.booleans() | st.integers(-999, 999) | TEXT
TREE = st.recursive(
    LEAF, lambda t: st.lists(t, max_size=3) | st.dictionaries(TEXT, t, max_size=3), max_leaves=12
)


@given(st.dictionaries(TEXT, TREE, min_size=1, max_size=4), st.integers(0, 9))
def test_sound_json_is_itself(tree: dict[str, Any], indent: int) -> None:
    for text in (json.dumps(tree), json.dumps(tree, indent=indent, ensure_ascii=False)):
        assert json.loads(mend_json(text) or "null") == tree


WORDS = st.text("abcdefg hij", min_size=1, max_size=12)
PLAIN = st.dictionaries(
    st.text("abcdefg", min_size=1, max_size=6),
    WORDS | st.integers(0, 99) | st.lists(WORDS | st.integers(0, 99), max_size=3),
    min_size=1,
    max_size=4,
)


@given(PLAIN, st.integers(0, 10**6))
def test_random_damage_never_makes_a_value_up(tree: dict[str, Any], seed: int) -> None:
    text = json.dumps(tree)
    draw = random.Random(seed)
    at = draw.randrange(len(text))
    damaged = text[:at] if draw.random() < 0.5 else text[:at] + text[at + 1 :]
    mended = mend_json(damaged)
    for value in values(json.loads(mended)) if mended else []:
        assert not isinstance(value, str) or value in damaged
        assert not isinstance(value, int) or str(value) in damaged


@pytest.mark.parametrize(
    ("said", "kept"),
    [
        ('{"a": "caf\u00e9",}', '{"a": "caf\u00e9"}'),  # as it is, not escaped
        ('{"a": "one" , /* x */ "b": 2}', '{"a": "one", "b": 2}'),
        ('{"a": "he said \u201cyes\u201d: twice", "b": 2}', '{"a": "he said \u201cyes\u201d: twice", "b": 2}'),
        ('{"a": "the "X" mark", "b": 2}', '{"a": "the \\"X\\" mark", "b": 2}'),
        ('{"a": "one, "X, two" there", "b": 2}', '{"a": "one, \\"X, two\\" there", "b": 2}'),
        ('{"a": "one", None: 2}', '{"a": "one", "None": 2}'),
        ('{"a": ["one", None, "two", True, \'x\'], "b": 3,}', '{"a": ["one", null, "two", true, "x"], "b": 3}'),
        ('{"a": ["one"\n"two"]}', '{"a": ["one", "two"]}'),
        ('{"a": "one"\n\n"b": 2}', '{"a": "one", "b": 2}'),
        ('{"a": "one"\nthen "two" again"}', '{"a": "one\\"\\nthen \\"two\\" again"}'),
        ('{"a": "x\\ud83dy",}', '{"a": "xy"}'),  # half of a character is none
        ('{"a": [["one"], ["two"], X]}', None),
        ('{"a": ["X]", "Y}"],}', '{"a": ["X]", "Y}"]}'),
        ('{"a": [1, [2, 3]}', '{"a": [1, [2, 3]]}'),  # left open before the brace
        ('{"a": 1, "b', '{"a": 1}'),
        ('{"a": 1, "b"', '{"a": 1}'),
        ('{"a": 1, "b" 2}', '{"a": 1}'),
        ('{"a": nul', None),
        ('{"a": 1, b: nul', '{"a": 1}'),
    ],
)  # fmt: skip
def test_what_is_read_of_a_broken_text(said: str, kept: str | None) -> None:
    assert mend_json(said) == kept
