"""English with foreign names and signs is English; one foreign sentence is not."""

from __future__ import annotations

import pytest

from captioner.check.language import hide_quotes, is_off_language, show_quotes, unquoted


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


@pytest.mark.parametrize(
    ("text", "off"),
    [
        ("Der Hund schläft hier.", False),  # one small word of German: it may be a name
        ("Der Hund und Katze.", True),  # two of four words
        ("Der Hund und.", False),  # too short to tell
        ("Der Hund und die Katze in the garden at night.", False),  # as many of each language
        ("Der Hund und die Katze in the garden tonight.", True),
        ("Der Hund und Katze Maus Tiger Pferd Kuh Schwein Huhn.", True),  # two of ten: a fifth
        ("Der Hund und Katze Maus Tiger Pferd Kuh Schwein Huhn Ente. It is the end of the day in the city.", False),
        ("Der. Und. A dog runs.", False),
        ("Koira juoksee nurmikolla vihreä metsä järvi aurinko paistaa.", True),  # eight, none known
        ("Koira juoksee nurmikolla vihreä metsä järvi aurinko.", False),
        ("The koira juoksee nurmikolla vihreä metsä järvi aurinko.", False),  # one of eight
        ("The koira juoksee nurmikolla vihreä metsä järvi aurinko paistaa.", True),  # one of nine
        ("A dog named \u0416\u0443\u043a runs.", False),  # three letters
        ("A dog named \u0416\u0443\u043a\u0430 runs.", True),  # four
        ("A dog named \u72ac runs.", False),  # a sign that is a word
        ("A dog named \u72ac\u72ac runs.", True),
        ("Ph\u1ed1 c\u1ed5 H\u1ed9i An \u1ea1 \u1ebf has lanterns.", False),  # Vietnamese letters are Latin
        ("\u024f\u024f\u024f\u024f \u1e00\u1e00\u1e00\u1e00 \u1eff\u1eff\u1eff\u1eff are letters.", False),
        ("5 \u00b5m and 7 \u2126, \u00b5\u2126\u00b5\u2126 on a dial.", False),
    ],
)  # fmt: skip
def test_where_another_language_begins(text: str, off: bool) -> None:
    assert is_off_language(text) == off


@pytest.mark.parametrize(
    ("language", "text", "off"),
    [
        ("zh", "A man in a red coat walks his dog through the snow.", True),
        ("zh", "この動画では、犬が雪の中を走っている。", True),
        ("zh", "一名男子在LEGO商店前等候。", False),
        ("ja", "一名身穿白色衬衫的男子站在讲台前发言。", True),
        ("ko", "A red bus stops at the corner.", True),
        ("ru", "A red bus stops at the corner.", True),
        ("fr", "A red bus stops at the corner and two women get off.", True),
        ("fr", "Un homme traverse la place et salue une femme.", False),
        ("es", "Zwei Kinder bauen am Strand eine Sandburg, und im Hintergrund laufen Leute.", True),
        ("pt", "Un hombre cruza la plaza y saluda a una mujer con flores.", True),
        ("it", "Un homme traverse la place et salue une femme qui vend des fleurs.", True),
        ("hi", "A red bus stops at the corner.", True),
    ],
)
def test_any_language_that_was_asked_for(language: str, text: str, off: bool) -> None:
    assert is_off_language(text, language) == off


def test_quotations_are_hidden_and_shown_again() -> None:
    text = 'A sign reads "No, thanks" and a boy says “Yes. Now.” twice.'
    hidden, quotes = hide_quotes(text)
    assert hidden == "A sign reads \ue0000\ue001 and a boy says \ue0001\ue001 twice."
    assert quotes == ['"No, thanks"', "“Yes. Now.”"]
    assert show_quotes(hidden, quotes) == text
    assert show_quotes("A boy says \ue0001\ue001", quotes) == "A boy says “Yes. Now.”"
