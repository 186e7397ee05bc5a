"""Attention over a pack whose tokens lie on several processes: heads are exchanged for tokens (DeepSpeed-Ulysses).

Before attention each process has all heads of its tokens, during it all tokens of its heads, and afterwards its tokens
again (arXiv 2309.14509, section 3). Whole segments meet the same kernels as on one process, so a ragged pack needs no
other attention, and every process has the same work whatever the clips are.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import torch
import torch.distributed as dist
import torch.nn.functional as F
from torch import Tensor

from dit.parallel.context import Context
from dit.picking import Pick
from dit.segments import Segments
from pipeline.training.device import to_device

Attend = Callable[[Tensor, Tensor, Tensor, Segments, Segments], Tensor]
Exchange = Callable[[Tensor, Context], Tensor]


@dataclass(frozen=True, kw_only=True)
class Spread(Segments):
    """Segments of the tokens of all processes together; each process has an equal part of the tokens in hand."""

    context: Context = field(compare=False)
    """The processes."""
    order: Tensor | None = field(default=None, compare=False)
    """(N,) int64: segments are of the tokens in this order; None: as they lie."""
    back: Tensor | None = field(default=None, compare=False)
    """(N,) int64: inverse of ``order``."""

    def whole(self) -> Segments:
        """The same for one process that has all the tokens."""
        return Segments(ends=self.ends, cu=self.cu)

    def to(self, device: torch.device | str) -> Spread:
        """The same with its tensors on ``device``."""
        return replace(
            self,
            cu=to_device(self.cu, device),
            order=to_device(self.order, device),
            back=to_device(self.back, device),
        )


def spread(
    segments: Segments, context: Context, *, order: Tensor | None = None, back: Tensor | None = None
) -> Spread:
    """``segments`` of a whole pack, whose tokens lie on the processes of ``context``."""
    return Spread(ends=segments.ends, cu=segments.cu, context=context, order=order, back=back)


def attend_spread(q: Tensor, k: Tensor, v: Tensor, clips: Spread, attend: Attend) -> Tensor:
    """Self-attention of this process's tokens: q, k, v (n, heads, head_dim) -> (n, heads, head_dim).

    All processes of the context must ask together. ``attend`` does the work on whole segments.
    """
    context, tokens = clips.context, clips.ends[-1]
    mine = torch.stack((q, k, v), dim=1)
    whole = _Exchange.apply(mine, context, to_heads, to_tokens)
    filled = len(whole)
    q, k, v = whole[:tokens].unbind(1)
    if clips.order is not None:
        q, k, v = (Pick.apply(part, clips.order, clips.back) for part in (q, k, v))
    out = attend(q, k, v, clips.whole(), clips.whole())
    if clips.order is not None:
        out = Pick.apply(out, clips.back, clips.order)
    out = F.pad(out, (0, 0, 0, 0, 0, filled - tokens))
    result: Tensor = _Exchange.apply(out[:, None], context, to_tokens, to_heads)
    return result[:, 0]


class _Exchange(torch.autograd.Function):
    """``there`` of this process's part; its gradient comes by ``back``, the inverse."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, context: Context, there: Exchange, back: Exchange) -> Tensor:  # type: ignore[override]
        ctx.context, ctx.back = context, back
        return there(x, context)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None, None, None]:  # type: ignore[override]
        return ctx.back(grad, ctx.context), None, None, None


def to_heads(x: Tensor, context: Context) -> Tensor:
    """(n, K, H, D) on each process -> (size * n, K, H / size, D): the tokens of all, for the process's own heads."""
    parts = x.unflatten(2, (context.size, -1)).permute(2, 0, 1, 3, 4).contiguous()
    return _exchanged(parts, context).flatten(0, 1)


def to_tokens(x: Tensor, context: Context) -> Tensor:
    """(size * n, K, H / size, D) on each process -> (n, K, H, D): inverse of ``to_heads``."""
    parts = x.unflatten(0, (context.size, -1)).contiguous()
    return _exchanged(parts, context).permute(1, 2, 0, 3, 4).flatten(2, 3)


def _exchanged(parts: Tensor, context: Context) -> Tensor:
    """(size, ...): part i goes to process i; part i of the result came from it."""
    out = torch.empty_like(parts)
    dist.all_to_all_single(out, parts, group=context.group)
    return out


def gathered(x: Tensor, tokens: int, context: Context) -> Tensor:
    """(n, ...) of each process -> (tokens, ...) of all on each, padding cut off. It has no gradient."""
    out = x.new_empty(context.size * len(x), *x.shape[1:])
    dist.all_gather_into_tensor(out, x.contiguous(), group=context.group)
    return out[:tokens]
