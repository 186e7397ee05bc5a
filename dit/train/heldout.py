"""The loss of a pack, and the loss on held-out clips at fixed noise levels."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

import torch

from dit.config import TrainConfig
from dit.model import DiT
from dit.rectified_flow import token_losses, weighted_loss
from dit.train.data import Batch, TrainingPacks, generator_for, make_batch

EVAL_TIMES = (0.1, 0.3, 0.5, 0.7, 0.9)
"""Noise levels at which the held-out loss is measured."""


def pack_loss(model: DiT, batch: Batch) -> torch.Tensor:
    """Weighted sum of token losses of one pack; divide by the step's total weight."""
    velocity = model(batch.x_t, batch.levels, batch.layout, batch.given)
    return weighted_loss(velocity, batch.target, batch.weight, batch.real)


@torch.no_grad()
def held_out_losses(model: DiT, batch: Batch) -> torch.Tensor:
    """(N,) unweighted token losses of a pack, where the model is."""
    there = batch.to(next(model.parameters()).device)
    velocity = model(there.x_t, there.levels, there.layout, there.given)
    return token_losses(velocity, there.target, there.real)


@torch.no_grad()
def held_out_loss(
    model: DiT, packs: list[list[dict[str, Any]]], data: TrainingPacks, config: TrainConfig
) -> dict[str, Any]:
    """Loss per number on held-out clips at fixed levels and noise: ``held_out``, their mean; each level as ``t0.5``;
    ``held_out_floor``, which no model can pass; ``held_out_shapes``, the mean for each latent shape such as ``5x8x8``.
    """
    levels = dict.fromkeys(EVAL_TIMES, 0.0)
    shapes: dict[str, list[float]] = defaultdict(lambda: [0.0, 0.0])
    floor = 0.0
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
            losses = held_out_losses(model, batch).cpu() * batch.weight
            levels[t] += float(losses.sum())
            floor += float((batch.floor * batch.weight).sum())
            rows = torch.stack((losses, batch.weight), dim=1)
            clips = torch.zeros(batch.layout.n_clips, 2).index_add(0, batch.layout.clip, rows)
            for shape, (loss, weight) in zip(batch.layout.shapes, clips.tolist(), strict=True):
                total = shapes["x".join(map(str, shape))]
                total[0] += loss
                total[1] += weight
    count = max(sum(weight for _, weight in shapes.values()) / len(levels), 1e-9)
    by_level = {f"t{t}": value / count for t, value in levels.items()}
    return {
        "held_out": sum(by_level.values()) / len(levels),
        "held_out_floor": floor / len(levels) / count,
        **by_level,
        "held_out_shapes": {name: loss / weight for name, (loss, weight) in sorted(shapes.items())},
    }
