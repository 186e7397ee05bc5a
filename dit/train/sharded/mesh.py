"""How training processes are laid out: which of them train on the same clips, and over which the weights are spread."""

from __future__ import annotations

import torch
import torch.distributed as dist
from torch.distributed.device_mesh import DeviceMesh, init_device_mesh

SHARD, CONTEXT = "shard", "context"
"""Dimensions of the mesh: processes with clips of their own, and processes that share the tokens of the same clips."""
WEIGHTS = "weights"
"""Both dimensions as one, over which weights are spread."""


def training_mesh(device: torch.device | str, context: int = 1) -> DeviceMesh:
    """All processes as (shard, context): ``context`` neighbours share the tokens of their clips.

    All processes ask together. ValueError where ``context`` does not divide their number.
    """
    world = dist.get_world_size()
    if world % context:
        raise ValueError(
            f"context is {context}, which does not divide the {world} processes; choose a divisor"
        )
    kind = torch.device(device).type
    return init_device_mesh(kind, (world // context, context), mesh_dim_names=(SHARD, CONTEXT))


def weights_mesh(mesh: DeviceMesh) -> DeviceMesh:
    """The one dimension that weights are spread over: every process, whoever shares its clips."""
    if mesh.size(1) == 1:
        return mesh[SHARD]
    return mesh[SHARD, CONTEXT]._flatten(WEIGHTS)
