"""The fused elementwise steps against their composites: values and gradients."""

import pytest
import torch

from dit.fused import (
    Rows,
    add_gated,
    composite_add_gated,
    composite_modulate,
    composite_norm_turn,
    modulate,
    norm_turn,
    rows_of,
)
from dit.rope import rope_turns

INDEX = torch.tensor([0, 0, 1, 1, 2, 2, 2, 3])
ROWS = (Rows(INDEX), rows_of(INDEX))
"""By index, and in runs."""


def compare(fused, composite, tensors, others, tolerance=1e-5):
    weight = torch.randn_like(composite(*tensors, *others).float())
    results = []
    for function in (fused, composite):
        leaves = [t.clone().requires_grad_() for t in tensors]
        out = function(*leaves, *others)
        results.append((out, *torch.autograd.grad((out.float() * weight).sum(), leaves)))
    for ours, reference in zip(*results, strict=True):
        assert ours.dtype == reference.dtype
        torch.testing.assert_close(ours, reference, atol=tolerance, rtol=tolerance)


@pytest.mark.parametrize("turned", [True, False])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_norm_turn(turned, dtype):
    torch.manual_seed(0)
    turns = rope_turns(torch.randint(0, 9, (6, 3)), 12, 100.0) if turned else None
    x = torch.randn(6, 2, 12).to(dtype)
    tolerance = 1e-5 if dtype == torch.float32 else 5e-2
    gain, before = torch.rand(12) + 0.5, x.clone()
    compare(norm_turn, composite_norm_turn, [x, gain], [turns], tolerance)
    assert torch.equal(x, before)


def test_norm_turn_of_a_strided_view_leaves_it_alone():
    wide = torch.randn(6, 3, 2, 12)
    before = wide.clone()
    norm_turn(wide[:, 1], torch.ones(12), rope_turns(torch.arange(6)[:, None], 12, 100.0))
    assert torch.equal(wide, before)


def test_rows_that_serve_equally_many_tokens_are_one_run():
    assert rows_of(INDEX).runs == ((2, 2), (1, 3), (1, 1))
    ragged = torch.arange(40).repeat_interleave(torch.arange(40) % 2 + 1)
    assert rows_of(ragged).runs is None


@pytest.mark.parametrize("rows", ROWS)
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_modulate(rows, dtype):
    torch.manual_seed(0)
    tensors = [torch.randn(8, 10), torch.randn(4, 10), torch.randn(4, 10)]
    compare(
        modulate,
        composite_modulate,
        tensors,
        [rows, dtype],
        1e-5 if dtype == torch.float32 else 5e-2,
    )


def test_runs_change_no_bit_of_what_they_pass_on():
    torch.manual_seed(0)
    x, h, table, gate = (torch.randn(n, 10) for n in (8, 8, 4, 4))
    one, two = (add_gated(modulate(x, table, gate, r, torch.float32), gate, r, h) for r in ROWS)
    assert torch.equal(one, two)


def test_add_gated():
    torch.manual_seed(0)
    x, h = torch.randn(8, 10), torch.randn(8, 10)
    for gate, row in (
        (torch.randn(4, 10), ROWS[0]),
        (torch.randn(4, 10), ROWS[1]),
        (torch.randn(10), None),
    ):
        compare(
            lambda a, b, c, row=row: add_gated(a, b, row, c),
            lambda a, b, c, row=row: composite_add_gated(a, b, row, c),
            [x, gate, h], [],
        )  # fmt: skip
