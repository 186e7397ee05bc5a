"""The elementwise steps of a block for GPUs: each is one fused kernel forwards and one backwards.

Plain functions over one stretch of clips that are equally long: tokens (clips, tokens, C), tables (clips, 1, C).
Without ``torch.compile`` they run as they stand, which is what tests on fake tensors and machines without Triton do.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

EPS = 1e-6


@functools.cache
def compiled(function: Callable[..., Any]) -> Callable[..., Any]:
    """``function`` through torch.compile, for any lengths; it compiles anew for sides of 1 and for other strides."""
    import torch._dynamo

    torch._dynamo.config.recompile_limit = max(torch._dynamo.config.recompile_limit, 64)
    return torch.compile(function, dynamic=True, fullgraph=True)


def modulate(
    x: Tensor, shift: Tensor, scale: Tensor, dtype: torch.dtype
) -> tuple[Tensor, Tensor, Tensor]:
    """(layer_norm(x) * scale + shift in ``dtype``, mean, inverse deviation)."""
    mean = x.mean(-1, keepdim=True)
    centred = x - mean
    inverse = (centred.square().mean(-1, keepdim=True) + EPS).rsqrt()
    return (centred * inverse * scale + shift).to(dtype), mean, inverse


def modulate_back(
    grad: Tensor, x: Tensor, mean: Tensor, inverse: Tensor, scale: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """Gradients of x, shift and scale."""
    wide = grad.float()
    normed = (x - mean) * inverse
    inner = wide * scale
    along = (inner * normed).mean(-1, keepdim=True)
    grad_x = inverse * (inner - inner.mean(-1, keepdim=True) - normed * along)
    return grad_x, wide.sum(1, keepdim=True), (wide * normed).sum(1, keepdim=True)


def add_gated(x: Tensor, gate: Tensor, h: Tensor) -> Tensor:
    """x + gate * h."""
    return x + gate * h.float()


def add_gated_back(grad: Tensor, gate: Tensor, h: Tensor) -> tuple[Tensor, Tensor]:
    """Gradients of gate and h."""
    return (grad * h.float()).sum(1, keepdim=True), (grad * gate).to(h.dtype)


def turn(x: Tensor, turns: Tensor, *, back: bool = False) -> Tensor:
    """Pairs of x (N, H, D) turned by ``turns`` (N, 2, D) of ``rope.real_turns``, or back."""
    swapped = x.unflatten(-1, (-1, 2)).flip(-1).flatten(-2)
    cos, sin = turns[:, :1], turns[:, 1:]
    return x * cos - swapped * sin if back else x * cos + swapped * sin


def norm_turn(x: Tensor, gain: Tensor, turns: Tensor | None) -> tuple[Tensor, Tensor]:
    """(rotation(gain * x / rms(x)) in the dtype of x, inverse rms (N, H, 1))."""
    wide = x.float()
    inverse = 1 / (wide.square().mean(-1, keepdim=True).sqrt() + EPS)
    wide = wide * inverse * gain
    if turns is not None:
        wide = turn(wide, turns)
    return wide.to(x.dtype), inverse


def norm_turn_back(
    grad: Tensor, x: Tensor, gain: Tensor, inverse: Tensor, turns: Tensor | None
) -> tuple[Tensor, Tensor]:
    """Gradients of x, and of gain still per token (N, D): their sum is the caller's."""
    wide = grad.float()
    if turns is not None:
        wide = turn(wide, turns, back=True)
    normed = x.float() * inverse
    product = wide * normed
    along = (product * gain).mean(-1, keepdim=True)
    return ((wide * gain - normed * along) * inverse).to(grad.dtype), product.sum(1)
