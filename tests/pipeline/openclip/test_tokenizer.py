"""The embedded tokenizer: world words are one token, anything else survives as bytes, files are stock."""

from pathlib import Path

import pytest

from pipeline.openclip.tokenizer import BOS_ID, EOS_ID, PAD_ID, save_tokenizer, train_bpe
from pipeline.world.captions import caption
from pipeline.world.scene import random_scene


@pytest.fixture(scope="module")
def texts() -> list[str]:
    return [caption(random_scene(i), kind) for i in range(400) for kind in ("dense", "short")]


def test_words_of_the_corpus_are_one_token_each(texts: list[str]) -> None:
    tokenizer = train_bpe(texts)
    encoded = tokenizer.encode("A red circle bounces up and down.", add_special_tokens=False)
    assert len(encoded.ids) == 8
    assert tokenizer.get_vocab_size() <= 1024


def test_any_text_round_trips_through_bytes(texts: list[str]) -> None:
    tokenizer = train_bpe(texts, vocab_size=300)
    for text in ("zwölf boxkämpfer", "日本語 \u2603 tab\there", "x = {1: 2}"):
        ids = tokenizer.encode(text).ids
        assert ids[0] == BOS_ID and ids[-1] == EOS_ID and PAD_ID not in ids
        assert tokenizer.decode(ids).strip() == text


def test_case_does_not_matter(texts: list[str]) -> None:
    tokenizer = train_bpe(texts)
    assert tokenizer.encode("A RED Circle").ids == tokenizer.encode("a red circle").ids


def test_saved_files_load_as_a_stock_tokenizer(texts: list[str], tmp_path: Path) -> None:
    from transformers import AutoTokenizer

    tokenizer = train_bpe(texts)
    save_tokenizer(tokenizer, tmp_path, context_length=16)
    loaded = AutoTokenizer.from_pretrained(str(tmp_path))
    row = loaded(texts[0], max_length=16, padding="max_length", truncation=True).input_ids
    assert row[:15] == tokenizer.encode(texts[0]).ids[:15]
    assert row[-1] == EOS_ID and len(row) == 16
    short = loaded("a ring", max_length=16, padding="max_length", truncation=True).input_ids
    assert short[-1] == PAD_ID and EOS_ID in short


def test_too_small_a_vocabulary_is_refused() -> None:
    with pytest.raises(ValueError, match="specials and bytes alone take 259"):
        train_bpe(["a"], vocab_size=100)
