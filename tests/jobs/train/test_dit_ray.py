"""``train-dit --workers 2``: the model of one process, with sharded weights too, and when a worker dies on the way."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from dit.train.saved import latest_state, read_state
from pipeline.training.state import load_state
from tests.dit.train.sharded.test_runs import same
from tests.dit.train.test_loop import logged
from tests.helpers.latents import write_folder

ROOT = Path(__file__).resolve().parents[3]


def start(folder: Path, out: Path, *more: str) -> subprocess.Popen[bytes]:
    """The real command in a session of its own, one thread a process."""
    words = (
        f"{folder} --out {out} --steps 40 --tokens-per-pack 60 --packs-per-step 2 --held-out-share 0.15 "
        f"--checkpoint-every 3 --eval-every 10 --sample-every 0 --precision fp32 --optimizer adamw"
    ).split()
    return subprocess.Popen(
        [sys.executable, "-m", "jobs.cli", "train-dit", *words, *more],
        cwd=ROOT,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        start_new_session=True,
    )


def train_workers(leader: int) -> list[int]:
    """Processes of a session that run the training loop for Ray."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                name = (entry / "cmdline").read_bytes()
                if b"TrainWorker" in name and os.getsid(int(entry.name)) == leader:
                    found.append(int(entry.name))
            except OSError:
                continue  # it ended meanwhile
    return sorted(found)


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_two_workers_train_the_model_of_one_process_sharded_or_when_one_is_killed(tmp_path):
    folder = write_folder(tmp_path / "latents")
    assert start(folder, tmp_path / "one").wait() == 0
    process = start(folder, tmp_path / "killed", "--workers", "2")
    state = tmp_path / "killed" / "state.pt"
    while not state.exists():
        assert process.poll() is None
        time.sleep(0.005)
    workers = train_workers(process.pid)
    assert len(workers) == 2
    os.kill(workers[0], signal.SIGKILL)
    struck = load_state(state)["step"]
    assert process.wait() == 0
    assert struck < 40
    assert start(folder, tmp_path / "sharded", "--workers", "2", "--fsdp").wait() == 0
    one = load_state(tmp_path / "one" / "state.pt")
    for name in ("killed", "sharded"):
        two = read_state(latest_state(tmp_path / name))
        assert two["cursor"] == one["cursor"]
        assert [row["step"] for row in logged(tmp_path / name)] == [10, 20, 30, 40]
        for a, b in zip(logged(tmp_path / "one"), logged(tmp_path / name), strict=True):
            for number in ("loss", "grad_norm", "held_out"):
                assert a[number] == pytest.approx(b[number], rel=1e-3)
        # sums in another order: moments were 3.2e-2 of their norm off after 40 steps
        same(tmp_path / "one", tmp_path / name, 0.0 if name == "killed" else 5e-2)
