"""The loss of a pack, and the loss on held-out clips at fixed noise levels."""

from __future__ import annotations

from typing import Any

import torch

from dit.config import TrainConfig
from dit.data import Batch, TrainingPacks, generator_for, make_batch
from dit.flow import weighted_loss
from dit.model import DiT

EVAL_TIMES = (0.1, 0.3, 0.5, 0.7, 0.9)
"""Noise levels at which the held-out loss is measured."""


def pack_loss(model: DiT, batch: Batch) -> torch.Tensor:
    """Weighted sum of token losses of one pack; divide by the step's total weight."""
    velocity = model(batch.x_t, batch.t, batch.layout, batch.given)
    return weighted_loss(velocity, batch.target, batch.weight, batch.real)


@torch.no_grad()
def held_out_loss(
    model: DiT, packs: list[list[dict[str, Any]]], data: TrainingPacks, config: TrainConfig
) -> dict[str, float]:
    """Loss per number on held-out clips at fixed levels and noise: the mean, and each level's as ``t0.5``."""
    sums = {t: 0.0 for t in EVAL_TIMES}
    count = 0.0
    for number, pack in enumerate(packs):
        for t in EVAL_TIMES:
            batch = make_batch(
                pack,
                data.spec(),
                model.config,
                config,
                generator_for(config.seed, -1, number),
                times=torch.full((len(pack),), t),
            )
            sums[t] += float(pack_loss(model, batch))
        count += float(batch.weight.sum())
    losses = {f"t{t}": value / max(count, 1e-9) for t, value in sums.items()}
    return {"held_out": sum(losses.values()) / len(losses), **losses}
