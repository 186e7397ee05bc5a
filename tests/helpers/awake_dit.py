"""A DiT whose gates are open: a fresh one predicts zero, whatever it is shown."""

from __future__ import annotations

import torch

from dit.config import DiTConfig
from dit.model import DiT


def awake_dit(config: DiTConfig, *, seed: int = 0, std: float = 0.2) -> DiT:
    """A model whose zero-initialised layers are drawn as well, so that every path matters; to be trained."""
    torch.manual_seed(seed)
    model = DiT(config)
    for parameter in model.parameters():
        if not parameter.any():
            torch.nn.init.normal_(parameter, std=std)
    return model


def frozen_dit(config: DiTConfig, *, seed: int = 0, std: float = 0.2) -> DiT:
    """The same for sampling: in evaluation mode, without gradients."""
    return awake_dit(config, seed=seed, std=std).eval().requires_grad_(False)
