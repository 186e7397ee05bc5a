"""Signatures: exact means of cells, and distances that are blind to what they should be blind to."""

from __future__ import annotations

import numpy as np
import pytest

from pipeline.shots.signatures import (
    CELL_LAGS,
    COLUMNS,
    HISTORY,
    LAGS,
    PROFILE_LAGS,
    Signatures,
    compare,
    signatures,
)


def planes(n: int, seed: int = 0) -> np.ndarray:
    """Smooth noise, uint8 (n, 3, 36, 64) in limited range."""
    rng = np.random.default_rng(seed)
    coarse = rng.integers(40, 200, (n, 3, 9, 16))
    return np.kron(coarse, np.ones((1, 1, 4, 4))).astype(np.uint8)


def columns(frames: np.ndarray, chunk: int = 128) -> np.ndarray:
    past, parts = signatures(frames[:1]).frozen(HISTORY), []
    for start in range(0, len(frames), chunk):
        new = signatures(frames[start : start + chunk])
        parts.append(compare(past, new))
        past = past.then(new).tail(HISTORY)
    return np.concatenate(parts)


def test_means_of_cells_are_exact() -> None:
    frames = np.random.default_rng(1).integers(16, 236, (3, 3, 36, 64)).astype(np.uint8)
    found = signatures(frames)
    luma = (frames[:, 0].astype(np.float64) - 16) / 219
    np.testing.assert_allclose(found.grey, luma.reshape(3, 18, 2, 32, 2).mean((2, 4)), atol=1e-6)
    np.testing.assert_allclose(found.luma_mean, luma.mean((1, 2)), atol=1e-6)
    np.testing.assert_allclose(found.luma_std, luma.std((1, 2)), atol=1e-6)
    cells = luma.reshape(3, 9, 4, 16, 4).mean((2, 4)).reshape(3, -1)
    np.testing.assert_allclose(found.picture[:, :144] + 0.5, cells, atol=1e-6)
    assert np.allclose((found.colours**2).sum(1), 1)


def test_chunks_do_not_matter() -> None:
    frames = planes(70)
    np.testing.assert_allclose(columns(frames, 7), columns(frames, 70), atol=1e-3)


def test_distances_are_zero_for_a_still_and_large_across_a_cut() -> None:
    frames = np.concatenate([planes(1).repeat(60, 0), planes(1, 1).repeat(60, 0)])
    found = columns(frames)
    assert found.shape == (120, COLUMNS) and found.dtype == np.float32
    for k, lag in enumerate(LAGS):
        before, across = found[59, k :: len(LAGS)][:3], found[60 + lag - 1, k :: len(LAGS)][:3]
        assert np.all(before < 1e-3) and np.all(across > 0.1)
        if 60 + lag < 120:
            assert np.all(found[60 + lag, k :: len(LAGS)][:3] < 1e-3)


def test_structure_is_blind_to_exposure_and_profiles_to_shifts() -> None:
    wide = np.kron(np.random.default_rng(2).integers(40, 120, (1, 3, 9, 20)), np.ones((1, 1, 4, 4)))
    still, moved = wide[..., :64].astype(np.uint8), wide[..., 8:72].astype(np.uint8)
    bright = still.copy()
    bright[:, 0] = (still[:, 0] - 16) * 1.5 + 16
    lit = columns(np.concatenate([still, bright]))[1]
    panned = columns(np.concatenate([still, moved]))[1]
    profile = 3 * len(LAGS) + 8 * len(CELL_LAGS)
    assert lit[0] < 0.02 < 0.08 < lit[2 * len(LAGS)]
    assert panned[0] > 0.3 and panned[profile] < 0.05
    assert len(PROFILE_LAGS) == 3


def test_a_flat_picture_is_like_another_flat_one() -> None:
    flat = np.full((4, 3, 36, 64), 128, np.uint8)
    flat[2:, 0] = 60
    found = columns(flat)
    assert np.isfinite(found).all() and found[2, 0] == pytest.approx(0, abs=1e-3)
    assert found[2, 2 * len(LAGS)] > 0.1


def test_tail_and_then_undo_each_other() -> None:
    one = signatures(planes(5))
    both: Signatures = one.frozen(3).then(one)
    assert len(both.grey) == 8
    np.testing.assert_array_equal(both.tail(5).picture, one.picture)
