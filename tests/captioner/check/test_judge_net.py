"""The judge's net loads, tells talk from what is seen, and reads texts of any length."""

from __future__ import annotations

import numpy as np

from captioner.check.judge_net import FOLDER, MOST_LETTERS, letter_odds, load_judge, windows

MOST_BYTES = 20_000_000


def test_the_weights_are_small_and_load_at_once():
    assert sum(one.stat().st_size for one in FOLDER.iterdir()) <= MOST_BYTES
    assert load_judge() is load_judge()


def test_talk_scores_higher_than_what_is_seen():
    text = "A man waters roses. This clip leaves a lasting impression on its viewers."
    odds = letter_odds(load_judge(), text)
    cut = text.index("This")
    assert odds.shape == (len(text),)
    assert np.nanmax(odds[:cut]) < 0 < np.nanmin(odds[cut:-1])


def test_the_same_words_are_read_in_their_sentence():
    seen, talk = (
        letter_odds(load_judge(), text)
        for text in (
            "The blade slides through the rind, revealing the red flesh of a melon.",
            "He looks away from his brother, revealing the depth of his grief and longing.",
        )
    )
    assert np.nanmean(seen[40:]) < 0 < np.nanmean(talk[40:])


def test_letters_between_words_have_no_odds():
    odds = letter_odds(load_judge(), "A dog  runs.")
    assert np.isnan(odds[[1, 5, 6]]).all() and np.isfinite(odds[[0, 2, 3, 4, 7]]).all()
    assert letter_odds(load_judge(), "").shape == (0,)
    assert np.isnan(letter_odds(load_judge(), " \n ")).all()


def test_a_long_text_is_read_in_whole_sentences():
    sentence = "A man in a grey coat carries a ladder across the yard and leans it on a wall. "
    text = sentence * 40
    spans = list(windows(text))
    assert spans[0][0] == 0 and spans[-1][1] == len(text.rstrip())
    assert all(end == start for (_, end), (start, _) in zip(spans, spans[1:], strict=False))
    assert all(stop - start <= MOST_LETTERS for start, stop in spans)
    assert all(text[stop - 1] == "." for _, stop in spans)
    odds = letter_odds(load_judge(), text)
    assert np.isfinite(odds[[0, len(text) // 2 // len(sentence) * len(sentence), -3]]).all()


def test_a_sentence_without_an_end_is_read_as_far_as_the_net_goes():
    text = "dog " * 3000
    odds = letter_odds(load_judge(), text)
    assert np.isfinite(odds[0]) and np.isnan(odds[-2])
