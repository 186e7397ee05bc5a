"""The tensors of a run under flat names, as sharded checkpoints hold them.

``model.NAME`` and ``ema.NAME`` are weights, ``optimizer.PART.NUMBER.MOMENT`` what an optimizer keeps of its parameter.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from dit.train.parallel import is_shard
from pipeline.training.optim import Optimizer

MODEL, EMA, OPTIMIZER = "model", "ema", "optimizer"


def named_weights(kind: str, model: nn.Module) -> dict[str, Tensor]:
    """Weights of a model, of which this process may hold shards."""
    return {f"{kind}.{name}": p.detach() for name, p in model.named_parameters()}


def named_moments(optimizer: Optimizer) -> dict[str, Tensor]:
    """What an optimizer keeps; a single number, such as a count of steps, as one of one row."""
    found = {}
    for part, each in enumerate(optimizer.parts):
        for number, parameter in enumerate(_parameters(each)):
            for name, value in each.state[parameter].items():
                found[f"{OPTIMIZER}.{part}.{number}.{name}"] = (
                    value if value.ndim else value.reshape(1)
                )
    return found


def room_for_moments(
    optimizer: Optimizer, shapes: Mapping[str, tuple[torch.Size, torch.dtype]]
) -> dict[str, Tensor]:
    """Tensors to read moments into, sharded as their parameters are; ``shapes`` are of all tensors of a checkpoint."""
    room = {}
    for name, (shape, dtype) in shapes.items():
        kind, *rest = name.split(".")
        if kind != OPTIMIZER:
            continue
        part, number, _ = rest
        parameter = _parameters(optimizer.parts[int(part)])[int(number)].detach()
        alike = parameter.shape == shape and parameter.ndim > 0 and is_shard(parameter)
        room[name] = (
            torch.zeros_like(parameter, dtype=dtype) if alike else torch.zeros(shape, dtype=dtype)
        )
    return room


def give_moments(
    optimizer: Optimizer, moments: Mapping[str, Tensor], groups: list[list[dict[str, Any]]]
) -> None:
    """Inverse of ``named_moments``; ``groups`` are the ``param_groups`` of each part."""
    states: list[dict[str, Any]] = [{"state": {}, "param_groups": each} for each in groups]
    for name, value in moments.items():
        _, part, number, moment = name.split(".")
        kept = states[int(part)]["state"].setdefault(int(number), {})
        kept[moment] = value.reshape(()) if moment == "step" else value
    optimizer.load_state_dict(states)


def _parameters(part: torch.optim.Optimizer) -> list[Tensor]:
    return [parameter for group in part.param_groups for parameter in group["params"]]
