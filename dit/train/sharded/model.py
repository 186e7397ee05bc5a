"""A model that is made in shards: built without numbers, spread over the processes, then filled tensor by tensor.

No process ever holds more than its shards, one whole tensor while they are filled, and the block at work (FSDP2,
``torch.distributed.fsdp.fully_shard``).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.distributed.device_mesh import DeviceMesh, init_device_mesh
from torch.distributed.fsdp import (
    FSDPModule,
    MixedPrecisionPolicy,
    fully_shard,
    register_fsdp_forward_method,
)

from dit.config import DiTConfig, TrainConfig
from dit.layers import Linear
from dit.model import DiT
from dit.train.parallel import put


def weights_mesh(device: torch.device) -> DeviceMesh:
    """All processes in a row, over which weights are spread: those too that share the tokens of the same packs.

    All ask together.
    """
    return init_device_mesh(device.type, (dist.get_world_size(),), mesh_dim_names=("weights",))


def empty_shards(
    model_config: DiTConfig,
    config: TrainConfig,
    mesh: DeviceMesh,
    compute: torch.dtype,
    device: torch.device,
) -> DiT:
    """A DiT spread over ``mesh`` (one dimension) whose numbers are yet to be filled in; products run in ``compute``.

    A model that is not trained must be made with ``fsdp_reshard``, for only a backward pass would end its gathering.
    """
    with torch.device("meta"):
        model = DiT(model_config)
    model.set_compute(compute)
    spread(model, config, mesh, compute)
    model.to_empty(device=device)
    return model


def spread(model: DiT, config: TrainConfig, mesh: DeviceMesh, compute: torch.dtype) -> None:
    """Spread the weights over ``mesh``, gathered block by block while they are used.

    Gradients are summed over the processes, not averaged, and every process must run as many passes as the others.
    With ``fsdp_gather`` ``compute`` and products in bf16, the matrices of a block are gathered in bf16; vectors, and
    matrices whose products run in float32, are gathered as they are.
    """
    reduce = torch.bfloat16 if config.fsdp_reduce == "bf16" else torch.float32
    exact = MixedPrecisionPolicy(reduce_dtype=reduce)
    half = MixedPrecisionPolicy(
        param_dtype=torch.bfloat16, reduce_dtype=reduce, cast_forward_inputs=False
    )
    gather_half = compute == torch.bfloat16 and config.fsdp_gather == "compute"
    again = config.fsdp_reshard
    for block in [*model.text.blocks, *model.blocks]:
        matrices: list[nn.Module] = [m for m in block.modules() if _computes(m, compute)]
        if gather_half and matrices:
            fully_shard(matrices, mesh=mesh, reshard_after_forward=again, mp_policy=half)
        fully_shard(block, mesh=mesh, reshard_after_forward=again, mp_policy=exact)
    fully_shard(model, mesh=mesh, reshard_after_forward=again, mp_policy=exact)
    register_fsdp_forward_method(model, "read")
    for module in model.modules():
        if isinstance(module, FSDPModule):
            module.set_gradient_divide_factor(1.0)
            module.set_force_sum_reduction_for_comms(True)


def _computes(module: nn.Module, compute: torch.dtype) -> bool:
    return isinstance(module, Linear) and module.compute == compute


@torch.no_grad()
def fill(model: nn.Module, weights: Iterable[tuple[str, Tensor]]) -> None:
    """Copy this process's rows of whole tensors, given one after the other, into its shards."""
    left = dict(model.named_parameters())
    for name, whole in weights:
        put(left.pop(name), whole)
    if left:
        raise ValueError(f"no numbers for {', '.join(sorted(left))}")


@torch.no_grad()
def copy_shards(source: nn.Module, target: nn.Module) -> None:
    """Give ``target``, which is spread alike, the numbers of ``source``."""
    pairs: Sequence[tuple[Tensor, Tensor]] = list(
        zip(target.parameters(), source.parameters(), strict=True)
    )
    for mine, theirs in pairs:
        mine.copy_(theirs)
