"""The one attention seam: ``attend(q, k, v, queries, keys)`` over packed segments.

Queries of segment i attend to the keys of segment i and to nothing else. On the CPU, segments of like length run as one
batch, so a pack of small clips is one batched product rather than a loop of tiny ones; short tails are masked. On CUDA
neighbours of equal length run as one dense batch, which has the fastest kernels, and a ragged pack goes to the varlen
kernel whole. Lengths are known on the host (``Segments``), so nothing here waits for the GPU.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable

import torch
import torch.nn.functional as F
from torch import Tensor

from dit.chunked import attend_chunked
from dit.parallel.spread import Spread, attend_spread
from dit.picking import Pick
from dit.segments import Segments

EXPLICIT_LIMIT = 1 << 18
"""Largest queries x keys of a segment whose scores are formed explicitly; longer ones do without."""
SLACK = 1.15
"""Queries and keys of a batch are padded to at most this multiple of its shortest (plus ``SLACK_MIN``)."""
SLACK_MIN = 8
MOST_RUNS = 4
"""On CUDA, a pack of more stretches of equal segments goes to the varlen kernel."""


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
                part = Pick.apply(part, rows, back)
            else:
                part = x.index_select(0, self.rows)
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


def attend_batched(q: Tensor, k: Tensor, v: Tensor, queries: Segments, keys: Segments) -> Tensor:
    """CPU backend: segments of like length as batches. Shapes as in ``attend``."""
    batches, positions = _plan(queries.ends, keys.ends)
    outs = []
    for batch in batches:
        out = _attend_batch(batch.q.take(q), batch.k.take(k), batch.k.take(v), batch.mask)
        outs.append(out.reshape(-1, *q.shape[1:]))
    packed = outs[0] if len(outs) == 1 else torch.cat(outs)
    return packed if positions is None else Pick.apply(packed, positions, None)


def attend_loop(q: Tensor, k: Tensor, v: Tensor, queries: Segments, keys: Segments) -> Tensor:
    """Reference: one fused SDPA call per segment. Shapes as in ``attend``."""
    outs = []
    parts = (x.split(s.lengths) for x, s in ((q, queries), (k, keys), (v, keys)))
    for qs, ks, vs in zip(*parts, strict=True):
        one = (x[None].transpose(1, 2) for x in (qs, ks, vs))
        outs.append(F.scaled_dot_product_attention(*one).transpose(1, 2)[0])
    return torch.cat(outs)


def equal_runs(queries: Segments, keys: Segments) -> list[tuple[int, int, int]]:
    """(segments, queries of each, keys of each) of every stretch of neighbours that agree in both."""
    runs: list[tuple[int, int, int]] = []
    for number, lengths in enumerate(zip(queries.lengths, keys.lengths, strict=True)):
        if lengths[0] and not lengths[1]:
            raise ValueError(
                f"attend: segment {number} has queries but no keys; give it at least one"
            )
        if runs and runs[-1][1:] == lengths:
            runs[-1] = (runs[-1][0] + 1, *lengths)
        else:
            runs.append((1, *lengths))
    return runs


def attend_runs(q: Tensor, k: Tensor, v: Tensor, runs: list[tuple[int, int, int]]) -> Tensor:
    """Dense attention over each stretch of equal segments, see ``equal_runs``; all segments together are all tokens."""
    outs = []
    at_q = at_k = 0
    for count, n_q, n_k in runs:
        end_q, end_k = at_q + count * n_q, at_k + count * n_k
        batch: Iterable[Tensor] = (
            x.unflatten(0, (count, -1)).transpose(1, 2)
            for x in (q[at_q:end_q], k[at_k:end_k], v[at_k:end_k])
        )
        outs.append(_dense(*batch).transpose(1, 2).flatten(0, 1) if n_q else q[:0])
        at_q, at_k = end_q, end_k
    return outs[0] if len(outs) == 1 else torch.cat(outs)


def _dense(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    """SDPA, on CUDA by cuDNN's kernel where it can: it is the fastest on Hopper."""
    if q.is_cuda:
        from torch.nn.attention import SDPBackend, sdpa_kernel

        order = [
            SDPBackend.CUDNN_ATTENTION,
            SDPBackend.FLASH_ATTENTION,
            SDPBackend.EFFICIENT_ATTENTION,
            SDPBackend.MATH,
        ]
        if q.dtype == torch.float32 and torch.are_deterministic_algorithms_enabled():
            order = [SDPBackend.MATH]  # the others sum gradients in any order
        with sdpa_kernel(order, set_priority=True):
            return F.scaled_dot_product_attention(q, k, v)
    return F.scaled_dot_product_attention(q, k, v)


def attend_varlen(q: Tensor, k: Tensor, v: Tensor, queries: Segments, keys: Segments) -> Tensor:
    """CUDA backend for ragged packs: torch's varlen kernel (bf16 or fp16 inputs). Shapes as in ``attend``."""
    from torch.nn.attention.varlen import varlen_attn

    return varlen_attn(q, k, v, queries.cu, keys.cu, queries.longest, keys.longest)


def attend(q: Tensor, k: Tensor, v: Tensor, queries: Segments, keys: Segments) -> Tensor:
    """Attention within segments: q (N, heads, head_dim), k and v (M, heads, head_dim) -> (N, heads, head_dim).

    ``queries`` and ``keys`` have as many segments; scale is 1/sqrt(head_dim). ValueError: queries without keys.
    Segments that are ``Spread`` over processes are those of queries and keys.
    """
    if isinstance(queries, Spread):
        return attend_spread(q, k, v, queries, attend)
    if q.device.type == "cpu":
        return attend_batched(q, k, v, queries, keys)
    runs = equal_runs(queries, keys)
    ragged = len(runs) > MOST_RUNS and q.dtype in (torch.bfloat16, torch.float16)
    return attend_varlen(q, k, v, queries, keys) if ragged else attend_runs(q, k, v, runs)
