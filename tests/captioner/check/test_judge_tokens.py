"""Tokens of a caption stand where its words stand."""

from __future__ import annotations

from captioner.check.judge_tokens import sentences_of, tokens_of


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


def test_a_quote_may_end_a_sentence():
    told = sentences_of('A sign reads "Mind the gap." It is red. A "Go!" sign')
    assert [len(one) for one in told] == [4, 4, 3]


def test_a_chinese_letter_is_a_token_and_no_space_ends_a_sentence():
    told = sentences_of("画面中，一只猫跳下。它跑了！招牌写着“小心。”然后离开")
    assert ["".join(token.name for token in one) for one in told] == [
        "画面中,一只猫跳下.",
        "它跑了!",
        "招牌写着<quoted>",
        "然后离开",
    ]
