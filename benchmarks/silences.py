"""How long a command is silent while it works: the longest stretches without a letter, on a terminal of its own.

    python -m benchmarks.silences curate films --out new --recipe demo

The command runs on a pseudo-terminal, from the folder that this one was started in. Each piece of output is timed as it
comes, redrawn lines too. Prints the longest silences, with the text before and after each: seconds by the clock, and of
processor time of the process and its children, since a busy machine lies by the clock.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import pty
import re
import selectors
import subprocess
import sys
import time
from dataclasses import dataclass

from benchmarks.first_line import ROOT, cpu_of

LOOK_S = 0.2
"""How often the processor time is read."""


@dataclass(frozen=True, kw_only=True)
class Silence:
    """A stretch without output."""

    at_s: float
    """When it began, from the start of the command."""
    wall_s: float
    cpu_s: float
    before: str
    after: str


def last_line(text: str) -> str:
    """The last thing that a piece of output shows."""
    lines = [line.strip() for line in re.split(r"[\r\n]+", text) if line.strip()]
    return lines[-1] if lines else ""


def listen(words: list[str]) -> tuple[int, list[Silence]]:
    """Run ``filmstock`` with ``words`` on a terminal; its exit code and all silences, in order."""
    ours, theirs = pty.openpty()
    start = time.monotonic()
    process = subprocess.Popen(
        [sys.executable, "-m", "jobs.cli", *words],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdin=subprocess.DEVNULL,
        stdout=theirs,
        stderr=theirs,
        start_new_session=True,
    )
    os.close(theirs)
    found: list[Silence] = []
    since, used_then, used, before = start, 0.0, 0.0, "(start)"
    with selectors.DefaultSelector() as selector:
        selector.register(ours, selectors.EVENT_READ)
        while True:
            ready = selector.select(LOOK_S)
            used = max(used, cpu_of(process.pid))
            text = ""
            if ready:
                with contextlib.suppress(OSError):  # the last that had the terminal is gone
                    text = os.read(ours, 65536).decode("utf-8", "replace")
            elif process.poll() is None:
                continue
            now, shown = time.monotonic(), last_line(text) if text else "(end)"
            found.append(
                Silence(
                    at_s=since - start,
                    wall_s=now - since,
                    cpu_s=used - used_then,
                    before=before,
                    after=shown or before,
                )
            )
            since, used_then, before = now, used, shown or before
            if not text:
                break
    os.close(ours)
    return process.wait(), found


def main() -> int:
    """Run the command and print its longest silences; returns its exit code."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--top", type=int, default=5, help="silences shown")
    parser.add_argument("command", nargs=argparse.REMAINDER)
    options = parser.parse_args()
    code, found = listen(options.command)
    total = sum(each.wall_s for each in found)
    print(f"filmstock {' '.join(options.command)}: code {code}, {total:.1f} s, first line after")
    print(f"{found[0].wall_s:.1f} s ({found[0].cpu_s:.1f} s of processor time): {found[0].after}")
    print("| at s | silent s | cpu s | before | after |\n|---|---|---|---|---|")
    for each in sorted(found, key=lambda each: -each.wall_s)[: options.top]:
        print(
            f"| {each.at_s:.1f} | {each.wall_s:.1f} | {each.cpu_s:.1f} | {each.before[:90]} | {each.after[:90]} |"
        )
    return code


if __name__ == "__main__":
    sys.exit(main())
