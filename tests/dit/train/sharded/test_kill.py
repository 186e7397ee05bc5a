"""kill -9 of both processes of a sharded run while a checkpoint is being written: what is resumed is the same run."""

import dataclasses
import os
import random
import signal
import time
from pathlib import Path

import pytest

from dit.checkpoint import load_dit
from dit.train.loop import train
from dit.train.saved import CHECKPOINTS, latest_state, read_state
from dit.train.sharded import saves as module
from tests.dit.train.sharded.test_runs import same
from tests.dit.train.test_loop import CONFIG, MODEL, logged, packs
from tests.helpers.latents import write_folder
from tests.helpers.processes import end_processes, start_processes

KILLED = dataclasses.replace(
    CONFIG, fsdp=True, optimizer="adamw", steps=8, checkpoint_every=2, eval_every=4
)


def _train(rank: int, world: int, folder: str, out: str, slowly: bool) -> None:
    if slowly:
        real = module.save_state

        def slow(*args):
            time.sleep(0.3)
            real(*args)

        module.save_state = slow
    train(
        MODEL, KILLED, packs(Path(folder), KILLED, rank=rank, world=world), Path(out), resume=True
    )


def unfinished(out: Path) -> set[str]:
    return {path.name for path in (out / CHECKPOINTS).glob(".*.partial")}


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_kill_while_a_checkpoint_is_written_changes_nothing(tmp_path):
    folder = write_folder(tmp_path / "latents")
    end_processes(start_processes(2, _train, str(folder), str(tmp_path / "whole"), False))
    out, rng, struck = tmp_path / "killed", random.Random(0), []
    for _ in range(4):
        before = unfinished(out)
        workers = start_processes(2, _train, str(folder), str(out), True, warm=False)
        while not unfinished(out) - before and any(w.is_alive() for w in workers):
            time.sleep(0.001)
        time.sleep(rng.uniform(0, 0.35))  # while it is written, or just behind
        for worker in workers:
            if worker.is_alive():
                os.kill(worker.pid, signal.SIGKILL)
        for worker in workers:
            worker.join()
        found = latest_state(out)
        struck.append((read_state(found)["step"] if found else 0, bool(unfinished(out))))
    assert any(partial for _, partial in struck), struck
    end_processes(start_processes(2, _train, str(folder), str(out), False))
    same(tmp_path / "whole", out)
    assert logged(tmp_path / "whole") == logged(out)
    assert load_dit(tmp_path / "whole").id == load_dit(out).id
    assert not unfinished(out)
