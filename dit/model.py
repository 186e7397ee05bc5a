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

from dit.attention import attend
from dit.block_runs import BlockRun, run_all
from dit.config import DiTConfig
from dit.factorised import Factors, factors_of
from dit.fused import Rows, add_gated, modulate
from dit.layers import Attention, Linear, Mlp
from dit.levels import Levels, levels_of
from dit.packing import Layout, References
from dit.parallel.spread import Spread
from dit.picking import Pick
from dit.rope import rope_turns
from dit.segments import Segments
from dit.shapes import PLACE_BANDS, PLACE_FEATURES, TIME_FEATURES
from dit.text import TextRefiner


def sinusoids(x: Tensor, features: int, low: float, high: float) -> Tensor:
    """(N,) -> (N, features) sines and cosines at angular frequencies spaced geometrically from low to high."""
    steps = torch.linspace(math.log(low), math.log(high), features // 2, device=x.device)
    angles = x[:, None].float() * steps.exp()
    return torch.cat((angles.sin(), angles.cos()), dim=1)


def place_features(index: Tensor, grid: Tensor, fps: Tensor) -> Tensor:
    """(N, PLACE_FEATURES): where a token lies in its clip, how large the clip is, and its frame rate.

    ``index`` and ``grid`` (N, 3) int64 along (frames, rows, columns), ``fps`` (N,).
    """
    index, grid = index.float(), grid.float()
    fraction = (index + 0.5) / grid
    parts = [torch.log2(fps / 8.0)[:, None]]
    for axis in range(3):
        parts.append(sinusoids(fraction[:, axis], 2 * PLACE_BANDS, math.pi, 8 * math.pi))
        parts.append(index[:, axis, None] / 8.0)
        parts.append(torch.log2(grid[:, axis, None]) / 4.0)
    return torch.cat(parts, dim=1)


class Block(nn.Module):
    """Self-attention (over the clip, or over each frame and then along time), cross-attention and MLP, each gated."""

    compute: torch.dtype = torch.float32

    def __init__(self, config: DiTConfig) -> None:
        super().__init__()
        self.attention = Attention(config.width, config.heads, gated=config.head_gate)
        if config.attention == "factorised":
            self.along_time = Attention(config.width, config.heads, gated=config.head_gate)
            self.time_norm = nn.LayerNorm(config.width)
            self.time_gate = nn.Parameter(torch.zeros(config.width))
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
        rows: Rows,
        clips: Segments,
        turns: Tensor,
        memory: Tensor,
        captions: Segments,
        factors: Factors | None = None,
        whole: Segments | None = None,
    ) -> Tensor:
        """x (N, width) float32; ``table`` (rows, 6, width) of modulation, ``rows`` which of them each token uses.

        ``whole``: the clips on all processes together, where x is one process's part of a pack (``dit.parallel``).
        """
        compute = self.compute
        shift1, scale1, gate1, shift2, scale2, gate2 = (table + self.bias).unbind(1)
        h = modulate(x, shift1, scale1, rows, compute)
        h = self.attention(h, factors.frames if factors else whole or clips, turns=turns)
        x = add_gated(x, gate1, rows, h)
        if factors is not None and isinstance(factors.columns, Spread):
            h = self.along_time(self.time_norm(x), factors.columns, turns=turns)
            x = add_gated(x, self.time_gate, None, h)
        elif factors is not None:
            h = Pick.apply(self.time_norm(x), factors.order, factors.back)
            h = self.along_time(h, factors.columns, turns=turns[factors.order])
            x = add_gated(x, self.time_gate, None, Pick.apply(h, factors.back, factors.order))
        h = self.cross(self.cross_norm(x), clips, memory=memory, captions=captions)
        x = add_gated(x, self.cross_gate, None, h)
        h = modulate(x, shift2, scale2, rows, compute)
        return add_gated(x, gate2, rows, self.mlp(h))


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
        self.reference = nn.Parameter(torch.zeros(width)) if config.references else None
        self.time = nn.Sequential(Linear(TIME_FEATURES, width), nn.SiLU(), Linear(width, width))
        self.modulation = Linear(width, 6 * width)
        self.blocks = nn.ModuleList(Block(config) for _ in range(config.depth))
        self.last_modulation = Linear(width, 2 * width)
        self.last = Linear(width, config.token_dim)
        self.checkpoint_blocks = self.compiled = False
        self._init_weights()

    def _init_weights(self) -> None:
        for module in self.modules():
            if isinstance(module, Linear):
                nn.init.xavier_uniform_(module.weight)
                if module.bias is not None:
                    nn.init.zeros_(module.bias)
        gates = [m.gate for m in self.modules() if isinstance(m, Attention) and m.gate is not None]
        for module in (self.last, self.modulation, self.last_modulation, *gates):
            nn.init.zeros_(module.weight)
        with torch.no_grad():
            for tag in (self.given, self.reference):
                if tag is not None:
                    tag.normal_(std=0.02)

    def set_compute(self, dtype: torch.dtype) -> DiT:
        """Run matrix products in ``dtype``; modulation and time embedding stay float32. Returns self."""
        keep = {self.modulation, self.last_modulation, self.text.pool, *self.time}
        for module in self.modules():
            if isinstance(module, Linear | Block) and module not in keep:
                module.compute = dtype
        return self

    def read(self, layout: Layout) -> tuple[Tensor, Segments, Tensor]:
        """The captions of a pack as ``forward`` takes them for ``memory``, when they are used more than once."""
        memory: tuple[Tensor, Segments, Tensor] = self.text(layout.text, layout.text_rows)
        return memory

    def forward(
        self,
        tokens: Tensor,
        t: Tensor | Levels,
        layout: Layout,
        given: Tensor | None = None,
        memory: tuple[Tensor, Segments, Tensor] | None = None,
        run: BlockRun = run_all,
    ) -> Tensor:
        """Tokens (N, token_dim), noise levels t (N,) in [0, 1] -> velocity (N, token_dim).

        On a GPU give the levels as ``levels_of`` makes them on the CPU, then nothing waits for the GPU. ``given`` (N,)
        bool marks clean tokens; ``memory`` is ``read`` of the layout, if already at hand. ``run`` takes the
        tokens through the blocks, see ``dit.block_runs``.
        """
        text, captions, pooled = memory or self.text(layout.text, layout.text_rows)
        refs = layout.references
        if not isinstance(t, Levels):
            shown = None if refs is None else refs.to("cpu")
            t = levels_of(t.cpu(), layout.clip.cpu(), shown).to(t.device)
        levels, rows = t, t.rows if t.among is None else t.among
        if self.compiled:
            rows = Rows(rows.index)
        level = self.time(sinusoids(levels.value, TIME_FEATURES, 1.0, 1000.0))
        signal = F.silu(level + levels.of_clips(pooled))
        table = self.modulation(signal).unflatten(1, (6, -1))
        places = place_features(layout.coords, layout.grids[layout.clip], layout.fps[layout.clip])
        x = self.inp(tokens).float() + self.place(places).float()
        if given is not None:
            x = x + given[:, None] * self.given
        coords, clips = layout.coords, layout.segments
        if refs is not None:
            x = Pick.apply(torch.cat((x, self.show(refs))), refs.order, refs.places)
            coords, clips = torch.cat((coords, refs.coords))[refs.order], refs.segments
        turns = rope_turns(coords, self.config.head_dim, self.config.rope_theta)
        factors = factors_of(layout) if self.config.attention == "factorised" else None
        rest = (table, rows, clips, turns, text, captions, factors, layout.whole)

        def through(block: nn.Module, x: Tensor) -> Tensor:
            if self.checkpoint_blocks and torch.is_grad_enabled():
                return recompute(block, x, *rest, use_reentrant=False)
            out: Tensor = block(x, *rest)
            return out

        x = run(list(self.blocks), x, through)
        if refs is not None:
            x = Pick.apply(x, refs.places[: len(tokens)], None)
            rows = levels.rows
        shift, scale = self.last_modulation(signal).chunk(2, dim=1)
        return self.last(modulate(x, shift, 1 + scale, rows, self.last.compute)).float()

    def show(self, references: References) -> Tensor:
        """(R, width): tokens of references as the blocks read them, marked as given and as no frames of the clip."""
        if self.reference is None:
            raise ValueError(
                "this DiT takes no references; train one with `train-dit --references`"
            )
        places = place_features(references.index, references.grids, references.fps)
        x = self.inp(references.tokens).float() + self.place(places).float()
        return x + self.given + self.reference

    def compile_blocks(self) -> DiT:
        """Compile every block around the attention seam, whose work depends on the pack. Returns self."""
        seam = torch.compiler.disable(attend)
        for block in [*self.blocks, *self.text.blocks]:
            for module in block.modules():
                if isinstance(module, Attention):
                    module.attend = seam
            block.compile(dynamic=True)
        self.compiled = True
        return self

    def n_parameters(self) -> int:
        """Number of weights."""
        return sum(p.numel() for p in self.parameters())
