"""One process, two Ray nodes, and ``ray job submit``: the same rows, byte for byte; and a node that dies on the way.

    python -m benchmarks.cluster --files 6

Films small sources, then runs ``filmstock curate`` on them (1) on this machine as usual, (2) with RAY_ADDRESS on a
head and a second node, each with a core of its own count, both started here, (3) as a job submitted to the head
(needs ``ray[default]``; left out with --no-submit), (4) as in 2, with the second node killed -9 once the first source
is committed, and run again. Every Parquet file of every table must be that of the first run. Last (5) the second node
is started where it does not see the output folder (a mount of its own, as root): the run must refuse in one line that
names the node. Exit code 1 if anything differs.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import random
import secrets
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from benchmarks.chaos_check import sums
from benchmarks.chaos_kill import find, sweep
from jobs.core.cluster import REPOSITORY

SETTINGS = ["--set", "ingest.min_clip_s=0.4", "--set", "openclip.frames=2"]
TOKEN = secrets.token_hex(32)
"""What the nodes and drivers of the benchmark know each other by."""
UP_S = 240.0
"""Longest wait for a node, seconds."""


def main() -> int:
    """Run all ways and compare."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--files", type=int, default=6)
    parser.add_argument("--minutes", type=float, default=0.6)
    parser.add_argument("--no-submit", action="store_true")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="fs-") as name:  # short: Ray puts sockets below it
        folder = Path(name)
        size = ["--minutes", str(args.minutes), "--files", str(args.files)]
        filmstock(folder, "film", str(folder / "raw"), *size)
        wrong = check(folder, not args.no_submit)
    for line in wrong:
        print(f"WRONG: {line}")
    print("the same rows in every way" if not wrong else f"{len(wrong)} findings")
    return 1 if wrong else 0


def check(folder: Path, submit: bool) -> list[str]:
    """Everything that was wrong, one line each."""
    timed(folder, "one process", curate(folder, "one"))
    want = tables(folder / "one")
    print(f"{len(want)} files", flush=True)
    wrong: list[str] = []
    with node(folder, None) as head, node(folder, head.address) as second:
        timed(folder, "two nodes", curate(folder, "two"), RAY_ADDRESS=head.address)
        wrong += differences("two nodes", want, tables(folder / "two"))
        if submit:
            job = ["ray", "job", "submit", "--address", f"http://127.0.0.1:{head.dashboard}"]
            job += ["--working-dir", str(REPOSITORY), "--", sys.executable, *curate(folder, "job")]
            timed(folder, "ray job submit", job, RAY_ADDRESS="")
            wrong += differences("job", want, tables(folder / "job"))
        process = start(folder, curate(folder, "killed"), RAY_ADDRESS=head.address)
        while process.poll() is None and not any((folder / "killed/manifest").glob("part-*")):
            time.sleep(0.05)
        for pid in find(second.process, "raylet"):
            os.kill(pid, signal.SIGKILL)
        code = process.wait(900)
        print(f"node killed: exit code {code}: {last_line(folder)}", flush=True)
        timed(folder, "run again", curate(folder, "killed"), RAY_ADDRESS=head.address)
        wrong += differences("killed", want, tables(folder / "killed"))
    if os.geteuid() == 0:
        (folder / "apart").mkdir()
        with node(folder, None) as head, node(folder, head.address, hide=folder / "apart"):
            code = run(folder, curate(folder, "apart"), RAY_ADDRESS=head.address)
        print(f"not shared: exit code {code}: {last_line(folder)}", flush=True)
        if code != 2 or "does not see" not in last_line(folder):
            wrong.append("a node that does not see the folder was not refused")
    return wrong


def curate(folder: Path, out: str) -> list[str]:
    """Arguments of Python for a curation of all sources."""
    sources = ["-m", "jobs.cli", "curate", str(folder / "raw"), "--out", str(folder / out)]
    return [*sources, *SETTINGS]


def timed(folder: Path, title: str, command: list[str], **env: str) -> None:
    """Run to the end and print how long it took; exit code 3 is fine, a film is broken."""
    began = time.monotonic()
    code = run(folder, command, **env)
    print(f"{title}: exit code {code}, {time.monotonic() - began:.0f} s", flush=True)
    if code not in (0, 3, 1 if command[0] == "ray" else 0):
        raise RuntimeError((folder / "log.txt").read_text(errors="replace")[-3000:])


