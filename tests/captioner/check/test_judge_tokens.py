"""Tokens of a caption stand where its words stand."""

from __future__ import annotations

from captioner.check.judge_tokens import SUFFIXES, sentences_of, suffix_of, tokens_of


def test_a_token_is_what_stands_at_its_place():
    text = 'The cook\'s pan, 0:04 — "Hot  stuff" (well-made).'
    tokens = tokens_of(text)
    assert [text[one.start : one.end] for one in tokens] == [
        "The", "cook's", "pan", ",", "0:04", "—", '"Hot  stuff"', "(", "well", "-", "made", ")", ".",
    ]  # fmt: skip
    assert [one.name for one in tokens][:7] == [
        "the", "cook", "pan", ",", "<number>", "--", "<quoted>",
    ]  # fmt: skip


def test_sentences_end_before_a_capital_and_at_lines():
    told = sentences_of("He runs. She stops at 3.5 m. and waits\nThe end? Yes")
    assert [" ".join(token.name for token in one) for one in told] == [
        "he runs .",
        "she stops at <number> m . and waits",
        "the end ?",
        "yes",
    ]


def test_an_end_of_a_word_has_one_place():
    running, singing, the = (tokens_of(word)[0] for word in ("running", "singing", "the"))
    assert suffix_of(running) == suffix_of(singing)
    assert 0 < suffix_of(running) < SUFFIXES
    assert suffix_of(the) == 0
