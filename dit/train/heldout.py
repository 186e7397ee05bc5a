"""The loss of a pack, and the loss on held-out clips at fixed noise levels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch

from dit.config import TrainConfig
from dit.model import DiT
from dit.parallel.context import ALONE, Context, data_place
from dit.rectified_flow import token_losses, weighted_loss
from dit.train.data import Batch, generator_for, make_batch
from dit.train.parallel import all_sum, rank_and_world
from dit.train.training_packs import TrainingPacks

EVAL_TIMES = (0.1, 0.3, 0.5, 0.7, 0.9)
"""Noise levels at which the held-out loss is measured."""


@dataclass(frozen=True, kw_only=True)
class HeldOut:
    """What a held-out loss is measured on; the same for every objective."""

    packs: Sequence[list[dict[str, Any]]]
    """Packs of held-out clips."""
    data: TrainingPacks
    """The data that they are of."""
    config: TrainConfig
    """Settings of the training."""
    context: Context = ALONE
    """The processes that share a pack."""
    most: int | None = None
    """How many packs are looked at; None: all."""


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
    model: DiT,
    packs: Sequence[list[dict[str, Any]]],
    data: TrainingPacks,
    config: TrainConfig,
    *,
    most: int | None = None,
    context: Context = ALONE,
) -> dict[str, Any]:
    """Loss per number on held-out clips at fixed levels and noise: ``held_out``, their mean; each level as ``t0.5``;
    ``held_out_floor``, which no model can pass; ``held_out_shapes``, the mean for each latent shape such as ``5x8x8``.

    All processes call it together. Each runs its share of the packs, which it reads one at a time; with sharded weights
    all run as many, the last of them for nothing. The numbers are the same bits whatever the number of processes,
    because those of each pack are added up in the order of the packs; a ``context`` that shares the packs has its own
    rounding. ``most`` packs are looked at, None: all.
    """
    rank, world = data_place(context.size, *rank_and_world())
    count = min(len(packs), most or len(packs))
    names = data.held_out_shapes()
    width = len(EVAL_TIMES) + 1 + 2 * len(names)
    table = torch.zeros(count, width, dtype=torch.float64)
    for number in range(rank, count + (-count % world if config.fsdp else 0), world):
        row = _pack_row(model, packs[number % count], number % count, data, config, names, context)
        if number < count:
            table[number] = row
    rows = all_sum(table.flatten().tolist())
    total = [0.0] * width
    for number in range(count):
        for column, value in enumerate(rows[number * width : (number + 1) * width]):
            total[column] += value
    levels, floor = total[: len(EVAL_TIMES)], total[len(EVAL_TIMES)]
    pairs = zip(total[len(EVAL_TIMES) + 1 :: 2], total[len(EVAL_TIMES) + 2 :: 2], strict=True)
    shapes = {name: pair for name, pair in zip(names, pairs, strict=True) if pair[1]}
    weights = max(sum(weight for _, weight in shapes.values()) / len(levels), 1e-9)
    by_level = {f"t{t}": value / weights for t, value in zip(EVAL_TIMES, levels, strict=True)}
    return {
        "held_out": sum(by_level.values()) / len(levels),
        "held_out_floor": floor / len(levels) / weights,
        **by_level,
        "held_out_shapes": {name: loss / weight for name, (loss, weight) in sorted(shapes.items())},
    }


def _pack_row(
    model: DiT,
    pack: list[dict[str, Any]],
    number: int,
    data: TrainingPacks,
    config: TrainConfig,
    names: Sequence[str],
    context: Context,
) -> torch.Tensor:
    """(columns,) float64 sums of a pack: loss at each level, floor, then loss and weight of each shape."""
    levels: list[float] = []
    floor = 0.0
    shapes = dict.fromkeys(names, (0.0, 0.0))
    for t in EVAL_TIMES:
        batch = make_batch(
            pack,
            data.spec(),
            model.config,
            config,
            generator_for(config.seed, -1, number),
            times=torch.full((len(pack),), t),
        ).part(context)
        losses = held_out_losses(model, batch).cpu() * batch.weight
        levels.append(float(losses.sum()))
        floor += float((batch.floor * batch.weight).sum())
        rows = torch.stack((losses, batch.weight), dim=1)
        clips = torch.zeros(batch.layout.n_clips, 2).index_add(0, batch.layout.clip, rows)
        for shape, (loss, weight) in zip(batch.layout.shapes, clips.tolist(), strict=True):
            name = "x".join(map(str, shape))
            shapes[name] = (shapes[name][0] + loss, shapes[name][1] + weight)
    flat = [value for name in names for value in shapes[name]]
    return torch.tensor([*levels, floor, *flat], dtype=torch.float64)


def packs_within(seconds: float, took: float, packs: int, world: int) -> int:
    """How many of ``packs`` fit ``seconds`` when one takes ``took`` and ``world`` processes share them.

    Each process looks at one at least.
    """
    return min(packs, max(1, int(seconds / max(took, 1e-9))) * world)
