"""Captions taken apart: nothing lost, nothing too long, clauses keep their subject."""

from __future__ import annotations

import re

from hypothesis import given, settings
from hypothesis import strategies as st

from captioner.truth.assertions import LIMIT, sentences, split, word_count

LONG = (
    "A golden retriever with a red collar runs along a sandy beach toward the camera, splashing through shallow "
    "waves, while two children in blue jackets chase it and laugh."
)


def test_sentences_end_where_sentences_end():
    text = 'Mr. Smith waves at 3.5 km/h. He says "Stop." A dog runs!  The end?'
    said = ["Mr. Smith waves at 3.5 km/h.", 'He says "Stop."', "A dog runs!", "The end?"]
    assert sentences(text) == said


def test_a_short_sentence_is_one_assertion():
    assert split("A dog runs. The sky is blue.") == [("A dog runs.",) * 2, ("The sky is blue.",) * 2]  # fmt: skip


def test_clauses_keep_the_subject_of_their_sentence():
    parts = [part for part, _ in split(LONG)]
    assert parts[0].startswith("A golden retriever with a red collar runs along a sandy beach")
    assert parts[1] == "A golden retriever with a red collar splashing through shallow waves"
    assert parts[2].startswith("two children in blue jackets")


@settings(deadline=None, max_examples=50)
@given(st.lists(st.sampled_from(LONG.split() + [".", ";", "and", "The"]), max_size=120))
def test_every_word_is_in_an_assertion_of_at_most_twenty_tokens(words):
    text = " ".join(words)
    parts = [part for part, _ in split(text)]
    assert all(word_count(part) <= LIMIT for part in parts)
    said = set(re.findall(r"\w+", " ".join(parts)))
    joints = {"and", "while"}  # a clause may end where it joins the next
    assert set(re.findall(r"\w+", text)) - joints <= said


def test_one_endless_word_run_is_cut():
    parts = split("word " * 100)
    assert len(parts) >= 5 and all(word_count(part) <= LIMIT for part, _ in parts)
