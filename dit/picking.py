"""Rows of a tensor by index, with a gradient that is a gather, too."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor


class Pick(torch.autograd.Function):
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
