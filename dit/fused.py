"""Three elementwise steps of a block as single autograd functions.

On CPUs the composites cost several times the passes over memory (autograd's formulas scale, zero-fill and copy),
as much as all matrix products of a small model together. Each function here is tested against its composite, which
takes its place under torch.compile: the compiler fuses plain operations itself, and stumbles over in-place ones.
On GPUs the arithmetic is that of ``dit.kernels``, one kernel a step.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from dit import kernels
from dit.kernels import EPS
from dit.segments import runs_of


def _kernel(function: Any, device: torch.device) -> Any:
    """``function`` of ``dit.kernels``, compiled where the tensors lie on a CUDA GPU."""
    return kernels.compiled(function) if device.type == "cuda" else function


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


class _NormTurnGPU(torch.autograd.Function):
    """``_NormTurn`` by ``dit.kernels``; of the forward pass only x and the norms are kept."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, gain: Tensor, turns: Tensor | None) -> Tensor:  # type: ignore[override]
        out, inverse = _kernel(kernels.norm_turn, x.device)(x, gain, turns)
        ctx.save_for_backward(x, gain, inverse, turns)
        return out

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, Tensor, None]:  # type: ignore[override]
        grad_x, grad_gain = _kernel(kernels.norm_turn_back, grad.device)(grad, *ctx.saved_tensors)
        return grad_x, grad_gain.sum(0), None


def norm_turn(x: Tensor, gain: Tensor, turns: Tensor | None) -> Tensor:
    """RMS-norm x (N, heads, D) over D, times ``gain`` (D,), its pairs turned by ``turns`` (N, 1, D / 2)."""
    if torch.compiler.is_compiling():
        return composite_norm_turn(x, gain, turns)
    if x.device.type != "cpu":
        return _NormTurnGPU.apply(x, gain, turns)
    return _NormTurn.apply(x, gain, turns)


class Rows(NamedTuple):
    """Which row of a table each token of a pack uses, ascending from 0."""

    index: Tensor
    """(N,) int64."""
    runs: tuple[tuple[int, int], ...] | None = None
    """(rows, tokens of each) of stretches whose rows serve equally many tokens; None: go by ``index``."""
    lengths: Tensor | None = None
    """(rows,) int64 tokens of each row, which sums over them on a GPU go by; None: they go by ``index``."""


MOST_RUNS = 32
"""More stretches than this cost more than the gathering that they save."""


def rows_of(index: Tensor) -> Rows:
    """Rows of a pack on the CPU with its runs, which stand in for gathers: clips of one shape lie side by side."""
    lengths = torch.bincount(index)
    runs = runs_of(lengths.tolist())
    return Rows(index, runs) if len(runs) <= MOST_RUNS else Rows(index, None, lengths)


def _by_run(
    runs: tuple[tuple[int, int], ...], tokens: tuple[Tensor, ...], tables: tuple[Tensor, ...]
) -> Iterator[tuple[Tensor, ...]]:
    """Views of each run: of ``tokens`` (N, C) as (rows, tokens of each, C), of ``tables`` (rows, C) as (rows, 1, C)."""
    at = first = 0
    for count, length in runs:
        end, last = at + count * length, first + count
        yield (
            *(x[at:end].view(count, length, x.shape[1]) for x in tokens),
            *(table[first:last, None] for table in tables),
        )
        at, first = end, last


def _sum_rows(values: Tensor, rows: Rows, count: int) -> Tensor:
    """Sums of values (N, C) over tokens of the same row: (count, C)."""
    if rows.runs is None and values.device.type != "cpu":
        # adding by index gives other bits each time there
        if rows.lengths is not None:
            return torch.segment_reduce(values, "sum", lengths=rows.lengths, unsafe=True)
        owner = torch.arange(count, device=values.device)[:, None] == rows.index
        return owner.to(values.dtype) @ values
    out = torch.zeros(count, values.shape[1], device=values.device)
    if rows.runs is None:
        return out.index_add_(0, rows.index, values)
    for value, total in _by_run(rows.runs, (values,), (out,)):
        torch.sum(value, 1, keepdim=True, out=total)
    return out


