"""Exponential moving average of weights."""

from __future__ import annotations

import copy
from typing import Any

import torch
from torch import nn


def ema_decay(step: int, limit: float) -> float:
    """Decay before update number ``step`` (from 0): (1 + step) / (10 + step), at most ``limit``."""
    return min(limit, (1 + step) / (10 + step))


class Ema:
    """A second set of weights that trails the first: ``average = d * average + (1 - d) * weights``."""

    def __init__(self, model: nn.Module, limit: float, average: nn.Module | None = None) -> None:
        """``average``: a second model with the weights of ``model``, where that cannot be copied."""
        second = copy.deepcopy(model) if average is None else average
        self.model: Any = second.eval().requires_grad_(False)
        self.limit = limit
        self.updates = 0

    @torch.no_grad()
    def update(self, model: nn.Module) -> None:
        """Move the average towards the weights of ``model``; those that are not trained are equal anyway."""
        decay = ema_decay(self.updates, self.limit)
        pairs = zip(self.model.parameters(), model.parameters(), strict=True)
        moving = [(mine, theirs.detach()) for mine, theirs in pairs if theirs.requires_grad]
        torch._foreach_lerp_([a for a, _ in moving], [b for _, b in moving], 1 - decay)
        self.updates += 1
