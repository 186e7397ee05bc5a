"""Several gloo processes on this machine, for tests of training in parallel."""

import multiprocessing
from collections.abc import Callable
from contextlib import nullcontext
from typing import Any

import torch
import torch.distributed as dist

from tests.helpers.warm_python import spawned_warm


def start_processes(
    world: int, function: Callable[..., None], *args: Any, warm: bool = True
) -> list[Any]:
    """``world`` processes that each call ``function(rank, world, *args)`` with gloo between them.

    ``warm``: forks of the process that has all imports done.
    """
    # held by this process from the start: a port that is free now is another's by the time that rank 0 listens there
    store = dist.TCPStore("127.0.0.1", 0, is_master=True, wait_for_workers=False)
    context: Any = multiprocessing.get_context("spawn")
    workers = [
        context.Process(target=_worker, args=(rank, world, store.port, function, args))
        for rank in range(world)
    ]
    with spawned_warm() if warm else nullcontext():
        for worker in workers:
            worker.start()
            worker.store = store  # as long as the processes
    return workers


def end_processes(workers: list[Any], seconds: float = 600) -> None:
    """Wait for them; all must have ended well."""
    for worker in workers:
        worker.join(seconds)
    codes = [worker.exitcode for worker in workers]
    for worker in workers:
        if worker.exitcode is None:
            worker.kill()
    assert codes == [0] * len(workers)


def _worker(rank: int, world: int, port: int, function: Callable[..., None], args: Any) -> None:
    torch.set_num_threads(1)
    store = dist.TCPStore("127.0.0.1", port, is_master=False)
    dist.init_process_group("gloo", store=store, rank=rank, world_size=world)
    function(rank, world, *args)
    dist.barrier()  # a process that leaves first takes the other's connection down with it
    dist.destroy_process_group()
