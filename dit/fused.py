"""Three elementwise steps of a block as single autograd functions.

On CPUs the composites cost several times the passes over memory (autograd's formulas scale, zero-fill and copy),
as much as all matrix products of a small model together. Each function here is tested against its composite, which
takes its place under torch.compile: the compiler fuses plain operations itself, and stumbles over in-place ones.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

EPS = 1e-6


def _turned(x: Tensor, turns: Tensor | None, *, back: bool = False) -> Tensor:
    """Pairs of contiguous float32 x (N, ..., D) turned in place by ``turns`` (N, 1, D / 2) complex64."""
    if turns is not None:
        pairs = torch.view_as_complex(x.unflatten(-1, (-1, 2)))
        shape = (len(turns), *[1] * (pairs.ndim - 2), turns.shape[-1])
        pairs.mul_((turns.conj() if back else turns).reshape(shape))
    return x


class _NormTurn(torch.autograd.Function):
    """rotation(gain * x / rms(x)) over the last axis of x (N, H, D), in the dtype of x."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, gain: Tensor, turns: Tensor | None) -> Tensor:  # type: ignore[override]
        wide = torch.empty(x.shape, device=x.device).copy_(x)
        inverse = torch.linalg.vector_norm(wide, dim=-1, keepdim=True)
        inverse = inverse.mul_(x.shape[-1] ** -0.5).add_(EPS).reciprocal_()
        normed = wide.mul_(inverse).to(x.dtype, copy=True)
        ctx.save_for_backward(normed, inverse, gain, turns)
        return _turned(wide.mul_(gain), turns).to(x.dtype)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, Tensor, None]:  # type: ignore[override]
        normed, inverse, gain, turns = ctx.saved_tensors
        wide = _turned(torch.empty(grad.shape, device=grad.device).copy_(grad), turns, back=True)
        normed = normed.float()
        product = wide * normed
        along = (product @ gain)[..., None].mul_(-1 / len(gain))
        wide.mul_(gain).addcmul_(normed, along).mul_(inverse)
        return wide.to(grad.dtype), product.sum((0, 1)), None


def norm_turn(x: Tensor, gain: Tensor, turns: Tensor | None) -> Tensor:
    """RMS-norm x (N, heads, D) over D, times ``gain`` (D,), its pairs turned by ``turns`` (N, 1, D / 2)."""
    if torch.compiler.is_compiling():
        return composite_norm_turn(x, gain, turns)
    return _NormTurn.apply(x, gain, turns)


def _sum_rows(values: Tensor, row: Tensor, rows: int) -> Tensor:
    """Sums of values (N, C) over tokens of the same row: (rows, C)."""
    return torch.zeros(rows, values.shape[1], device=values.device).index_add_(0, row, values)


class _Modulate(torch.autograd.Function):
    """layer_norm(x) * scale[row] + shift[row], in ``dtype``."""

    @staticmethod
    def forward(  # type: ignore[override]
        ctx: Any, x: Tensor, shift: Tensor, scale: Tensor, row: Tensor, dtype: torch.dtype
    ) -> Tensor:
        normed, mean, inverse = torch.native_layer_norm(x, x.shape[1:], None, None, EPS)
        ctx.save_for_backward(x, normed, mean, inverse, scale, row)
        return torch.addcmul(shift.index_select(0, row), normed, scale.index_select(0, row)).to(
            dtype
        )

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:  # type: ignore[override]
        x, normed, mean, inverse, scale, row = ctx.saved_tensors
        wide, rows = grad.float(), len(scale)
        grad_scale = _sum_rows(wide * normed, row, rows)
        grad_shift = _sum_rows(wide, row, rows)
        inner = scale.index_select(0, row).mul_(wide)
        (grad_x, _, _) = torch.ops.aten.native_layer_norm_backward(
            inner, x, x.shape[1:], mean, inverse, None, None, [True, False, False]
        )
        return grad_x, grad_shift, grad_scale, None, None


def modulate(x: Tensor, shift: Tensor, scale: Tensor, row: Tensor, dtype: torch.dtype) -> Tensor:
    """Normed x (N, C) under the modulation of each token's row: shift and scale (rows, C), row (N,)."""
    if torch.compiler.is_compiling():
        return composite_modulate(x, shift, scale, row, dtype)
    return _Modulate.apply(x, shift, scale, row, dtype)


class _AddGated(torch.autograd.Function):
    """x + gate[row] * h; one gate for all tokens when row is None."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, gate: Tensor, row: Tensor | None, h: Tensor) -> Tensor:  # type: ignore[override]
        ctx.save_for_backward(gate, row, h)
        return torch.addcmul(x, gate if row is None else gate.index_select(0, row), h.float())

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:  # type: ignore[override]
        gate, row, h = ctx.saved_tensors
        product = grad * h.float()
        if row is None:
            return grad, product.sum(0), None, (grad * gate).to(h.dtype)
        grad_h = gate.index_select(0, row).mul_(grad).to(h.dtype)
        return grad, _sum_rows(product, row, len(gate)), None, grad_h


def add_gated(x: Tensor, gate: Tensor, row: Tensor | None, h: Tensor) -> Tensor:
    """Float32 x (N, C) + gate * h, h (N, C): gate (rows, C) with row (N,), or one gate (C,) with row None."""
    if torch.compiler.is_compiling():
        return composite_add_gated(x, gate, row, h)
    return _AddGated.apply(x, gate, row, h)


def composite_norm_turn(x: Tensor, gain: Tensor, turns: Tensor | None) -> Tensor:
    """``norm_turn`` from plain operations."""
    wide = x.float()
    wide = gain * wide / (wide.square().mean(-1, keepdim=True).sqrt() + EPS)
    if turns is not None:
        pairs = torch.view_as_complex(wide.unflatten(-1, (-1, 2)).contiguous())
        wide = torch.view_as_real(pairs * turns).flatten(-2)
    return wide.to(x.dtype)


def composite_modulate(
    x: Tensor, shift: Tensor, scale: Tensor, row: Tensor, dtype: torch.dtype
) -> Tensor:
    """``modulate`` from plain operations."""
    return (F.layer_norm(x, x.shape[1:], eps=EPS) * scale[row] + shift[row]).to(dtype)


def composite_add_gated(x: Tensor, gate: Tensor, row: Tensor | None, h: Tensor) -> Tensor:
    """``add_gated`` from plain operations."""
    return x + (gate if row is None else gate[row]) * h.float()
