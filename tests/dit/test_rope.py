"""Rotary embedding against its formula: Su et al. 2021, equation 15, one set of frequencies per axis."""

from __future__ import annotations

import math

import pytest
import torch

from dit.rope import axis_pairs, real_turns, rope_turns, rotate


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


@pytest.mark.parametrize(
    ("head_dim", "axes", "pairs"),
    [(12, 3, [2, 2, 2]), (8, 3, [1, 1, 2]), (16, 3, [2, 3, 3]), (10, 2, [2, 3]), (4, 1, [2])],
)
def test_what_is_left_over_goes_to_the_last_axes(
    head_dim: int, axes: int, pairs: list[int]
) -> None:
    """Checkpoints hold weights for this split: another one scrambles every model that was trained."""
    assert axis_pairs(head_dim, axes) == pairs


def test_real_turns_are_the_same_rotation() -> None:
    """The GPU's kernels take these: a wrong sign turns the other way there and only there."""
    x = torch.randn(5, 2, 8, generator=torch.Generator().manual_seed(0))
    turns = rope_turns(torch.arange(15.0).view(5, 3), 8, 100.0)
    cos, sin = real_turns(turns[:, 0].angle()).unbind(1)
    swapped = x.unflatten(-1, (-1, 2)).flip(-1).flatten(-2)
    torch.testing.assert_close(x * cos[:, None] + swapped * sin[:, None], rotate(x, turns))
    torch.testing.assert_close(rotate(x, turns).norm(dim=-1), x.norm(dim=-1))
