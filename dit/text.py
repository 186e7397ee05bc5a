"""The small transformer that text tokens pass through before the blocks read them, and the learned null caption."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from dit.attention import segment_ends
from dit.config import DiTConfig
from dit.layers import Attention, Linear, Mlp
from dit.rope import rope_turns


class RefinerBlock(nn.Module):
    """Pre-norm transformer block over the text tokens of one caption."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.attention = Attention(width, heads)
        self.mlp = Mlp(width, 2)

    def forward(self, x: Tensor, cu: Tensor, turns: Tensor) -> Tensor:
        """(M, width) -> (M, width), float32."""
        x = x + self.attention(self.norm1(x), cu, turns=turns).float()
        return x + self.mlp(self.norm2(x)).float()


class TextRefiner(nn.Module):
    """Caption tokens -> tokens of the model's width and one pooled vector; holds the learned null caption."""

    def __init__(self, config: DiTConfig) -> None:
        super().__init__()
        self.config = config
        self.inp = Linear(config.text_dim, config.width)
        self.inp_norm = nn.LayerNorm(config.text_dim)
        self.null = nn.Parameter(torch.randn(1, config.width) * 0.02)
        self.blocks = nn.ModuleList(
            RefinerBlock(config.width, config.heads) for _ in range(config.refiner_depth)
        )
        self.norm = nn.LayerNorm(config.width)
        self.pool = Linear(2 * config.width, config.width)

    def forward(self, text: Tensor, cu: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """(M, text_dim), (clips + 1,) -> tokens (M', width), their ends, pooled (clips, width).

        Captions without tokens get the null token, so M' = M + number of null captions.
        """
        lengths = (cu[1:] - cu[:-1]).tolist()
        x = self.inp(self.inp_norm(text)).float()
        # No row of the null caption still makes it part of the graph: every weight has a gradient in every pass, were
        # it zero, so that neither the optimiser nor other processes can tell who had use for it.
        rows, start = [self.null[:0]], 0
        for length in lengths:
            rows.append(x[start : start + length] if length else self.null)
            start += length
        x = torch.cat(rows)
        if 0 in lengths:
            lengths = [max(1, length) for length in lengths]
            cu = segment_ends(lengths, text.device)
        counts = (cu[1:] - cu[:-1]).long()
        owner = torch.repeat_interleave(torch.arange(len(counts), device=x.device), counts)
        position = torch.arange(len(x), device=x.device) - cu[:-1].long()[owner]
        turns = rope_turns(position[:, None], self.config.head_dim, 1000.0)
        for block in self.blocks:
            x = block(x, cu, turns)
        x = self.norm(x)
        mean = torch.zeros(len(counts), x.shape[1], device=x.device, dtype=x.dtype)
        mean = mean.index_add(0, owner, x) / counts[:, None]
        peak = (
            torch.segment_reduce(x, "max", lengths=counts)
            if x.device.type == "cpu"
            else (torch.stack([part.amax(0) for part in x.split(lengths)]))
        )
        return x, cu, self.pool(torch.cat((mean, peak), dim=1)).float()
