"""The small transformer that text tokens pass through before the blocks read them, and the learned null caption."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from dit.config import DiTConfig
from dit.layers import Attention, Linear, Mlp
from dit.packing import TextRows
from dit.rope import rope_turns
from dit.segments import Segments
from dit.shapes import REFINER_MLP


class RefinerBlock(nn.Module):
    """Pre-norm transformer block over the text tokens of one caption."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.attention = Attention(width, heads)
        self.mlp = Mlp(width, REFINER_MLP)

    def forward(self, x: Tensor, captions: Segments, turns: Tensor) -> Tensor:
        """(M, width) -> (M, width), float32."""
        x = x + self.attention(self.norm1(x), captions, turns=turns).float()
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

    def forward(self, text: Tensor, rows: TextRows) -> tuple[Tensor, Segments, Tensor]:
        """Text tokens (M, text_dim) -> tokens (M', width), whose captions they are, pooled (clips, width).

        Captions without tokens get the null token, so M' = M + number of null captions.
        """
        # No row of the null caption still makes it part of the graph: every weight has a gradient in every pass, were
        # it zero, so that neither the optimiser nor other processes can tell who had use for it.
        null = self.null.expand(len(rows.null), -1)
        x = self.inp(self.inp_norm(text)).float()
        x = x.new_zeros(len(rows.owner), x.shape[1]).index_copy(0, rows.real, x)
        x = x.index_copy(0, rows.null, null)
        turns = rope_turns(rows.position, self.config.head_dim, 1000.0)
        for block in self.blocks:
            x = block(x, rows.segments, turns)
        x = self.norm(x)
        pooled = torch.cat((_means(x, rows), _peaks(x, rows)), dim=1)
        return x, rows.segments, self.pool(pooled).float()


def _means(x: Tensor, rows: TextRows) -> Tensor:
    """(clips, width) means over each caption's rows of x; on a GPU by a kernel whose sums are the same every time."""
    if x.device.type == "cpu":
        sums = x.new_zeros(len(rows.counts), x.shape[1]).index_add(0, rows.owner, x)
        return sums / rows.counts[:, None]
    return torch.segment_reduce(x, "mean", lengths=rows.counts, unsafe=True)


def _peaks(x: Tensor, rows: TextRows) -> Tensor:
    """(clips, width) largest values over each caption's rows of x."""
    return torch.segment_reduce(x, "max", lengths=rows.counts, unsafe=x.device.type != "cpu")
