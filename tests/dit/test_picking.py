"""Picking rows: what a gather gives, and its gradient."""

import pytest
import torch

from dit.picking import Pick


@pytest.mark.parametrize("rows", [[2, 0, 3, 1], [3, 1]])
def test_values_and_gradients_are_those_of_a_gather(rows):
    index = torch.tensor(rows)
    back = index.argsort() if len(rows) == 4 else None
    found = []
    for pick in (lambda x: Pick.apply(x, index, back), lambda x: x[index]):
        x = torch.arange(8.0).reshape(4, 2).requires_grad_()
        out = pick(x)
        (out * torch.arange(1.0, 1 + len(rows))[:, None]).sum().backward()
        found.append((out.detach(), x.grad))
    assert all(torch.equal(a, b) for a, b in zip(*found, strict=True))
