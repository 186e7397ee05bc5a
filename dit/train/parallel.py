"""One training process or several: sums over all of them, and weights that they hold in shards (FSDP2).

The same code runs alone: then every sum is that of one, and nothing is sharded.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn

from dit.model import DiT


def rank_and_world() -> tuple[int, int]:
    """This process's number, and how many there are."""
    if dist.is_available() and dist.is_initialized():
        return dist.get_rank(), dist.get_world_size()
    return 0, 1


def all_sum(values: list[float]) -> list[float]:
    """Sums over all processes."""
    if rank_and_world()[1] == 1:
        return values
    tensor = torch.tensor(values, dtype=torch.float64)
    dist.all_reduce(tensor)
    return tensor.tolist()


def agreed(value: float) -> float:
    """The first process's number, for all: its clock, so that a timed run ends at the same step everywhere."""
    if rank_and_world()[1] == 1:
        return value
    box = torch.tensor([value], dtype=torch.float64)
    dist.broadcast(box, 0)
    return float(box)


def sum_gradients(model: nn.Module) -> None:
    """Sum the gradients of all processes, in place; those of sharded weights were summed by the backward pass."""
    if rank_and_world()[1] == 1:
        return
    for parameter in model.parameters():
        if parameter.grad is not None and not is_shard(parameter):
            dist.all_reduce(parameter.grad)


def clip_gradients(model: nn.Module, limit: float) -> float:
    """Scale the gradients down to the norm ``limit``; returns the norm they had over all weights."""
    norm = torch.nn.utils.clip_grad_norm_(model.parameters(), limit)
    return float(_whole(norm))


def shard(model: DiT) -> DiT:
    """Spread the weights over all processes, gathered block by block while they are used (FSDP2). Returns ``model``.

    Gradients are summed, not averaged, as ``sum_gradients`` does. Every process must run as many passes as the others.
    """
    from torch.distributed.fsdp import FSDPModule, fully_shard

    for part in [*model.blocks, model]:
        fully_shard(part, reshard_after_forward=True)
        if isinstance(part, FSDPModule):
            part.set_gradient_divide_factor(1.0)
            part.set_force_sum_reduction_for_comms(True)
    return model


def is_shard(tensor: Any) -> bool:
    """Whether this process holds only its part of a tensor."""
    return hasattr(tensor, "full_tensor")


def shard_like(tensor: Tensor, parameter: Tensor) -> Tensor:
    """This process's part of a whole ``tensor`` that belongs to ``parameter``, which may be no shard at all."""
    if not is_shard(parameter) or tensor.shape != parameter.shape:
        return tensor
    from torch.distributed.tensor import distribute_tensor

    mesh, placements = parameter.device_mesh, parameter.placements
    return distribute_tensor(tensor.clone(), mesh, placements, src_data_rank=None)


def whole(value: Any) -> Any:
    """A nest of dicts and lists with every sharded tensor gathered; all processes must ask together."""
    if isinstance(value, dict):
        return {name: whole(item) for name, item in value.items()}
    if isinstance(value, list):
        return [whole(item) for item in value]
    return _whole(value) if isinstance(value, Tensor) else value


def whole_model(model: DiT) -> DiT:
    """The model itself, or a gathered copy of a sharded one; all processes must ask together."""
    if not any(map(is_shard, model.parameters())):
        return model
    copy = DiT(model.config)
    copy.load_state_dict(whole(model.state_dict()))
    return copy.set_compute(model.blocks[0].compute).eval().requires_grad_(False)


def _whole(tensor: Tensor) -> Tensor:
    return tensor.full_tensor().cpu() if is_shard(tensor) else tensor
