"""One training process or several: sums over all of them, and tensors of which each holds its part.

The same code runs alone: then every sum is that of one, and nothing is sharded.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn


def rank_and_world() -> tuple[int, int]:
    """This process's number, and how many there are."""
    if dist.is_available() and dist.is_initialized():
        return dist.get_rank(), dist.get_world_size()
    return 0, 1


def meeting_place() -> torch.device:
    """Where tensors must be for the processes to exchange them: the GPU for NCCL, the CPU for gloo."""
    nccl = dist.get_backend() == "nccl"
    return torch.device("cuda", torch.cuda.current_device()) if nccl else torch.device("cpu")


def all_sum(values: list[float]) -> list[float]:
    """Sums over all processes."""
    if rank_and_world()[1] == 1:
        return values
    return all_sum_tensor(torch.tensor(values, dtype=torch.float64)).tolist()


def all_sum_tensor(values: Tensor) -> Tensor:
    """Sums over all processes, where ``values`` is or where they meet; waits for no GPU."""
    if rank_and_world()[1] == 1:
        return values
    values = values.to(meeting_place())
    dist.all_reduce(values)
    return values


def agreed(value: float) -> float:
    """The first process's number, for all: its clock, so that a timed run ends at the same step everywhere."""
    if rank_and_world()[1] == 1:
        return value
    box = torch.tensor([value], dtype=torch.float64, device=meeting_place())
    dist.broadcast(box, 0)
    return float(box)


def sum_gradients(model: nn.Module) -> None:
    """Sum the gradients of all processes, in place; those of sharded weights were summed by the backward pass."""
    if rank_and_world()[1] == 1:
        return
    grads = [p.grad for p in model.parameters() if p.grad is not None and not is_shard(p)]
    for bucket in _buckets(grads):
        flat = torch.cat([grad.flatten() for grad in bucket])
        dist.all_reduce(flat)
        parts = flat.split([grad.numel() for grad in bucket])
        torch._foreach_copy_(bucket, [p.view_as(g) for p, g in zip(parts, bucket, strict=True)])


BUCKET_NUMBERS = 1 << 25
"""Numbers of gradients that are summed over processes in one exchange."""


def _buckets(grads: list[Tensor]) -> list[list[Tensor]]:
    """Gradients in groups of about ``BUCKET_NUMBERS`` numbers, in order."""
    groups: list[list[Tensor]] = []
    room = 0
    for grad in grads:
        if grad.numel() > room or not groups:
            groups.append([])
            room = BUCKET_NUMBERS
        groups[-1].append(grad)
        room -= grad.numel()
    return groups


def clip_gradients(model: nn.Module, limit: float) -> Tensor:
    """Scale the gradients down to the norm ``limit``; returns the norm they had over all weights, where they are."""
    norm: Any = torch.nn.utils.clip_grad_norm_(model.parameters(), limit)
    whole: Tensor = norm.full_tensor() if is_shard(norm) else norm
    return whole


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


@torch.no_grad()
def put(parameter: Tensor, whole: Tensor) -> None:
    """Copy this process's rows of a whole tensor into a parameter, a shard or not."""
    if not is_shard(parameter):
        parameter.copy_(whole)
        return
    local, mesh = parameter.to_local(), parameter.device_mesh
    first = min(len(whole), mesh.get_local_rank() * -(-len(whole) // mesh.size()))
    local.copy_(whole[first : first + len(local)])
