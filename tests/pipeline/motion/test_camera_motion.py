"""Movement of the whole picture is found to a fraction of a pixel, and what moves in it is not taken for it."""

from __future__ import annotations

import numpy as np
import pytest

from pipeline.motion.camera_motion import COLUMNS, camera_steps, chunk_steps, step_frames

SHAPE = (18, 32)
DIAGONAL = np.hypot(*SHAPE)


def ground(right: float = 0, down: float = 0, grow: float = 0, gain: float = 1) -> np.ndarray:
    """float32 (18, 32): waves over the whole picture, moved by pixels and grown by a natural logarithm."""
    y, x = np.mgrid[: SHAPE[0], : SHAPE[1]].astype(np.float64)
    x, y = x - 15.5, y - 8.5
    x, y = (x - right) * np.exp(-grow), (y - down) * np.exp(-grow)
    rng = np.random.default_rng(4)
    waves = [np.sin(a * x + b * y + c) for a, b, c in rng.uniform(-0.9, 0.9, (6, 3)) * [1, 1, 3]]
    return (0.5 + 0.07 * gain * np.sum(waves, axis=0)).astype(np.float32)


def step(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    return camera_steps(first[None], second[None])[0]


@pytest.mark.parametrize("right,down", [(0.3, 0), (0, -0.6), (1.5, 0.5), (-2, 1)])
def test_shift_in_diagonals(right: float, down: float) -> None:
    found = step(ground(), ground(right, down))
    assert found[:2] * DIAGONAL == pytest.approx([right, down], abs=0.15)
    assert abs(found[2]) < 0.01


@pytest.mark.parametrize("grow", [0.03, -0.05])
def test_growth_is_a_logarithm(grow: float) -> None:
    found = step(ground(), ground(grow=grow))
    assert found[2] == pytest.approx(grow, abs=0.01)
    assert np.abs(found[:2]).max() * DIAGONAL < 0.1


def test_rest_and_a_change_of_light_are_no_movement() -> None:
    first = ground()
    noise = np.random.default_rng(0).normal(0, 0.004, SHAPE).astype(np.float32)
    assert np.abs(step(first, first + noise)[:3]).max() < 0.002
    assert np.abs(step(first, first + 0.1)[:3]).max() < 0.002


def test_an_object_of_great_contrast_moves_alone() -> None:
    """A quarter of the picture moves by two pixels; the faint ground stands, or goes the other way."""

    def picture(at: int, shift: float) -> np.ndarray:
        out = ground(shift, gain=0.5)
        out[4:14, at : at + 14] = 1.0
        return out

    assert np.abs(step(picture(8, 0), picture(10, 0))[:2]).max() * DIAGONAL < 0.1
    found = step(picture(8, 0), picture(10, -0.8))
    assert found[0] * DIAGONAL == pytest.approx(-0.8, abs=0.2)


def test_spread_says_how_much_there_is_to_go_by() -> None:
    flat = np.full(SHAPE, 0.4, np.float32)
    marked = flat.copy()
    marked[6:11, 4:9] = 0.9
    assert step(flat, flat)[3] == 0
    assert step(marked, marked)[3] < 0.3
    assert step(ground(), ground())[3] > 0.75


def test_chunks_do_not_show() -> None:
    pictures = np.stack([ground(0.2 * t) for t in range(40)])
    whole = chunk_steps(pictures[:0], pictures, 0, 3)
    assert whole.shape == (40, COLUMNS)
    assert np.flatnonzero(np.isfinite(whole[:, 0])).tolist() == list(range(3, 40, 3))
    parts = [
        chunk_steps(pictures[max(0, a - 5) : a], pictures[a:b], a, 3)
        for a, b in ((0, 2), (2, 17), (17, 18), (18, 40))
    ]
    np.testing.assert_allclose(np.concatenate(parts), whole, atol=1e-6)
    with pytest.raises(ValueError, match="steps of 3 frames"):
        chunk_steps(pictures[:1], pictures[17:], 17, 3)


def test_steps_last_a_tenth_of_a_second() -> None:
    assert [step_frames(fps) for fps in (1, 10, 24, 30, 60, 1e6)] == [1, 1, 2, 3, 6, 30]