def filmstock(folder: Path, *args: str) -> None:
    """Run a command of ours here."""
    if run(folder, ["-m", "jobs.cli", *args]) != 0:
        raise RuntimeError((folder / "log.txt").read_text(errors="replace")[-3000:])


def run(folder: Path, command: list[str], **env: str) -> int:
    """Exit code of a command, ``start``ed and waited for."""
    process = start(folder, command, **env)
    try:
        return process.wait(900)
    finally:
        sweep(process)


def start(
    folder: Path, command: list[str], told: Path | None = None, **env: str
) -> subprocess.Popen[bytes]:
    """A command, or arguments of this Python, in a session of its own, with its output in ``told`` or ``log.txt``."""
    words = [*([] if command[0] in ("ray", "unshare") else [sys.executable]), *command]
    if words[0] == "ray":
        words[0] = str(Path(sys.executable).with_name("ray"))
    surroundings = os.environ | {"RAY_TMPDIR": str(folder), "RAY_USAGE_STATS_ENABLED": "0"} | env
    surroundings |= {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": TOKEN}  # a head may ask for one
    if not surroundings.get("RAY_ADDRESS"):
        surroundings.pop("RAY_ADDRESS", None)
    with (told or folder / "log.txt").open("ab") as log:
        return subprocess.Popen(
            words, stdout=log, stderr=log, cwd=REPOSITORY, env=surroundings, start_new_session=True
        )


class Node:
    """A node of a cluster that was started here."""

    def __init__(self, process: subprocess.Popen[bytes], address: str, dashboard: int) -> None:
        self.process, self.address, self.dashboard = process, address, dashboard


@contextlib.contextmanager
def node(folder: Path, address: str | None, hide: Path | None = None) -> Iterator[Node]:
    """A head, or a node that joins ``address``, one core each; one that does not see ``hide``."""
    port, dashboard = free_port(), free_port()
    words = ["start", "--block", "--num-cpus=1", "--object-store-memory=200000000"]
    words += ["--disable-usage-stats"]
    if address is None:
        words += ["--head", "--node-ip-address=127.0.0.1", f"--port={port}"]
        words += [f"--dashboard-port={dashboard}", f"--temp-dir={folder}/ray"]
    else:
        words += [f"--address={address}"]
    command = ["ray", *words]
    if hide:
        ray = str(Path(sys.executable).with_name("ray"))
        script = f'mount -t tmpfs none {hide} && exec "$0" "$@"'
        command = ["unshare", "--mount", "sh", "-c", script, ray, *words]
    joined = address or f"127.0.0.1:{port}"
    told = folder / f"node-{port}.txt"
    process = start(folder, command, told)
    try:
        end = time.monotonic() + UP_S
        while "Ray runtime started" not in told.read_text(errors="replace"):
            if process.poll() is not None or time.monotonic() > end:
                raise RuntimeError(told.read_text(errors="replace")[-3000:])
            time.sleep(0.5)
        yield Node(process, joined, dashboard)
    finally:
        sweep(process)


def free_port() -> int:
    """A port that is free now, below those that connections are given: Ray's own processes take these at random."""
    while True:
        port = random.randrange(20_000, 32_000)
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port


def tables(folder: Path) -> dict[str, str]:
    """Name -> sha256 of every Parquet file that a reader sees."""
    shown = (path for path in folder.rglob("*.parquet") if not path.name.startswith("."))
    return sums(folder, shown)


def differences(way: str, want: dict[str, str], have: dict[str, str]) -> list[str]:
    """Files that are missing, too many, or not the same."""
    names = sorted(want.keys() | have.keys())
    return [f"{way}: {name}" for name in names if want.get(name) != have.get(name)]


def last_line(folder: Path) -> str:
    """Last line that was logged."""
    lines = (folder / "log.txt").read_text(errors="replace").strip().splitlines()
    return lines[-1][:200] if lines else ""


if __name__ == "__main__":
    sys.exit(main())
