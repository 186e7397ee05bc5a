"""The arithmetic that GPUs run, run here as it stands: values and gradients are those of the CPU's own functions."""

import pytest
import torch

from dit import kernels
from dit.fused import Rows, add_gated, modulate, norm_turn
from dit.rope import real_turns, rope_turns

ROWS = Rows(torch.tensor([0, 0, 0, 1, 1, 1]), ((2, 3),))


def gradients(out, leaves, weight):
    return torch.autograd.grad((out.float() * weight).sum(), leaves)


def test_modulate():
    torch.manual_seed(0)
    x, shift, scale, weight = (torch.randn(n, 8) for n in (6, 2, 2, 6))
    leaves = [v.requires_grad_() for v in (x, shift, scale)]
    truth = modulate(x, shift, scale, ROWS, torch.float32)
    table = (shift[:, None], scale[:, None])
    out, mean, inverse = kernels.modulate(x.view(2, 3, 8), *table, torch.float32)
    torch.testing.assert_close(out.flatten(0, 1), truth)
    ours = kernels.modulate_back(weight.view(2, 3, 8), x.view(2, 3, 8), mean, inverse, table[1])
    for mine, theirs in zip(ours, gradients(truth, leaves, weight), strict=True):
        torch.testing.assert_close(mine.reshape(theirs.shape), theirs, atol=1e-5, rtol=1e-5)


def test_add_gated():
    torch.manual_seed(1)
    x, gate, h, weight = (torch.randn(n, 8) for n in (6, 2, 6, 6))
    leaves = [v.requires_grad_() for v in (gate, h)]
    truth = add_gated(x, gate, ROWS, h)
    out = kernels.add_gated(x.view(2, 3, 8), gate[:, None], h.view(2, 3, 8))
    torch.testing.assert_close(out.flatten(0, 1), truth)
    ours = kernels.add_gated_back(weight.view(2, 3, 8), gate[:, None], h.view(2, 3, 8))
    for mine, theirs in zip(ours, gradients(truth, leaves, weight), strict=True):
        torch.testing.assert_close(mine.reshape(theirs.shape), theirs)


@pytest.mark.parametrize("turned", [True, False])
def test_norm_turn(turned):
    torch.manual_seed(2)
    coords = torch.randint(0, 9, (6, 3))
    turns = rope_turns(coords, 12, 100.0)
    reals = real_turns(turns[:, 0].angle())
    x, gain, weight = torch.randn(6, 2, 12), torch.rand(12) + 0.5, torch.randn(6, 2, 12)
    leaves = [v.requires_grad_() for v in (x, gain)]
    truth = norm_turn(x, gain, turns if turned else None)
    out, inverse = kernels.norm_turn(x, gain, reals if turned else None)
    torch.testing.assert_close(out, truth, atol=1e-5, rtol=1e-5)
    grad_x, grad_gain = kernels.norm_turn_back(weight, x, gain, inverse, reals if turned else None)
    for mine, theirs in zip(
        (grad_x, grad_gain.sum(0)), gradients(truth, leaves, weight), strict=True
    ):
        torch.testing.assert_close(mine, theirs, atol=1e-4, rtol=1e-4)
