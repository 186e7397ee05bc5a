"""Frames too large for one pass: encoded and decoded in overlapping tiles whose seams are blended.

The network looks a limited way to each side, so a tile is right but for a margin at its edges; in the middle of their
overlap two tiles fade into each other, linearly. Memory follows the tile and the chunk of frames, not the video; only
the result is whole.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from vae.model import Posterior, VideoVAE

CHUNK = 8
"""Latent frames that pass through the network together."""


@dataclass(frozen=True, kw_only=True)
class Tiling:
    """Size of the tiles, in pixels; both are rounded down to whole latent cells."""

    tile: int = 512
    """Side of a tile. Frames that fit into one are not tiled."""
    overlap: int = 128
    """Least overlap of two neighbours; with 64 the tiny preset is within 74 dB of one pass."""

    def cells(self, factor: int) -> tuple[int, int]:
        """(tile, overlap) in latent cells of ``factor`` pixels. Raises ``ValueError`` if no tile can advance."""
        tile, overlap = self.tile // factor, self.overlap // factor
        if not 0 <= overlap < tile:
            raise ValueError(
                f"tiles of {self.tile} pixels that overlap by {self.overlap} cannot cover a frame of this VAE, "
                f"whose latent cells are {factor} pixels wide; give a larger tile or a smaller overlap"
            )
        return tile, overlap


@torch.no_grad()
def encode_tiled(vae: VideoVAE, x: Tensor, tiling: Tiling | None = None) -> Posterior:
    """``vae.encode`` of frames (B,3,T,H,W) in [-1,1], in tiles where they are larger than one."""
    vae.check_frames(x.shape)
    config, tiling = vae.config, tiling or Tiling()
    s = config.space_factor
    size = (x.shape[3] // s, x.shape[4] // s)
    if max(size) <= tiling.cells(s)[0]:
        return vae.encode(x)

    def run(rows: slice, columns: slice) -> Iterator[Tensor]:
        part = x[..., scaled(rows, s), scaled(columns, s)]
        for posterior in vae.encode_stream(part.split(CHUNK * config.time_factor, dim=2)):
            yield torch.cat([posterior.mean, posterior.logvar], dim=1)

    channels, frames, *_ = config.latent_shape(x.shape[2], x.shape[3], x.shape[4])
    whole = x.new_empty((len(x), 2 * channels, frames, *size), dtype=torch.float32)
    mean, logvar = blend(whole, run, size, tiling, s, 1).chunk(2, dim=1)
    return Posterior(mean=mean, logvar=logvar)


@torch.no_grad()
def decode_tiled(vae: VideoVAE, z: Tensor, tiling: Tiling | None = None) -> Tensor:
    """``vae.decode`` of latents (B,C,T',H',W'), not normalised, in tiles where frames are larger than one."""
    config, tiling = vae.config, tiling or Tiling()
    s = config.space_factor
    size = (z.shape[3], z.shape[4])
    if max(size) <= tiling.cells(s)[0]:
        return vae.decode(z)

    def run(rows: slice, columns: slice) -> Iterable[Tensor]:
        return vae.decode_stream(z[..., rows, columns].split(CHUNK, dim=2))

    frames = 1 + (z.shape[2] - 1) * config.time_factor
    whole = z.new_empty((len(z), 3, frames, size[0] * s, size[1] * s), dtype=torch.float32)
    return blend(whole, run, size, tiling, s, s)


def blend(
    whole: Tensor,
    run: Callable[[slice, slice], Iterable[Tensor]],
    size: tuple[int, int],
    tiling: Tiling,
    factor: int,
    scale: int,
) -> Tensor:
    """Fill ``whole`` (...,T,H,W) with what ``run(rows, columns)`` yields for every tile, piece by piece over time.

    ``size``: height and width in cells, of which ``scale`` places of ``whole`` make one.
    """
    tile, overlap = tiling.cells(factor)
    whole.zero_()
    total = whole.new_zeros(whole.shape[-2:])
    for rows, down in spans(size[0], tile, overlap):
        for columns, across in spans(size[1], tile, overlap):
            weight = torch.outer(*(fine(each, scale).to(whole) for each in (down, across)))
            place = (scaled(rows, scale), scaled(columns, scale))
            total[place] += weight
            start = 0
            for piece in run(rows, columns):
                stop = start + piece.shape[2]
                whole[(..., slice(start, stop), *place)] += weight * piece
                start = stop
    return whole.div_(total)


def spans(length: int, tile: int, overlap: int) -> list[tuple[slice, Tensor]]:
    """Cells of every tile along one side, evenly spread, and their weights (n,): 1, falling towards neighbours."""
    if length <= tile:
        return [(slice(0, length), torch.ones(length))]
    count = -(-(length - overlap) // (tile - overlap))
    starts = [i * (length - tile) // (count - 1) for i in range(count)]
    found = []
    for i, start in enumerate(starts):
        weights = torch.ones(tile)
        if i:
            n = starts[i - 1] + tile - start
            weights[:n] *= rise(n)
        if i + 1 < count:
            n = start + tile - starts[i + 1]
            weights[-n:] *= rise(n).flip(0)
        found.append((slice(start, start + tile), weights))
    return found


def rise(n: int) -> Tensor:
    """Weights (n,) of an overlap: next to nothing in its first quarter, which sees the tile's edge, then up to 1."""
    middle = (torch.arange(n) + 0.5) / n
    return ((middle - 0.25) * 2).clamp(1e-4, 1)


def fine(weights: Tensor, scale: int) -> Tensor:
    """Weights (n,) of cells as weights (n * scale,) of pixels, linear in between."""
    if scale == 1:
        return weights
    return torch.nn.functional.interpolate(weights[None, None], scale_factor=scale, mode="linear")[
        0, 0
    ]


def scaled(cells: slice, scale: int) -> slice:
    """The places that ``cells`` cover, ``scale`` to a cell."""
    return slice(cells.start * scale, cells.stop * scale)
