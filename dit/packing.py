"""From clips to one flat pack of tokens and back: patchify, coordinates, segment ends.

A pack is a row of clips of any size, aspect and length laid end to end, plus their text tokens. Latents whose sides are
not multiples of the patch are padded by repeating the edge; ``unpatchify`` crops the padding off again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from dit.segments import Segments, segments
from pipeline.training.device import OnDevice

Shape = tuple[int, int, int]
Patch = tuple[int, int, int]


def grid_of(shape: Sequence[int], patch: Patch) -> Shape:
    """Tokens along (frames, rows, columns) of latents (T, H, W); partial patches count."""
    t, h, w = (-(-side // step) for side, step in zip(shape, patch, strict=True))
    return t, h, w


def token_count(shape: Sequence[int], patch: Patch) -> int:
    """Tokens of latents (T, H, W)."""
    t, h, w = grid_of(shape, patch)
    return t * h * w


def patchify(latent: Tensor, patch: Patch) -> Tensor:
    """(C, T, H, W) -> (tokens, C * patch volume), frames outermost, columns innermost."""
    c = latent.shape[0]
    shape = latent.shape[1:]
    t, h, w = grid_of(shape, patch)
    pt, ph, pw = patch
    pad = (w * pw - shape[2], h * ph - shape[1], t * pt - shape[0])
    if any(pad):
        latent = F.pad(latent[None], (0, pad[0], 0, pad[1], 0, pad[2]), mode="replicate")[0]
    x = latent.reshape(c, t, pt, h, ph, w, pw).permute(1, 3, 5, 0, 2, 4, 6)
    return x.reshape(t * h * w, c * pt * ph * pw)


def unpatchify(tokens: Tensor, shape: Sequence[int], patch: Patch) -> Tensor:
    """Inverse of ``patchify`` for latents (T, H, W) of ``shape``; padding is cropped off."""
    t, h, w = grid_of(shape, patch)
    pt, ph, pw = patch
    c = tokens.shape[1] // (pt * ph * pw)
    x = tokens.reshape(t, h, w, c, pt, ph, pw).permute(3, 0, 4, 1, 5, 2, 6)
    x = x.reshape(c, t * pt, h * ph, w * pw)
    return x[:, : shape[0], : shape[1], : shape[2]]


def real_share(shape: Sequence[int], patch: Patch) -> Tensor | None:
    """(tokens, patch volume) bool, False on numbers that are edge padding; None when there is none."""
    if all(side % step == 0 for side, step in zip(shape, patch, strict=True)):
        return None
    padded = [g * p for g, p in zip(grid_of(shape, patch), patch, strict=True)]
    real = torch.zeros(1, *padded)
    real[:, : shape[0], : shape[1], : shape[2]] = 1
    return patchify(real, patch) > 0


def grid_coords(grid: Shape) -> Tensor:
    """(tokens, 3) int64 coordinates (frame, row, column) in patchify's order."""
    axes = [torch.arange(n) for n in grid]
    return torch.stack(torch.meshgrid(*axes, indexing="ij"), dim=-1).reshape(-1, 3)


@dataclass(frozen=True, kw_only=True)
class TextRows(OnDevice):
    """Where the tokens of a pack's captions stand once every clip without a caption has the null token."""

    segments: Segments
    """Captions, each of at least one token; M' tokens together."""
    real: Tensor
    """(M,) int64: rows of the given text tokens."""
    null: Tensor
    """(clips without a caption,) int64: rows of the null token."""
    owner: Tensor
    """(M',) int64: clip of each row."""
    position: Tensor
    """(M', 1) int64: place of each row in its caption."""
    counts: Tensor
    """(clips,) int64: rows of each caption."""


def text_rows(lengths: Sequence[int]) -> TextRows:
    """Rows of captions of ``lengths`` tokens; 0 is no caption."""
    full = [max(1, length) for length in lengths]
    counts = torch.tensor(full)
    owner = torch.repeat_interleave(torch.arange(len(full)), counts)
    rows = segments(full)
    missing = torch.tensor([length == 0 for length in lengths])[owner]
    return TextRows(
        segments=rows,
        real=(~missing).nonzero()[:, 0],
        null=missing.nonzero()[:, 0],
        owner=owner,
        position=(torch.arange(len(owner)) - rows.cu[:-1].long()[owner])[:, None],
        counts=counts,
    )


