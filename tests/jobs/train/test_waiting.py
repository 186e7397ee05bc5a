"""Errors of torch.distributed in one line; the gloo texts are those of processes that really waited."""

from datetime import timedelta

import pytest
import torch
import torch.distributed as dist

from jobs.train.waiting import why_stuck
from tests.helpers.processes import end_processes, start_processes


def _wait(rank: int, world: int, out: str) -> None:
    group = dist.new_group(timeout=timedelta(seconds=3))
    if rank == 0:
        with pytest.raises(RuntimeError) as caught:
            dist.all_reduce(torch.ones(1), group=group)
        with open(out, "w") as file:
            file.write(str(caught.value))


def test_a_process_that_waits_in_vain_is_explained(tmp_path):
    end_processes(start_processes(2, _wait, str(tmp_path / "said")))
    line = why_stuck((tmp_path / "said").read_text())
    assert line is not None and "did not answer in time" in line and "\n" not in line


def test_each_kind_of_error_has_its_line():
    nccl = "[Rank 3] Watchdog caught collective operation timeout: WorkNCCL(SeqNum=9, OpType=ALLREDUCE)"
    assert "did not answer in time" in (why_stuck(nccl) or "")
    assert "lack of memory" in (
        why_stuck("[tcp/pair.cc:534] Connection closed by peer [::1]:9") or ""
    )
    assert why_stuck("ValueError: the latents were made by another VAE") is None
