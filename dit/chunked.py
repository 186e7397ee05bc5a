"""Attention in bfloat16 on CPUs, some queries at a time: the scores of a stretch stay in the cache.

The fused kernel of torch multiplies float32 blocks there, also when it is handed bfloat16; plain products of bfloat16
run on the units made for them. Scores are computed again in the backward pass, as FlashAttention does (arXiv
2205.14135), so memory is linear in tokens. See ``benchmarks/dit_step.py``; in float32 the fused kernel is faster.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

STRETCH = 256
"""Queries whose scores are formed together."""


class _Chunked(torch.autograd.Function):
    """softmax(q k^T / sqrt(D)) v over (B, H, L, D) and (B, H, K, D); mask (B, 1, 1, K) True on real keys, or None."""

    @staticmethod
    def forward(ctx: Any, q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None) -> Tensor:  # type: ignore[override]
        q, k, v = (x.contiguous() for x in (q, k, v))
        ctx.save_for_backward(q, k, v, mask)
        out = torch.empty_like(q)
        for start in range(0, q.shape[2], STRETCH):
            rows = slice(start, start + STRETCH)
            out[:, :, rows] = _weights(_scaled(q, rows), k, mask) @ v
        return out

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, Tensor, Tensor, None]:  # type: ignore[override]
        q, k, v, mask = ctx.saved_tensors
        grad_q = torch.empty_like(q)
        grad_k, grad_v = (torch.zeros(x.shape, device=x.device) for x in (k, v))
        for start in range(0, q.shape[2], STRETCH):
            rows = slice(start, start + STRETCH)
            part, scaled = grad[:, :, rows].contiguous(), _scaled(q, rows)
            weights = _weights(scaled, k, mask)
            grad_v += weights.transpose(-1, -2) @ part
            inner = part @ v.transpose(-1, -2)
            inner = torch._softmax_backward_data(inner, weights, -1, inner.dtype)
            grad_q[:, :, rows] = inner @ k
            grad_k += inner.transpose(-1, -2) @ scaled
        return grad_q.mul_(q.shape[-1] ** -0.5), grad_k.to(k.dtype), grad_v.to(v.dtype), None


def _scaled(q: Tensor, rows: slice) -> Tensor:
    return q[:, :, rows] * q.shape[-1] ** -0.5


def _weights(scaled: Tensor, k: Tensor, mask: Tensor | None) -> Tensor:
    """Softmax over the keys of some queries, (B, H, rows, K)."""
    scores = scaled @ k.transpose(-1, -2)
    if mask is not None:
        scores.masked_fill_(~mask, float("-inf"))
    return scores.softmax(-1)


def attend_chunked(q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None) -> Tensor:
    """Attention of queries (B, H, L, D) to keys and values (B, H, K, D) -> (B, H, L, D); memory linear in L and K."""
    return _Chunked.apply(q, k, v, mask)
