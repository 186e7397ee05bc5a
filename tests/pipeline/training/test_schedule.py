"""The learning rate: rise, peak, and two ways down."""

from __future__ import annotations

import pytest

from pipeline.training.schedule import constant_then_linear, cosine, warmup


def test_a_warm_up_is_linear_and_ends_after_its_steps() -> None:
    assert [warmup(step, 0.0, 4) for step in range(5)] == [0.25, 0.5, 0.75, 1.0, 1.0]
    assert warmup(0, 0.0, 0) == 1.0


def test_a_warm_up_takes_a_tenth_of_a_short_run_at_most() -> None:
    assert warmup(4, 0.05, 100) == pytest.approx(0.5)
    assert warmup(9, 0.1, 100) == 1.0


def test_the_fall_is_linear_over_the_last_share() -> None:
    assert constant_then_linear(0.59, 0.4) == 1.0
    assert constant_then_linear(0.8, 0.4) == pytest.approx(0.5)
    assert constant_then_linear(1.0, 0.4) == 0.0
    assert constant_then_linear(1.0, 0.0) == 1.0  # no fall at all


def test_a_cosine_ends_at_its_last_value() -> None:
    assert cosine(0.0, 0.1) == 1.0
    assert cosine(0.5, 0.0) == pytest.approx(0.5)
    assert cosine(1.0, 0.1) == pytest.approx(0.1)
    assert cosine(1.5, 0.1) == pytest.approx(0.1)
    assert cosine(1.0) == 0.0, "to nothing, where no last value is named"
