"""Attention some queries at a time: the fused kernel's outputs and gradients, as near as bfloat16 comes."""

import pytest
import torch
import torch.nn.functional as F

from dit.attention import attend, attend_loop
from dit.chunked import attend_chunked
from dit.segments import segments


@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize(("dtype", "bound"), [(torch.float32, 2e-6), (torch.bfloat16, 1e-2)])
def test_it_equals_fused_attention(dtype, bound, masked):
    torch.manual_seed(0)
    sizes = [(2, 3, 300, 16), (2, 3, 530, 16), (2, 3, 530, 16)]  # no multiple of a stretch
    made = [torch.randn(size, dtype=dtype, requires_grad=True) for size in sizes]
    weight = torch.randn(sizes[0])
    mask = torch.rand(2, 1, 1, 530) < 0.7 if masked else None
    results = []
    for function in (attend_chunked, F.scaled_dot_product_attention):
        inputs = made if function is attend_chunked else [x.float() for x in made]
        out = function(*inputs, mask)
        results.append((out, *torch.autograd.grad((out.float() * weight).sum(), made)))
    for ours, reference in zip(*results, strict=True):
        assert ours.dtype == dtype
        assert (ours.float() - reference.float()).norm() <= bound * reference.float().norm()


def test_long_segments_of_a_pack_take_it_and_stay_apart():
    torch.manual_seed(0)
    lengths, cu = [700, 650, 40], segments([700, 650, 40])
    q, k, v = (torch.randn(sum(lengths), 2, 16, dtype=torch.bfloat16) for _ in range(3))
    out = attend(q, k, v, cu, cu)
    reference = attend_loop(q.float(), k.float(), v.float(), cu, cu)
    assert (out.float() - reference).norm() <= 1e-2 * reference.norm()
    for x in (q, k, v):
        x[:700] += 1.0
    assert torch.equal(attend(q, k, v, cu, cu)[700:], out[700:])
