"""The part of a pack that one process of a context works on.

Tokens are split into equal stretches, whatever clips they belong to; a pack whose tokens do not divide is filled up
with copies of its last token, which no attention sees and no loss counts. Captions stay whole: their tokens are few
beside those of a clip that is split.
"""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from dit.fused import rows_of
from dit.levels import Levels
from dit.packing import Layout
from dit.parallel.context import Context
from dit.parallel.spread import spread
from dit.segments import segments


def take(x: Tensor, context: Context, *, fill: bool | int | None = None) -> Tensor:
    """This process's rows of x (N, ...); what fills the pack up is ``fill``, or a copy of the last row."""
    part = context.part(len(x))
    rows = torch.arange(part.start, part.stop, device=x.device)
    mine = x[rows.clamp(max=len(x) - 1)]
    if fill is not None and part.stop > len(x):
        mine[max(0, len(x) - part.start) :] = fill
    return mine


def split_layout(layout: Layout, context: Context) -> Layout:
    """The layout of this process's tokens of a pack, on the CPU.

    ``segments`` then holds how many of its tokens each clip has, 0 for most; ``whole`` the clips of all processes.
    """
    if layout.references is not None:
        raise ValueError(
            "clips that are shown references are not shared by processes; leave one out"
        )
    clip = take(layout.clip, context)
    return replace(
        layout,
        coords=take(layout.coords, context),
        clip=clip,
        segments=segments(torch.bincount(clip, minlength=layout.n_clips).tolist()),
        whole=spread(layout.segments, context),
    )


def split_levels(levels: Levels, context: Context) -> Levels:
    """Noise levels of this process's tokens, on the CPU."""
    index = take(levels.rows.index, context)
    first, last = int(index[0]), int(index[-1]) + 1
    return Levels(
        value=levels.value[first:last],
        clip=levels.clip[first:last],
        rows=rows_of(index - first),
    )
