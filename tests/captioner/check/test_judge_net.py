"""The judge's weights load, stay small, and read every sentence for itself."""

from __future__ import annotations

import numpy as np

from captioner.check.judge_net import WEIGHTS, load_judge, packed, packed_vectors, scores
from captioner.check.judge_tokens import sentences_of

MOST_BYTES = 400_000


def test_the_weights_are_small_and_hold_no_code():
    assert WEIGHTS.stat().st_size <= MOST_BYTES
    judge = load_judge()
    assert len(judge.words) + 1 == len(judge.vectors)
    assert judge.nets
    assert np.isfinite(judge.vectors).all()


def test_talk_scores_higher_than_what_is_seen():
    told = scores(
        load_judge(),
        sentences_of("A man waters roses. This clip leaves a lasting impression on its viewers."),
    )
    assert told[0].max() < 0 < told[1][:-1].mean()


def test_a_sentence_is_read_alike_beside_any_other():
    judge = load_judge()
    texts = ("A man waters roses. A dog barks.", "The sea is rough and grey today. A dog barks.")
    one, other = (scores(judge, sentences_of(text))[1] for text in texts)
    assert np.allclose(one, other, atol=1e-4)


def test_nothing_has_no_scores():
    assert scores(load_judge(), []) == []


def test_packed_numbers_come_back_near():
    values = np.random.default_rng(0).normal(size=(6, 4)).astype(np.float32)
    small, scale = packed(values)
    assert np.abs(small * scale - values).max() <= scale.max() / 2 + 1e-6
    levels = packed_vectors(values)
    assert levels.shape == (6, 2) and levels.dtype == np.uint8
    back = np.stack([(levels & 15).astype(int) - 8, (levels >> 4).astype(int) - 8], axis=2)
    assert np.abs(back.reshape(6, 4) / 2.5 - np.clip(values, -2.8, 2.8)).max() <= 0.2 + 1e-6
