"""How long a command is silent: processor time, and time by the clock, from its start to its first line.

    python -m benchmarks.first_line --place FOLDER     # FOLDER: of ``benchmarks.bad_inputs --place``

Each command runs as a process of its own in a copy of the folder and is killed when it has said its first line, on
stdout or stderr. Processor time is of the process and its children, user and system: a busy machine lies by the clock.
Exit code 1 if a command takes more than 2 s.
"""

from __future__ import annotations

import argparse
import os
import selectors
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
MOST_S = 2.0
"""Processor time that a command may be silent, seconds."""
COMMANDS = (
    "curate films --out new --recipe demo",
    "curate films --out new --recipe demo --dry-run",
    "ingest films --out new --recipe demo",
    "select run --set select.dedup_phash_bits=5",
    "caption run --set caption.seed=3",
    "pack run --set pack.shard_bytes=1000000",
    "encode run --set encode.max_frames=9",
    "train-vae run --out new --steps 2 --batch 1",
    "train-dit run --out new --steps 2",
    "train-dit run --out new --dry-run",
    "train-clip --out new --steps 2 --scenes 8",
    "pretrain-captioner --out new --minutes 1",
    "train-captioner run --out new --kind dense --steps 2",
    "sample --prompt 'A red circle moves right.' --size 256x256 --out new",
    "extend films/film-00.mp4 --seconds 1 --size 64x64",
    "animate still.png",
    "expand 'a red circle'",
    "adherence --prompts 2 --out new",
    "judge films/film-00.mp4",
    "inspect run",
    "status run",
    "report run",
    "captions-report run",
    "show-batch dit --step 1",
    "verify-resume run",
    "shots films/film-00.mp4",
    "export run --for videofolder --out new",
    "import films --out new",
    "audit films",
    "diff run run-stale",
    "lineage x --run run",
    "film new --minutes 1",
    "world new --clips 4",
    "models list --recipe demo",
    "recipe --keys",
    "plan",
    "view run --port 0",
    "serve dit --port 0",
    "demo --out new",
)


def cpu_of(pid: int) -> float:
    """User and system seconds of a process and its children, dead ones included."""
    ticks, seen, waiting = 0, set(), [pid]
    while waiting:
        each = waiting.pop()
        if each in seen:
            continue
        seen.add(each)
        try:
            fields = Path(f"/proc/{each}/stat").read_bytes().rpartition(b")")[2].split()
            ticks += sum(int(fields[n]) for n in (11, 12, 13, 14))
            for task in Path(f"/proc/{each}/task").iterdir():
                waiting += map(int, (task / "children").read_text().split())
        except (OSError, IndexError):
            continue
    return ticks / os.sysconf("SC_CLK_TCK")


def first_line(command: str, place: Path, patience_s: float = 300.0) -> tuple[float, float, str]:
    """(processor time, time by the clock, text) of a command's first line."""
    start = time.monotonic()
    process = subprocess.Popen(
        [sys.executable, "-m", "jobs.cli", *shlex.split(command)],
        cwd=place,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )
    try:
        with selectors.DefaultSelector() as selector:
            for stream in (process.stdout, process.stderr):
                assert stream is not None
                selector.register(stream, selectors.EVENT_READ)
            ready = selector.select(patience_s)
        used, waited = cpu_of(process.pid), time.monotonic() - start
        text = os.read(ready[0][0].fd, 4096).decode("utf-8", "replace") if ready else ""
        lines = text.strip().splitlines()
        return used, waited, lines[0] if lines else "(nothing)"
    finally:
        for number in (signal.SIGINT, signal.SIGKILL):
            try:
                os.killpg(process.pid, number)
                process.wait(20)
            except (ProcessLookupError, subprocess.TimeoutExpired):
                continue
        process.wait()


def main() -> int:
    """Time every command and print a table; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--place", type=Path, required=True)
    parser.add_argument("--only", nargs="+", help="commands of these names")
    options = parser.parse_args()
    late = 0
    print("| command | cpu s | s | first line |\n|---|---|---|---|")
    for command in COMMANDS:
        if options.only and command.split()[0] not in options.only:
            continue
        with tempfile.TemporaryDirectory() as folder:
            place = Path(folder) / "place"
            shutil.copytree(options.place, place, symlinks=True, ignore=_special)
            used, waited, text = first_line(command, place)
        late += used > MOST_S
        print(f"| `{command}` | {used:.1f} | {waited:.1f} | {text[:110]} |", flush=True)
    print(f"{late} commands are silent for more than {MOST_S:g} s of processor time")
    return 1 if late else 0


def _special(folder: str, names: list[str]) -> list[str]:
    """What is no file or folder, which no copy is made of."""
    return [
        name
        for name in names
        if not os.path.islink(path := os.path.join(folder, name))
        and not os.path.isfile(path)
        and not os.path.isdir(path)
    ]


if __name__ == "__main__":
    sys.exit(main())