@dataclass(frozen=True, kw_only=True)
class References(OnDevice):
    """Tokens of reference pictures and videos, and where they stand once each follows the clip that it is shown to."""

    tokens: Tensor
    """(R, token_dim) clean tokens."""
    coords: Tensor
    """(R, 3) int64 rotary coordinates: frames are negative, so that none is one of the clip's."""
    index: Tensor
    """(R, 3) int64 grid coordinates inside the reference."""
    grids: Tensor
    """(R, 3) int64 tokens along (frames, rows, columns) of each token's reference."""
    fps: Tensor
    """(R,) float32 frames per second, those of the clip."""
    clip: Tensor
    """(R,) int64 clip of each token."""
    segments: Segments
    """The clips' tokens, each clip's with those of its references behind them."""
    order: Tensor
    """(N + R,) int64: which token stands at each place, counting the pack's tokens first, then these."""
    places: Tensor
    """(N + R,) int64: inverse of ``order``."""


@dataclass(frozen=True, kw_only=True)
class Layout(OnDevice):
    """What the transformer needs to know of a pack besides the numbers in its tokens."""

    shapes: tuple[Shape, ...]
    """Latent (T, H, W) of each clip."""
    grid: tuple[Shape, ...]
    """Tokens along (frames, rows, columns) of each clip."""
    coords: Tensor
    """(N, 3) int64 grid coordinates of every token."""
    grids: Tensor
    """(clips, 3) int64, ``grid`` on the device."""
    fps: Tensor
    """(clips,) float32 frames per second of the decoded video."""
    segments: Segments
    """The clips' tokens."""
    clip: Tensor
    """(N,) int64 index of each token's clip."""
    text: Tensor
    """(M, text_dim) token features of the captions."""
    captions: Segments
    """The captions' tokens; a clip without any has the null caption."""
    text_rows: TextRows
    """Where they stand together with the null captions."""
    whole: Segments | None = None
    """Of a part of a pack (``dit.parallel``): the clips' tokens on all processes together."""
    references: References | None = None
    """What the clips are shown beside their captions, see ``dit.references``; None: no clip is shown anything."""

    @property
    def n_clips(self) -> int:
        """Clips in the pack."""
        return len(self.shapes)


def make_layout(
    shapes: Sequence[Sequence[int]],
    texts: Sequence[Tensor | None],
    *,
    patch: Patch,
    text_dim: int,
    fps: Sequence[float] | float = 8.0,
) -> Layout:
    """Lay out clips with latents (T, H, W) of ``shapes``; ``texts[i]`` is (L_i, text_dim), or None for no caption."""
    if len(shapes) != len(texts) or not shapes:
        raise ValueError(f"make_layout: {len(shapes)} shapes for {len(texts)} texts; need one each")
    for index, text in enumerate(texts):
        if text is not None and text.shape[-1] != text_dim:
            raise ValueError(
                f"make_layout: text {index} has width {text.shape[-1]}, the model expects {text_dim}; "
                "encode the captions with the text encoder the DiT was trained with"
            )
    grids = [grid_of(shape, patch) for shape in shapes]
    counts = [g[0] * g[1] * g[2] for g in grids]
    rates = [float(fps)] * len(shapes) if isinstance(fps, int | float) else [float(f) for f in fps]
    lengths = [0 if text is None else len(text) for text in texts]
    some = [text.float() for text in texts if text is not None and len(text)]
    return Layout(
        shapes=tuple((int(s[0]), int(s[1]), int(s[2])) for s in shapes),
        grid=tuple(grids),
        coords=torch.cat([grid_coords(grid) for grid in grids]),
        grids=torch.tensor(grids, dtype=torch.int64),
        fps=torch.tensor(rates, dtype=torch.float32),
        segments=segments(counts),
        clip=torch.repeat_interleave(torch.arange(len(counts)), torch.tensor(counts)),
        text=torch.cat(some) if some else torch.zeros(0, text_dim),
        captions=segments(lengths),
        text_rows=text_rows(lengths),
    )


def split_pack(tokens: Tensor, layout: Layout, patch: Patch) -> list[Tensor]:
    """Latents (C, T, H, W) of each clip of a pack's tokens (N, token_dim)."""
    ends = layout.segments.ends
    return [
        unpatchify(tokens[ends[i] : ends[i + 1]], shape, patch)
        for i, shape in enumerate(layout.shapes)
    ]
