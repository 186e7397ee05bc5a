"""Zero-shot scores: softmax of the margin between a concept's prompts and the neutral ones."""

from collections.abc import Sequence

import numpy as np
import pytest

from pipeline.scores.concepts import ConceptScorer


class Axes:
    """Texts as axes of a small space; "x y" is halfway between x and y."""

    logit_scale = 10.0

    def embed_texts(self, texts: Sequence[str]) -> np.ndarray:
        rows = np.array(
            [[float(axis in text.split()) for axis in "xyz"] for text in texts], np.float32
        )
        return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def test_score_is_the_softmax_of_the_scaled_cosines() -> None:
    scorer = ConceptScorer(Axes(), {"x": ["x"]}, ["z"])
    clip = np.array([0.6, 0.0, 0.8], np.float32)
    expected = np.exp(6.0) / (np.exp(6.0) + np.exp(8.0))
    assert scorer(clip)["x"] == pytest.approx(expected, rel=1e-5)


def test_rows_in_rows_out_and_bounds() -> None:
    scorer = ConceptScorer(Axes(), {"x": ["x"], "mixed": ["x", "y"]}, ["z"])
    scores = scorer(np.eye(3, dtype=np.float32))
    assert set(scores) == {"x", "mixed"} and scores["x"].shape == (3,)
    assert scores["x"][0] > 0.99 and scores["x"][2] < 0.01 and scores["x"][1] == pytest.approx(0.5)
    assert scores["mixed"][0] == pytest.approx(scores["mixed"][1])
    assert scores["x"].dtype == np.float32


def test_extreme_margins_do_not_overflow() -> None:
    model = Axes()
    model.logit_scale = 1e4
    with np.errstate(all="raise"):
        score = ConceptScorer(model, {"x": ["x"]}, ["z"])(np.array([1, 0, 0], np.float32))
    assert score["x"] == 1.0


def test_an_unmeasured_embedding_has_no_score() -> None:
    scorer = ConceptScorer(Axes(), {"x": ["x"]}, ["z"])
    assert np.isnan(scorer(np.full(3, np.nan, np.float32))["x"])


def test_no_concepts_no_columns() -> None:
    assert ConceptScorer(Axes(), {}, [])(np.zeros((4, 3))) == {}


def test_prompts_must_be_lists() -> None:
    with pytest.raises(ValueError, match="concept 'x' needs a list"):
        ConceptScorer(Axes(), {"x": "a black frame"}, ["z"])
    with pytest.raises(ValueError, match="neutral needs a list"):
        ConceptScorer(Axes(), {"x": ["x"]}, [])
