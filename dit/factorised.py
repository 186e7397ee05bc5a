"""Factorised attention (ViViT, arXiv 2103.15691, model 3): first among the tokens of a frame, then along time.

Both halves go through the same ``attend`` seam: a frame is a segment, and so is a column, the tokens at one place
of all frames of a clip. Full attention over T frames of S tokens costs (TS)^2 products, factorised TS^2 + ST^2.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from dit.packing import Layout
from dit.parallel.spread import Spread, spread
from dit.segments import Segments, segments
from pipeline.training.device import to_device


@dataclass(frozen=True, kw_only=True)
class Factors:
    """How a pack falls into frames and into columns."""

    frames: Segments
    """The frames: the pack's own order is frame by frame."""
    order: Tensor
    """(N,) int64: the tokens column by column, each column in order of time."""
    back: Tensor
    """(N,) int64: inverse of ``order``."""
    columns: Segments
    """The columns in ``order``."""


def factors_of(layout: Layout) -> Factors:
    """The frames and columns of a pack's clips."""
    frames: list[int] = []
    columns: list[int] = []
    orders = []
    start = 0
    for t, h, w in layout.grid:
        frames += [h * w] * t
        columns += [t] * (h * w)
        orders.append(start + torch.arange(t * h * w).view(t, h * w).t().reshape(-1))
        start += t * h * w
    order = torch.cat(orders)
    device = layout.coords.device
    found = Factors(
        frames=segments(frames).to(device),
        order=to_device(order, device),
        back=to_device(order.argsort(), device),
        columns=segments(columns).to(device),
    )
    if not isinstance(layout.whole, Spread):
        return found
    context = layout.whole.context
    return replace(
        found,
        frames=spread(found.frames, context),
        columns=spread(found.columns, context, order=found.order, back=found.back),
    )
