"""Rotary embedding against its formula: Su et al. 2021, equation 15, one set of frequencies per axis."""

from __future__ import annotations

import math

import pytest
import torch

from dit.rope import axis_pairs, rope_turns


@pytest.mark.parametrize("head_dim", [8, 12, 24, 48])
@pytest.mark.parametrize("theta", [100.0, 10_000.0])
def test_every_pair_turns_by_its_frequency(head_dim: int, theta: float) -> None:
    """Frequencies that fall twice as fast leave most pairs standing still: far tokens then look alike."""
    coords = torch.tensor([[2.0, 3.0, 5.0], [0.5, 7.0, 1.0]])
    turns = rope_turns(coords, head_dim, theta)[:, 0]
    column = 0
    for axis, pairs in enumerate(axis_pairs(head_dim, 3)):
        for j in range(pairs):
            for row in range(2):
                angle = float(coords[row, axis]) * theta ** (-j / pairs)
                assert turns[row, column].real == pytest.approx(math.cos(angle), abs=1e-5)
                assert turns[row, column].imag == pytest.approx(math.sin(angle), abs=1e-5)
            column += 1
    assert column == head_dim // 2


def test_the_slowest_pair_of_an_axis_turns_by_less_than_theta_and_more_than_its_next() -> None:
    one = rope_turns(torch.ones(1, 1), 32, 100.0)[0, 0].angle()
    assert one[0] == pytest.approx(1.0)
    ratios = one[1:] / one[:-1]
    assert torch.allclose(ratios, torch.full_like(ratios, 100.0 ** (-1 / 16)), atol=1e-5)
