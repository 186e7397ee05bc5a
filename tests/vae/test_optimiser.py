"""The optimiser: orthogonal updates for matrices, AdamW's own arithmetic for the rest."""

from __future__ import annotations

import pytest
import torch

from vae.optimiser import MuonAdamW, orthogonalise


@pytest.mark.parametrize("shape", [(8, 40), (40, 8), (16, 16)])
def test_singular_values_end_near_one(shape):
    matrix = torch.randn(*shape, generator=torch.Generator().manual_seed(0))
    values = torch.linalg.svdvals(orthogonalise(matrix))
    assert values.min() > 0.5
    assert values.max() < 1.3
    u, _, v = torch.linalg.svd(matrix, full_matrices=False)
    cosine = (orthogonalise(matrix) * (u @ v)).sum() / (
        orthogonalise(matrix).norm() * (u @ v).norm()
    )
    assert cosine > 0.95


def test_other_groups_take_adamw_steps():
    torch.manual_seed(0)
    ours = torch.nn.Parameter(torch.randn(6))
    theirs = torch.nn.Parameter(ours.detach().clone())
    kind = {"lr": 0.01, "betas": (0.9, 0.98), "weight_decay": 0.1}
    a, b = MuonAdamW([{"params": [ours]}], **kind), torch.optim.AdamW([theirs], **kind)
    for _ in range(5):
        gradient = torch.randn(6)
        ours.grad, theirs.grad = gradient.clone(), gradient.clone()
        a.step()
        b.step()
    torch.testing.assert_close(ours, theirs)


def test_matrix_step_has_the_stated_size():
    weight = torch.nn.Parameter(torch.zeros(8, 4, 3, 3))
    weight.grad = torch.randn(8, 4, 3, 3)
    group = {"params": [weight], "matrix": True}
    MuonAdamW([group], lr=0.1, betas=(0.9, 0.98), weight_decay=0.0).step()
    rms = weight.detach().square().mean().sqrt()
    assert 0.6 * 0.02 < rms < 1.2 * 0.02  # 0.1 * 0.2, for singular values near one
