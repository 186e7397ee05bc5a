"""English with foreign names and signs is English; one foreign sentence is not."""

from __future__ import annotations

import pytest

from captioner.check.language import is_off_language, unquoted


@pytest.mark.parametrize(
    "text",
    [
        'A sign in Chinese reads "\u51fa\u53e3" over a glass door.',
        "A slate says \u201cHeute ist die K\u00fcche zu\u201d beside a door.",
        "A man in Paris sells croque-monsieur and tarte aux pommes from a cart.",
        "Red.",
        "Two kilns at 900 \u00b0C; \u03c0 is drawn on a wall.",
        "An old man's dog's bowl is under the boys' bench.",
    ],
)
def test_english(text: str) -> None:
    assert not is_off_language(text)


@pytest.mark.parametrize(
    "text",
    [
        "A man walks. Er tr\u00e4gt einen roten Mantel und schwarze Schuhe.",
        "\u041c\u0443\u0436\u0447\u0438\u043d\u0430 \u0438\u0434\u0435\u0442.",
        "A dog \u5728\u8349\u5730 runs.",
        "Un chien court sur une pelouse verte pendant que les enfants jouent.",
        "Dwaj ch\u0142opcy graj\u0105 w szachy przy stole w parku.",
    ],
)
def test_not_english(text: str) -> None:
    assert is_off_language(text)


def test_quotes_are_left_out_and_apostrophes_are_no_quotes() -> None:
    assert unquoted('It says "no" twice.').split() == ["It", "says", '""', "twice."]
    assert unquoted("the dog's and the cats' bowls") == "the dog's and the cats' bowls"
