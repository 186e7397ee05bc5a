"""The one attention seam: ``attend(q, k, v, cu_q, cu_k)`` over packed segments.

Segment i holds queries ``cu_q[i]:cu_q[i+1]`` and keys ``cu_k[i]:cu_k[i+1]`` and attends to nothing else. On the CPU,
segments of like length run as one batch, so a pack of small clips is one batched product rather than a loop of tiny
ones; short tails are masked. On CUDA the varlen kernel takes the pack whole.
"""

from __future__ import annotations

import functools
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from dit.chunked import attend_chunked

EXPLICIT_LIMIT = 1 << 18
"""Largest queries x keys of a segment whose scores are formed explicitly; longer ones do without."""
SLACK = 1.15
"""Queries and keys of a batch are padded to at most this multiple of its shortest (plus ``SLACK_MIN``)."""
SLACK_MIN = 8


def segment_ends(lengths: list[int], device: torch.device | str | None = None) -> Tensor:
    """Cumulative lengths with a leading zero, int32 (segments + 1,): what ``cu_q`` and ``cu_k`` are."""
    ends = [0]
    for length in lengths:
        ends.append(ends[-1] + length)
    return torch.tensor(ends, dtype=torch.int32, device=device)


class _Pick(torch.autograd.Function):
    """Rows of x by index, when each row of x is picked at most once for real.

    The general gradient of a gather adds into rows; here it is itself a gather (``back``: where each row of x went,
    padding excluded) or, when some rows of x are never picked, a copy into zeros.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor, rows: Tensor, back: Tensor | None) -> Tensor:  # type: ignore[override]
        ctx.rows, ctx.back, ctx.count = rows, back, len(x)
        return x.index_select(0, rows)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None, None]:  # type: ignore[override]
        if ctx.back is not None:
            return grad.index_select(0, ctx.back), None, None
        out = grad.new_zeros(ctx.count, *grad.shape[1:])
        return out.index_copy_(0, ctx.rows, grad), None, None


class _Side:
    """How the queries (or the keys) of a group of segments become one (count, longest) block of rows."""

    def __init__(self, starts: list[int], lengths: list[int]) -> None:
        self.longest = max(lengths)
        rows = torch.arange(self.longest)
        sizes = torch.tensor(lengths)
        self.real = rows[None, :] < sizes[:, None]
        self.rows = (torch.tensor(starts)[:, None] + rows.minimum(sizes[:, None] - 1)).flatten()
        self.even = bool(self.real.all())
        total = starts[-1] + lengths[-1] - starts[0]
        self.span = (starts[0], starts[0] + total)
        self.in_order = total == sum(lengths) and starts == sorted(starts)

    def take(self, x: Tensor) -> Tensor:
        """(rows of the pack, heads, dim) -> (count, longest, heads, dim)."""
        part = x[self.span[0] : self.span[1]]
        if not (self.even and self.in_order):
            if self.in_order:
                rows = self.rows - self.span[0]
                back = self.real.flatten().nonzero()[:, 0]
                part = _Pick.apply(part, rows.to(x.device), back.to(x.device))
            else:
                part = x.index_select(0, self.rows.to(x.device))
        return part.reshape(len(self.real), self.longest, *x.shape[1:])


class _Batch:
    """Segments that run together."""

    def __init__(self, members: list[tuple[int, int, int, int]]) -> None:
        self.q = _Side([m[0] for m in members], [m[1] for m in members])
        self.k = _Side([m[2] for m in members], [m[3] for m in members])
        self.mask = None if self.k.even else self.k.real[:, None, None, :]


@functools.lru_cache(maxsize=512)
def _plan(cu_q: tuple[int, ...], cu_k: tuple[int, ...]) -> tuple[tuple[_Batch, ...], Tensor | None]:
    """Batches of a pack, and where each row of the pack lies in their concatenated outputs (None: in place)."""
    segments = [
        (cu_q[i], cu_q[i + 1] - cu_q[i], cu_k[i], cu_k[i + 1] - cu_k[i])
        for i in range(len(cu_q) - 1)
        if cu_q[i + 1] > cu_q[i]
    ]
    empty = [s for s in segments if s[3] <= 0]
    if empty:
        raise ValueError(
            f"attend: the segment at query {empty[0][0]} has queries but no keys; give it at least one"
        )

    def fits(length: int, other: int) -> bool:
        return length <= other * SLACK + SLACK_MIN

    segments.sort(key=lambda s: (s[1], s[3], s[0]))
    groups: list[list[tuple[int, int, int, int]]] = []
    for segment in segments:
        head = groups[-1][0] if groups else None
        if (
            head is not None
            and fits(segment[1], head[1])
            and fits(segment[3], head[3])
            and fits(head[3], segment[3])
        ):
            groups[-1].append(segment)
        else:
            groups.append([segment])
    batches = tuple(_Batch(sorted(group)) for group in groups)
    positions = torch.empty(cu_q[-1], dtype=torch.int64)
    offset = 0
    for batch in batches:
        real = batch.q.real.flatten()
        positions[batch.q.rows[real]] = offset + real.nonzero()[:, 0]
        offset += len(real)
    in_place = offset == len(positions) and torch.equal(positions, torch.arange(offset))
    return batches, None if in_place else positions


def _attend_batch(q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None) -> Tensor:
    """(B, L, H, D) queries against (B, K, H, D) keys; ``mask`` (B, 1, 1, K) is True on real keys."""
    q, k, v = (x.transpose(1, 2) for x in (q, k, v))
    if q.shape[2] * k.shape[2] > EXPLICIT_LIMIT:
        if q.dtype == torch.bfloat16 and q.device.type == "cpu":
            return attend_chunked(q, k, v, mask).transpose(1, 2)
        return F.scaled_dot_product_attention(q, k, v, attn_mask=mask).transpose(1, 2)
    scores = (q * q.shape[-1] ** -0.5) @ k.transpose(-1, -2)
    if mask is not None:
        scores = scores.masked_fill(~mask, float("-inf"))
    return (scores.softmax(-1) @ v).transpose(1, 2)


def attend_batched(q: Tensor, k: Tensor, v: Tensor, cu_q: Tensor, cu_k: Tensor) -> Tensor:
    """CPU backend (runs anywhere): segments of like length as batches. Shapes as in ``attend``."""
    batches, positions = _plan(tuple(cu_q.tolist()), tuple(cu_k.tolist()))
    outs = []
    for batch in batches:
        mask = None if batch.mask is None else batch.mask.to(q.device)
        out = _attend_batch(batch.q.take(q), batch.k.take(k), batch.k.take(v), mask)
        outs.append(out.reshape(-1, *q.shape[1:]))
    packed = outs[0] if len(outs) == 1 else torch.cat(outs)
    return packed if positions is None else _Pick.apply(packed, positions.to(q.device), None)


def attend_loop(q: Tensor, k: Tensor, v: Tensor, cu_q: Tensor, cu_k: Tensor) -> Tensor:
    """Reference: one fused SDPA call per segment. Shapes as in ``attend``."""
    outs = []
    ends_q, ends_k = cu_q.tolist(), cu_k.tolist()
    for i in range(len(ends_q) - 1):
        qs, ks, vs = (
            x[None].transpose(1, 2)
            for x in (
                q[ends_q[i] : ends_q[i + 1]],
                k[ends_k[i] : ends_k[i + 1]],
                v[ends_k[i] : ends_k[i + 1]],
            )
        )
        outs.append(F.scaled_dot_product_attention(qs, ks, vs).transpose(1, 2)[0])
    return torch.cat(outs)


def attend_varlen(q: Tensor, k: Tensor, v: Tensor, cu_q: Tensor, cu_k: Tensor) -> Tensor:
    """CUDA backend: torch's varlen kernel (bf16 or fp16 inputs). Shapes as in ``attend``."""
    from torch.nn.attention.varlen import varlen_attn

    longest_q = int((cu_q[1:] - cu_q[:-1]).max())
    longest_k = int((cu_k[1:] - cu_k[:-1]).max())
    return varlen_attn(q, k, v, cu_q, cu_k, longest_q, longest_k)


def attend(q: Tensor, k: Tensor, v: Tensor, cu_q: Tensor, cu_k: Tensor) -> Tensor:
    """Attention within segments: q (N, heads, head_dim), k and v (M, heads, head_dim) -> (N, heads, head_dim).

    ``cu_q`` and ``cu_k``: int32 (segments + 1,) cumulative lengths on the device of q; scale is 1/sqrt(head_dim).
    """
    if q.is_cuda and q.dtype in (torch.bfloat16, torch.float16):
        return attend_varlen(q, k, v, cu_q, cu_k)
    return attend_batched(q, k, v, cu_q, cu_k)
