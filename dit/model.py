"""The spacetime-patch diffusion transformer over packs of clips.

Each block: adaLN-modulated self-attention inside a clip (3D RoPE, RMS-normed queries and keys), cross-attention to the
clip's caption, adaLN-modulated MLP. The residual stream, the norms and the modulation are float32; matrix products run
in ``compute`` (float32 or bfloat16). One shared network turns noise level and pooled caption into the six modulation
vectors (adaLN-single); every block adds its own learned bias. Gates and the last layer start at zero, so every block
starts as the identity and the model starts by predicting zero.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint as recompute

from dit.attention import attend, segment_ends
from dit.config import DiTConfig
from dit.fused import add_gated, modulate, norm_turn
from dit.packing import Layout
from dit.rope import rope_turns

TIME_FEATURES = 128
PLACE_BANDS = 4
PLACE_FEATURES = 3 * (2 * PLACE_BANDS + 2) + 1


class Linear(nn.Linear):
    """A float32 layer whose product runs in ``compute``; the result has that dtype."""

    compute: torch.dtype = torch.float32

    def forward(self, x: Tensor) -> Tensor:
        """(..., in) -> (..., out)."""
        bias = None if self.bias is None else self.bias.to(self.compute)
        return F.linear(x.to(self.compute), self.weight.to(self.compute), bias)


def sinusoids(x: Tensor, features: int, low: float, high: float) -> Tensor:
    """(N,) -> (N, features) sines and cosines at angular frequencies spaced geometrically from low to high."""
    steps = torch.linspace(math.log(low), math.log(high), features // 2, device=x.device)
    angles = x[:, None].float() * steps.exp()
    return torch.cat((angles.sin(), angles.cos()), dim=1)


def place_features(layout: Layout) -> Tensor:
    """(N, PLACE_FEATURES): where a token lies in its clip, how large the clip is, and its frame rate."""
    grid = layout.grids[layout.clip].float()
    index = layout.coords.float()
    fraction = (index + 0.5) / grid
    parts = [torch.log2(layout.fps[layout.clip] / 8.0)[:, None]]
    for axis in range(3):
        parts.append(sinusoids(fraction[:, axis], 2 * PLACE_BANDS, math.pi, 8 * math.pi))
        parts.append(index[:, axis, None] / 8.0)
        parts.append(torch.log2(grid[:, axis, None]) / 4.0)
    return torch.cat(parts, dim=1)


class Attention(nn.Module):
    """Multi-head attention through the ``attend`` seam; ``cross`` takes keys and values from another stream."""

    def __init__(self, width: int, heads: int, *, cross: bool = False) -> None:
        super().__init__()
        self.heads, self.head_dim, self.cross = heads, width // heads, cross
        if cross:
            self.q = Linear(width, width)
            self.kv = Linear(width, 2 * width)
        else:
            self.qkv = Linear(width, 3 * width)
        self.scale = nn.Parameter(torch.ones(2, 1, self.head_dim))
        self.out = Linear(width, width)
        self.attend = attend

    def forward(
        self,
        x: Tensor,
        cu: Tensor,
        *,
        memory: Tensor | None = None,
        memory_cu: Tensor | None = None,
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
        mixed = self.attend(q, k, v, cu, cu if memory_cu is None else memory_cu)
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
        x = (
            self.inp(self.inp_norm(text)).float()
            if len(text)
            else text.new_zeros(0, self.null.shape[1])
        )
        if 0 in lengths:
            rows, start = [], 0
            for length in lengths:
                rows.append(x[start : start + length] if length else self.null)
                start += length
            x = torch.cat(rows)
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


class Block(nn.Module):
    """Self-attention, cross-attention and MLP, each added through a gate."""

    def __init__(self, config: DiTConfig) -> None:
        super().__init__()
        self.attention = Attention(config.width, config.heads)
        self.cross = Attention(config.width, config.heads, cross=True)
        self.mlp = Mlp(config.width, config.mlp_ratio)
        self.bias = nn.Parameter(torch.zeros(6, config.width))
        with torch.no_grad():
            self.bias[[1, 4]] = 1.0  # scales
        self.cross_norm = nn.LayerNorm(config.width)
        self.cross_gate = nn.Parameter(torch.zeros(config.width))

    def forward(
        self,
        x: Tensor,
        table: Tensor,
        row: Tensor,
        cu: Tensor,
        turns: Tensor,
        memory: Tensor,
        memory_cu: Tensor,
    ) -> Tensor:
        """x (N, width) float32; ``table`` (rows, 6, width) of modulation, ``row`` (N,) which row each token uses."""
        compute = self.mlp.up.compute
        shift1, scale1, gate1, shift2, scale2, gate2 = (table + self.bias).unbind(1)
        h = modulate(x, shift1, scale1, row, compute)
        x = add_gated(x, gate1, row, self.attention(h, cu, turns=turns))
        h = self.cross(self.cross_norm(x), cu, memory=memory, memory_cu=memory_cu)
        x = add_gated(x, self.cross_gate, None, h)
        h = modulate(x, shift2, scale2, row, compute)
        return add_gated(x, gate2, row, self.mlp(h))


class DiT(nn.Module):
    """Velocity of packed noisy latents, given per-token noise levels and captions."""

    def __init__(self, config: DiTConfig) -> None:
        super().__init__()
        self.config = config
        width = config.width
        self.text = TextRefiner(config)
        self.inp = Linear(config.token_dim, width)
        self.place = Linear(PLACE_FEATURES, width)
        self.given = nn.Parameter(torch.zeros(width))
        self.time = nn.Sequential(Linear(TIME_FEATURES, width), nn.SiLU(), Linear(width, width))
        self.modulation = Linear(width, 6 * width)
        self.blocks = nn.ModuleList(Block(config) for _ in range(config.depth))
        self.last_modulation = Linear(width, 2 * width)
        self.last = Linear(width, config.token_dim)
        self.checkpoint_blocks = False
        self._init_weights()

    def _init_weights(self) -> None:
        for module in self.modules():
            if isinstance(module, Linear):
                nn.init.xavier_uniform_(module.weight)
                if module.bias is not None:
                    nn.init.zeros_(module.bias)
        for module in (self.last, self.modulation, self.last_modulation):
            nn.init.zeros_(module.weight)
        with torch.no_grad():
            self.given.normal_(std=0.02)

    def set_compute(self, dtype: torch.dtype) -> DiT:
        """Run matrix products in ``dtype``; modulation and time embedding stay float32. Returns self."""
        keep = {self.modulation, self.last_modulation, self.text.pool, *self.time}
        for module in self.modules():
            if isinstance(module, Linear) and module not in keep:
                module.compute = dtype
        return self

    def forward(
        self,
        tokens: Tensor,
        t: Tensor,
        layout: Layout,
        given: Tensor | None = None,
        memory: tuple[Tensor, Tensor, Tensor] | None = None,
    ) -> Tensor:
        """Tokens (N, token_dim), noise levels t (N,) in [0, 1] -> velocity (N, token_dim).

        ``given`` (N,) bool marks clean tokens; ``memory`` is ``self.text(...)`` of the layout, if already at hand.
        """
        text, text_cu, pooled = memory or self.text(layout.text, layout.text_cu)
        clip = layout.clip
        fresh = torch.ones(len(t), dtype=torch.bool, device=t.device)
        fresh[1:] = (t[1:] != t[:-1]) | (clip[1:] != clip[:-1])
        row = fresh.cumsum(0) - 1
        level = self.time(sinusoids(t[fresh], TIME_FEATURES, 1.0, 1000.0))
        signal = F.silu(level + pooled[clip[fresh]])
        table = self.modulation(signal).unflatten(1, (6, -1))
        turns = rope_turns(layout.coords, self.config.head_dim, self.config.rope_theta)
        x = self.inp(tokens).float() + self.place(place_features(layout)).float()
        if given is not None:
            x = x + given[:, None] * self.given
        for block in self.blocks:
            arguments = (x, table, row, layout.cu, turns, text, text_cu)
            if self.checkpoint_blocks and torch.is_grad_enabled():
                x = recompute(block, *arguments, use_reentrant=False)
            else:
                x = block(*arguments)
        shift, scale = self.last_modulation(signal).chunk(2, dim=1)
        return self.last(modulate(x, shift, 1 + scale, row, self.last.compute)).float()

    def compile_blocks(self) -> DiT:
        """Compile every block around the attention seam, whose work depends on the pack. Returns self."""
        seam = torch.compiler.disable(attend)
        for block in [*self.blocks, *self.text.blocks]:
            for module in block.modules():
                if isinstance(module, Attention):
                    module.attend = seam
            block.compile(dynamic=True)
        return self

    def n_parameters(self) -> int:
        """Number of weights."""
        return sum(p.numel() for p in self.parameters())
