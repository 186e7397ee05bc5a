"""Coherence and fluency fall with known damage, and stand at 1 for stillness."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.video_judge import COHERENCE, FLUENCY, clips_of_world, correlation, spearman
from pipeline.quality.motion import motion_quality


@pytest.fixture(scope="module")
def clip() -> np.ndarray:
    return clips_of_world(1)[0][:13]


@pytest.mark.parametrize("kind", COHERENCE)
def test_coherence_ranks_damage(clip: np.ndarray, kind: str) -> None:
    assert correlation("coherence", COHERENCE[kind], clip, 0) >= 0.9


@pytest.mark.parametrize("kind", FLUENCY)
def test_fluency_ranks_damage(clip: np.ndarray, kind: str) -> None:
    assert correlation("fluency", FLUENCY[kind], clip, 0) >= 0.8


def test_a_still_video_is_coherent_and_fluent_and_does_not_move(clip: np.ndarray) -> None:
    still = motion_quality(np.repeat(clip[:1], 5, axis=0))
    assert still is not None
    assert still.coherence > 0.99 and still.fluency > 0.99 and still.motion < 1e-3


def test_too_short_to_tell_and_wrong_arrays(clip: np.ndarray) -> None:
    assert motion_quality(clip[:2]) is None
    with pytest.raises(ValueError, match="RGB frames"):
        motion_quality(clip[..., 0])


def test_spearman_is_that_of_the_textbook() -> None:
    assert spearman([1, 2, 3], [10, 20, 40]) == pytest.approx(1)
    assert spearman([1, 2, 3, 4], [4, 3, 2, 1]) == pytest.approx(-1)
    assert spearman([1, 1, 2], [1, 2, 3]) == pytest.approx(0.866, abs=1e-3)
    assert spearman([1, 1, 1], [1, 2, 3]) == 0
