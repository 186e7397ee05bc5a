"""Exponential moving average of weights."""

from __future__ import annotations

import copy

import torch
from torch import nn


def ema_decay(step: int, limit: float) -> float:
    """Decay before update number ``step`` (from 0): (1 + step) / (10 + step), at most ``limit``."""
    return min(limit, (1 + step) / (10 + step))


class Ema:
    """A second set of weights that trails the first: ``average = d * average + (1 - d) * weights``."""

    def __init__(self, model: nn.Module, limit: float) -> None:
        self.model = copy.deepcopy(model).eval().requires_grad_(False)
        self.limit = limit
        self.updates = 0

    @torch.no_grad()
    def update(self, model: nn.Module) -> None:
        """Move the average towards the weights of ``model``."""
        decay = ema_decay(self.updates, self.limit)
        mine, theirs = list(self.model.parameters()), [p.detach() for p in model.parameters()]
        torch._foreach_lerp_(mine, theirs, 1 - decay)
        self.updates += 1

    def state_dict(self) -> dict:
        """Averaged weights and the number of updates."""
        return {"weights": self.model.state_dict(), "updates": self.updates}

    def load_state_dict(self, state: dict) -> None:
        """Inverse of ``state_dict``."""
        self.model.load_state_dict(state["weights"])
        self.updates = int(state["updates"])