def _scaled(values: Tensor, table: Tensor, rows: Rows) -> Tensor:
    """values (N, C) times each token's row of ``table`` (rows, C)."""
    if rows.runs is None:
        return table.index_select(0, rows.index).mul_(values)
    out = torch.empty_like(values)
    for value, product, scale in _by_run(rows.runs, (values, out), (table,)):
        torch.mul(value, scale, out=product)
    return out


class _Modulate(torch.autograd.Function):
    """layer_norm(x) * scale[row] + shift[row], in ``dtype``."""

    @staticmethod
    def forward(  # type: ignore[override]
        ctx: Any, x: Tensor, shift: Tensor, scale: Tensor, rows: Rows, dtype: torch.dtype
    ) -> Tensor:
        normed, mean, inverse = torch.native_layer_norm(x, x.shape[1:], None, None, EPS)
        ctx.save_for_backward(x, normed, mean, inverse, scale)
        ctx.rows = rows
        if rows.runs is None:
            by_token = (table.index_select(0, rows.index) for table in (shift, scale))
            return torch.addcmul(next(by_token), normed, next(by_token)).to(dtype)
        out = torch.empty_like(normed)
        for part, result, down, up in _by_run(rows.runs, (normed, out), (shift, scale)):
            torch.addcmul(down, part, up, out=result)
        return out.to(dtype)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:  # type: ignore[override]
        x, normed, mean, inverse, scale = ctx.saved_tensors
        wide, count = grad.float(), len(scale)
        grad_scale = _sum_rows(wide * normed, ctx.rows, count)
        grad_shift = _sum_rows(wide, ctx.rows, count)
        inner = _scaled(wide, scale, ctx.rows)
        (grad_x, _, _) = torch.ops.aten.native_layer_norm_backward(
            inner, x, x.shape[1:], mean, inverse, None, None, [True, False, False]
        )
        return grad_x, grad_shift, grad_scale, None, None


class _ModulateGPU(torch.autograd.Function):
    """``_Modulate`` by ``dit.kernels``, a kernel for each run; of the forward pass only x and its moments are kept."""

    @staticmethod
    def forward(  # type: ignore[override]
        ctx: Any, x: Tensor, shift: Tensor, scale: Tensor, rows: Rows, dtype: torch.dtype
    ) -> Tensor:
        step = _kernel(kernels.modulate, x.device)
        parts = [step(*part, dtype) for part in _by_run(_runs(rows), (x,), (shift, scale))]
        outs, *moments = ([p.flatten(0, 1) for p in each] for each in zip(*parts, strict=True))
        mean, inverse = (_joined(each) for each in moments)
        ctx.save_for_backward(x, mean, inverse, scale)
        ctx.rows = rows
        return _joined(outs)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:  # type: ignore[override]
        x, mean, inverse, scale = ctx.saved_tensors
        step = _kernel(kernels.modulate_back, x.device)
        parts = [
            step(*part) for part in _by_run(_runs(ctx.rows), (grad, x, mean, inverse), (scale,))
        ]
        found = (_joined([p.flatten(0, 1) for p in each]) for each in zip(*parts, strict=True))
        return (*found, None, None)


