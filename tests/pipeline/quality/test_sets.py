"""Diversity and Frechet distances against what is known in closed form, and against another way to compute them."""

from __future__ import annotations

import numpy as np
import pytest

from pipeline.quality.overall import WEIGHTS, overall
from pipeline.quality.relevance import relevance
from pipeline.quality.sets import creativity, frechet_distance, fvd


def test_creativity_counts_how_many_are_different() -> None:
    assert creativity(np.ones((1, 4))) is None
    assert creativity(np.ones((5, 4))) == pytest.approx(0)
    assert creativity(np.eye(5)) == pytest.approx(1)
    half = np.repeat(np.eye(2), 3, axis=0)  # six videos of two kinds: the score is 2
    assert creativity(half) == pytest.approx((2 - 1) / (6 - 1))


def test_frechet_distance_of_known_gaussians() -> None:
    """Along one axis it is (difference of means)^2 + (difference of deviations)^2."""
    rng = np.random.default_rng(0)
    base = rng.normal(size=(4000, 3))
    base = (base - base.mean(0)) @ np.linalg.inv(np.linalg.cholesky(np.cov(base, rowvar=False)).T)
    a, b = base * [1, 2, 3] + [0, 0, 1], base * [2, 2, 1] + [4, 0, 0]
    assert frechet_distance(a, b) == pytest.approx(16 + 1 + 1 + 4, rel=1e-6)
    assert frechet_distance(a, a) == pytest.approx(0, abs=1e-6)


def test_frechet_distance_is_that_of_the_matrix_root() -> None:
    """An oracle: the formula of the paper with a matrix square root found by Newton's iteration."""
    rng = np.random.default_rng(1)
    a = rng.normal(size=(50, 6)) @ rng.normal(size=(6, 6))
    b = rng.normal(size=(60, 6)) @ rng.normal(size=(6, 6)) + 1
    first, second = np.cov(a, rowvar=False), np.cov(b, rowvar=False)
    product = first @ second
    root, inverse = product / np.linalg.norm(product), np.eye(6)
    for _ in range(60):  # Denman and Beavers 1976
        root, inverse = (root + np.linalg.inv(inverse)) / 2, (inverse + np.linalg.inv(root)) / 2
    root *= np.linalg.norm(product) ** 0.5
    gap = a.mean(0) - b.mean(0)
    expected = gap @ gap + np.trace(first + second - 2 * root)
    assert frechet_distance(a, b) == pytest.approx(expected, rel=1e-6)


def test_what_cannot_be_compared_is_refused() -> None:
    with pytest.raises(ValueError, match="at least two videos"):
        frechet_distance(np.ones((1, 3)), np.ones((4, 3)))
    with pytest.raises(ValueError, match="cannot be compared"):
        frechet_distance(np.ones((3, 3)), np.ones((3, 4)))


def test_fvd_takes_any_features() -> None:
    videos = [np.full((2, 4, 4, 3), level, np.uint8) for level in (10, 20, 30, 40)]

    def mean_level(video: np.ndarray) -> np.ndarray:
        return np.array([video.mean()])

    assert fvd(mean_level, videos, videos) == pytest.approx(0, abs=1e-9)
    assert fvd(mean_level, videos, [v + 5 for v in videos]) == pytest.approx(25)


def test_the_overall_figure_leaves_out_what_is_not_known() -> None:
    assert sum(WEIGHTS.values()) == pytest.approx(1)
    parts = {"coherence": 0.5, "fluency": 1.0, "relevance": None, "creativity": None}
    assert overall(parts) == pytest.approx((0.4 * 0.5 + 0.3) / 0.7)
    assert overall({}) is None


def test_relevance_is_the_rank_among_distractors() -> None:
    frames = np.array([[1.0, 0, 0], [1.0, 0, 0]])
    distractors = np.array([[0.9, 0, 0], [0.5, 0, 0], [0.2, 0, 0], [0.0, 1, 0]])
    found = relevance(np.array([[1.0, 0, 0], [0.3, 0, 0], [-1.0, 0, 0]]), frames, distractors)
    assert found.shares.tolist() == [1.0, 0.5, 0.0]
    assert found.score == pytest.approx(0.5)
    with pytest.raises(ValueError, match="at least one"):
        relevance(np.zeros((0, 3)), frames, distractors)
