"""Captions counted in the tokenizer of the model that reads them, or in words, and said so."""

from __future__ import annotations

import pytest

from captioner.dialects.tokens import open_counter, shorten

TEXT = "A red circle moves. It stops! Then a blue square comes, and it goes."


def test_words_are_counted_where_there_is_no_tokenizer():
    counter = open_counter(None, "google/no-such-encoder")
    assert (counter.unit, counter.name) == ("words", "google/no-such-encoder")
    assert counter.count("A red circle.") == 4
    assert open_counter(None, "").unit == "words"


def test_a_tokenizer_counts_its_own_tokens(tmp_path):
    from transformers import PreTrainedTokenizerFast

    from pipeline.openclip.tokenizer import train_bpe

    words = train_bpe(["a red circle moves left", "a blue ring"] * 3, vocab_size=512)
    PreTrainedTokenizerFast(tokenizer_object=words).save_pretrained(tmp_path)
    counter = open_counter(str(tmp_path), "google/umt5-xxl")
    assert counter.unit == "tokens" and counter.count("a red circle") > 2
    assert counter.count("a red circle") < counter.count(TEXT)


def test_a_tokenizer_that_was_named_must_be_there(tmp_path):
    with pytest.raises(ValueError, match="no tokenizer can be opened at /no/such"):
        open_counter("/no/such", "")
    with pytest.raises(ValueError, match="no tokenizer can be opened"):
        open_counter(str(tmp_path), "")


def test_last_sentences_go_first():
    count = open_counter(None, "").count
    assert shorten(TEXT, 100, count) == TEXT
    assert shorten(TEXT, 8, count) == "A red circle moves. It stops!"
    assert shorten(TEXT, 1, count) == "A red circle moves."