class _AddGatedGPU(torch.autograd.Function):
    """``_AddGated`` by ``dit.kernels``, a kernel for each run."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, gate: Tensor, rows: Rows, h: Tensor) -> Tensor:  # type: ignore[override]
        ctx.save_for_backward(gate, h)
        ctx.rows = rows
        step = _kernel(kernels.add_gated, x.device)
        parts = _by_run(_runs(rows), (x, h), (gate,))
        return _joined([step(a, gates, b).flatten(0, 1) for a, b, gates in parts])

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:  # type: ignore[override]
        gate, h = ctx.saved_tensors
        step = _kernel(kernels.add_gated_back, grad.device)
        parts = [step(g, gates, b) for g, b, gates in _by_run(_runs(ctx.rows), (grad, h), (gate,))]
        found = (_joined([p.flatten(0, 1) for p in each]) for each in zip(*parts, strict=True))
        grad_gate, grad_h = found
        return grad, grad_gate, None, grad_h


def _joined(parts: list[Tensor]) -> Tensor:
    return parts[0] if len(parts) == 1 else torch.cat(parts)


def _runs(rows: Rows) -> tuple[tuple[int, int], ...]:
    """Runs of rows that must have some."""
    assert rows.runs is not None
    return rows.runs


def modulate(x: Tensor, shift: Tensor, scale: Tensor, rows: Rows, dtype: torch.dtype) -> Tensor:
    """Normed x (N, C) under the modulation of each token's row: shift and scale (rows, C)."""
    if torch.compiler.is_compiling():
        return composite_modulate(x, shift, scale, rows, dtype)
    if x.device.type != "cpu" and rows.runs is not None:
        return _ModulateGPU.apply(x, shift, scale, rows, dtype)
    return _Modulate.apply(x, shift, scale, rows, dtype)


class _AddGated(torch.autograd.Function):
    """x + gate[row] * h; one gate for all tokens when there are no rows."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, gate: Tensor, rows: Rows | None, h: Tensor) -> Tensor:  # type: ignore[override]
        ctx.save_for_backward(gate, h)
        ctx.rows, wide = rows, h.float()
        if rows is None:
            return torch.addcmul(x, gate, wide)
        if rows.runs is None:
            return torch.addcmul(x, gate.index_select(0, rows.index), wide)
        out = torch.empty_like(x)
        for part, change, result, by in _by_run(rows.runs, (x, wide, out), (gate,)):
            torch.addcmul(part, by, change, out=result)
        return out

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:  # type: ignore[override]
        gate, h = ctx.saved_tensors
        product = grad * h.float()
        if ctx.rows is None:
            return grad, product.sum(0), None, (grad * gate).to(h.dtype)
        grad_h = _scaled(grad, gate, ctx.rows).to(h.dtype)
        return grad, _sum_rows(product, ctx.rows, len(gate)), None, grad_h


def add_gated(x: Tensor, gate: Tensor, rows: Rows | None, h: Tensor) -> Tensor:
    """Float32 x (N, C) + gate * h, h (N, C): a row of gate (rows, C) for each token, or one gate (C,) without rows."""
    if torch.compiler.is_compiling():
        return composite_add_gated(x, gate, rows, h)
    if x.device.type != "cpu" and (rows is None or rows.runs is not None):
        one = Rows(torch.empty(0), ((1, len(x)),))
        gate = gate if rows is not None else gate[None]
        return _AddGatedGPU.apply(x, gate, rows or one, h)
    return _AddGated.apply(x, gate, rows, h)


def composite_norm_turn(x: Tensor, gain: Tensor, turns: Tensor | None) -> Tensor:
    """``norm_turn`` from plain operations."""
    wide = x.float()
    wide = gain * wide / (wide.square().mean(-1, keepdim=True).sqrt() + EPS)
    if turns is not None and not turns.is_complex():
        wide = kernels.turn(wide, turns)
    elif turns is not None:
        pairs = torch.view_as_complex(wide.unflatten(-1, (-1, 2)).contiguous())
        wide = torch.view_as_real(pairs * turns).flatten(-2)
    return wide.to(x.dtype)


def composite_modulate(
    x: Tensor, shift: Tensor, scale: Tensor, rows: Rows, dtype: torch.dtype
) -> Tensor:
    """``modulate`` from plain operations."""
    normed = F.layer_norm(x, x.shape[1:], eps=EPS)
    return (normed * scale[rows.index] + shift[rows.index]).to(dtype)


def composite_add_gated(x: Tensor, gate: Tensor, rows: Rows | None, h: Tensor) -> Tensor:
    """``add_gated`` from plain operations."""
    return x + (gate if rows is None else gate[rows.index]) * h.float()
