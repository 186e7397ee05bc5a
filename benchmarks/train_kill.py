"""kill -9 ``filmstock train-dit`` at random moments, resume it each time, and compare with an undisturbed run.

    python -m benchmarks.train_kill --kills 20

The real command on random latents of mixed shapes. Every second kill waits for a checkpoint that is being written,
the others strike anywhere, start-up included. A run that comes to its end is compared, bit for bit: weights, moments,
averages, cursor, held-out losses, every line of ``metrics.jsonl`` but for its clock, and ``dit.safetensors``; then the
next folder begins. Exit code 1 if anything differs or a file is torn. ``--workers 2`` runs it through Ray Train.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import torch

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from dit.checkpoint import load_dit
from dit.train.saved import CHECKPOINTS, FOLDER, latest_state, read_state
from tests.helpers.latents import write_folder
from tests.helpers.sharded_states import stored_tensors

TIMED = {"elapsed_s", "tokens_per_s", "clips_per_s", "data_wait"}
"""Numbers of a line that a clock gives."""


def start(latents: Path, out: Path, options: argparse.Namespace) -> subprocess.Popen[bytes]:
    """The command, in a session of its own; its output goes to a file beside ``out``."""
    words = (
        f"train-dit {latents} --out {out} --steps {options.steps} --checkpoint-every 3 --eval-every 4 "
        f"--tokens-per-pack 120 --packs-per-step 2 --sample-every 0 --precision fp32 --workers {options.workers}"
    ).split()
    if options.fsdp:
        words += ["--fsdp", "--optimizer", "adamw"]
    with open(out.with_suffix(".log"), "ab") as log:
        return subprocess.Popen(
            [sys.executable, "-m", "jobs.cli", *words],
            stdout=log,
            stderr=log,
            cwd=Path(__file__).resolve().parent.parent,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
            start_new_session=True,
        )


def strike(
    process: subprocess.Popen[bytes], out: Path, rng: random.Random, saving: bool, calm_s: float
) -> bool:
    """Wait for a moment, kill the whole session, return whether it was still running."""
    end = time.monotonic() + (60 + 10 * calm_s if saving else rng.uniform(0, calm_s))
    skip = rng.randrange(6)
    seen = inode(partial_of(out))
    while time.monotonic() < end and process.poll() is None:
        if saving:
            now = inode(partial_of(out))
            if now and now != seen:
                skip, seen = skip - 1, now
                if skip < 0:
                    break
        time.sleep(0.0005 if saving else 0.01)
    if process.poll() is not None:
        return False
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    return True


def partial_of(out: Path) -> Path:
    """The file or folder of a checkpoint that is being written, if there is one."""
    return next((out / CHECKPOINTS).glob(".*.partial"), out / ".state.pt.partial.tmp")


def state_of(out: Path) -> dict[str, Any]:
    """The newest checkpoint of a run with its tensors; ValueError where it is torn."""
    path = latest_state(out)
    if path is None:
        return {}
    state = read_state(path)
    if path.is_file():
        return state
    return {**state, "tensors": stored_tensors(path), FOLDER: ""}


def inode(path: Path) -> int:
    """Number of the file at ``path``, 0 if there is none: another number is another checkpoint."""
    try:
        return path.stat().st_ino
    except FileNotFoundError:
        return 0


def lines_of(out: Path) -> list[dict[str, Any]]:
    """Lines of the metrics without their clock."""
    rows = [json.loads(line) for line in (out / "metrics.jsonl").read_text().splitlines()]
    return [{name: value for name, value in row.items() if name not in TIMED} for row in rows]


def differences(a: Any, b: Any, where: str = "state") -> list[str]:
    """Where two states differ, but for the clock."""
    if isinstance(a, torch.Tensor):
        return [] if torch.equal(a, b) else [where]
    if isinstance(a, dict):
        names = sorted(set(a) | set(b), key=str)
        return [
            d
            for name in names
            if name not in {"elapsed_s"}
            for d in differences(a.get(name), b.get(name), f"{where}.{name}")
        ]
    if isinstance(a, list):
        if len(a) != len(b):
            return [where]
        return [d for i in range(len(a)) for d in differences(a[i], b[i], f"{where}[{i}]")]
    return [] if a == b else [where]


def main() -> int:
    """Kill, resume, compare; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--steps", type=int, default=24)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--fsdp", action="store_true")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--work", type=Path, default=Path("runs/train_kill"))
    options = parser.parse_args()
    shutil.rmtree(options.work, ignore_errors=True)
    work = options.work.resolve()
    latents = write_folder(work / "latents", 400)
    rng = random.Random(options.seed)
    began = time.monotonic()
    if start(latents, work / "whole", options).wait():
        print((work / "whole.log").read_text())
        return 1
    calm_s = time.monotonic() - began
    print(f"undisturbed: {calm_s:.0f} s, {options.steps} steps", flush=True)
    whole, lines = state_of(work / "whole"), lines_of(work / "whole")
    name = load_dit(work / "whole").id
    kills = torn = folders = 0
    wrong: list[str] = []
    while kills < options.kills:
        out = work / f"killed{folders}"
        runs = 0
        while True:
            process = start(latents, out, options)
            runs += 1
            left = options.kills - kills
            if left and strike(process, out, rng, saving=kills % 2 == 1, calm_s=calm_s):
                kills += 1
                torn += partial_of(out).exists()
                state_of(out)  # raises where it is torn
            elif process.wait():
                print((work / f"killed{folders}.log").read_text()[-2000:])
                return 1
            else:
                break
        folders += 1
        found = differences(whole, state_of(out))
        found += [] if lines_of(out) == lines else ["metrics.jsonl"]
        found += [] if load_dit(out).id == name else ["dit.safetensors"]
        wrong += found
        print(
            f"folder {folders}: {runs} runs, {kills} kills so far, {torn} in the middle of a checkpoint: "
            f"{'the same bit for bit' if not found else 'DIFFERS in ' + ', '.join(found[:5])}",
            flush=True,
        )
    print(
        f"{kills} kills, {torn} in the middle of a checkpoint, {folders} folders, {len(wrong)} differences"
    )
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
