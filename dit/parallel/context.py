"""The processes that share the tokens of a pack, and how all processes of a run stand in a grid.

A run of W processes with a context of N is a grid of W / N rows ("shard") by N columns ("context"). Neighbours in a row
share every pack: each has its part of the tokens. Rows have packs of their own. Weights know nothing of columns: they
are sharded, and their gradients summed, over all W processes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch
    from torch.distributed.device_mesh import DeviceMesh

SHARD, CONTEXT = "shard", "context"
"""Names of the grid's dimensions."""


@dataclass(frozen=True, kw_only=True)
class Context:
    """This process's place among those that share its packs."""

    size: int = 1
    """Processes that share a pack."""
    rank: int = 0
    """This one's number among them."""
    group: Any = None
    """Their process group; None for one process alone."""

    def part(self, tokens: int) -> slice:
        """Which tokens of a pack of ``tokens`` are this process's; the last parts may reach beyond the pack's end."""
        each = -(-tokens // self.size)
        return slice(self.rank * each, (self.rank + 1) * each)


ALONE = Context()
"""One process has all tokens."""


def data_place(context: int, rank: int, world: int) -> tuple[int, int]:
    """(row, rows) of process ``rank`` of ``world``: whose packs are its own, and among how many they are shared out.

    Raises ``ValueError`` where the processes do not fall into groups of ``context``.
    """
    if context > 1 and world % context:
        raise ValueError(
            f"context_parallel {context} takes groups of {context} processes, and {world} is no multiple of it"
        )
    return rank // context, world // context


def check_heads(heads: int, context: int) -> None:
    """ValueError unless ``context`` processes can share out ``heads`` attention heads equally."""
    if heads % context:
        fit = ", ".join(str(n) for n in range(1, heads + 1) if heads % n == 0)
        raise ValueError(
            f"context_parallel {context}: the model has {heads} attention heads, which {context} processes cannot "
            f"share equally; use one of {fit}"
        )


def device_grid(context: int, device: torch.device) -> DeviceMesh:
    """All processes as a mesh with dimensions "shard" and "context"; all must ask together."""
    import torch.distributed as dist
    from torch.distributed.device_mesh import init_device_mesh

    _, rows = data_place(context, 0, dist.get_world_size())
    return init_device_mesh(device.type, (rows, context), mesh_dim_names=(SHARD, CONTEXT))


def open_context(context: int, heads: int, device: torch.device) -> Context:
    """This process's place in a group of ``context``; all processes must ask together.

    Raises ``ValueError`` where heads or processes cannot be shared out so.
    """
    if context == 1:
        return ALONE
    import torch.distributed as dist

    check_heads(heads, context)
    if not (dist.is_available() and dist.is_initialized()):
        raise ValueError(
            f"context_parallel {context} needs {context} processes or a multiple of it, and this is one alone"
        )
    grid = device_grid(context, device)
    return Context(size=context, rank=grid.get_local_rank(CONTEXT), group=grid.get_group(CONTEXT))
