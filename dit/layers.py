"""Layers that the text refiner and the transformer share: a mixed-precision linear map, attention, the MLP."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from dit.attention import attend
from dit.fused import norm_turn
from dit.segments import Segments


class Linear(nn.Linear):
    """A float32 layer whose product runs in ``compute``; the result has that dtype."""

    compute: torch.dtype = torch.float32

    def forward(self, x: Tensor) -> Tensor:
        """(..., in) -> (..., out)."""
        bias = None if self.bias is None else self.bias.to(self.compute)
        return F.linear(x.to(self.compute), self.weight.to(self.compute), bias)


class Attention(nn.Module):
    """Multi-head attention through the ``attend`` seam; ``cross`` takes keys and values from another stream.

    With ``gated`` every token scales what each head hands on by a learned factor in (0, 2), 1 at the start.
    """

    def __init__(self, width: int, heads: int, *, cross: bool = False, gated: bool = False) -> None:
        super().__init__()
        self.heads, self.head_dim, self.cross = heads, width // heads, cross
        if cross:
            self.q = Linear(width, width)
            self.kv = Linear(width, 2 * width)
        else:
            self.qkv = Linear(width, 3 * width)
        self.scale = nn.Parameter(torch.ones(2, 1, self.head_dim))
        self.out = Linear(width, width)
        self.gate = Linear(width, heads) if gated else None
        self.attend = attend

    def forward(
        self,
        x: Tensor,
        clips: Segments,
        *,
        memory: Tensor | None = None,
        captions: Segments | None = None,
        turns: Tensor | None = None,
    ) -> Tensor:
        """(N, width) -> (N, width) in the compute dtype; queries and keys are RMS-normed, then turned."""
        split = (self.heads, self.head_dim)
        if memory is None:
            q, k, v = (part.unflatten(1, split) for part in self.qkv(x).chunk(3, dim=1))
        else:
            q = self.q(x).unflatten(1, split)
            k, v = (part.unflatten(1, split) for part in self.kv(memory).chunk(2, dim=1))
        q, k = norm_turn(q, self.scale[0, 0], turns), norm_turn(k, self.scale[1, 0], turns)
        mixed = self.attend(q, k, v, clips, captions or clips)
        if self.gate is not None:
            mixed = mixed * (2 * torch.sigmoid(self.gate(x)))[:, :, None]
        return self.out(mixed.flatten(1))


class Mlp(nn.Module):
    """Two layers with a GELU between them (exact: on CPUs its bf16 kernel is twice as fast as the tanh form)."""

    def __init__(self, width: int, ratio: int) -> None:
        super().__init__()
        self.up = Linear(width, ratio * width)
        self.down = Linear(ratio * width, width)

    def forward(self, x: Tensor) -> Tensor:
        """(N, width) -> (N, width)."""
        return self.down(F.gelu(self.up(x)))
