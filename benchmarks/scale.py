"""What a list of sources costs the driver: memory, and seconds to the first clip, for lists of any length.

    python -m benchmarks.scale --lines 10000 100000 1000000 --seconds 120

Each list names ``--videos`` small videos, all different, at even distances among the first 5,000 lines; of the other
lines one in ten is a hard link to one of them (a copy), the rest name files that are not there. ``filmstock ingest``
runs over it until it is finished or the time is up, counted from its start, and is then killed.

*memory*: the largest resident set of the driver's process, less what it shares (Ray's object store). The peer is the
shortest list: the last column is a ratio to it, expected to stay under 1.3.
"""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

from benchmarks.chaos_kill import sweep
from benchmarks.mutants import write_video
from jobs.ingest.ledger import Ledger

EARLY = 5000
"""Lines among which the videos are."""
COPIES = 10
"""One line in so many of the others is a copy."""
POLL_S = 0.1


class Figures(NamedTuple):
    """What one run came to."""

    peak_mb: float
    first_clip_s: float | None
    seconds: float
    ended: int
    finished: bool


def main() -> None:
    """Run over a list of every length and print a line for each."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--lines", type=int, nargs="+", default=[10_000, 100_000, 1_000_000])
    parser.add_argument("--videos", type=int, default=40)
    parser.add_argument("--seconds", type=float, default=120.0)
    args = parser.parse_args()
    print("lines     memory MB  first clip s  ended    sources/s  of the shortest")
    with tempfile.TemporaryDirectory(prefix="scale-") as name:
        folder = Path(name)
        write_videos(folder / "raw", args.videos)
        base = None
        for lines in args.lines:
            listed = write_list(folder, lines, args.videos)
            got = ingest(listed, folder / f"out-{lines}", args.seconds)
            base = base or got.peak_mb
            first = "none" if got.first_clip_s is None else f"{got.first_clip_s:.1f}"
            ended = f"{got.ended}{'' if got.finished else '+'}"
            print(
                f"{lines:<9} {got.peak_mb:<10.0f} {first:<13} {ended:<8} {got.ended / got.seconds:<10.0f} "
                f"{got.peak_mb / base:.2f}",
                flush=True,
            )


def write_videos(folder: Path, count: int) -> None:
    """``count`` tiny videos of different content: one, with a different number behind its last box."""
    folder.mkdir()
    body = write_video(folder / "base.mp4", "libx264", "yuv420p", frames=72).read_bytes()
    for number in range(count):
        free = number.to_bytes(8, "big")
        path = folder / f"video-{number:04d}.mp4"
        path.write_bytes(body + (8 + len(free)).to_bytes(4, "big") + b"free" + free)


def write_list(folder: Path, lines: int, videos: int) -> Path:
    """A list file with videos, copies of them, and files that are not there."""
    path, copies = folder / f"list-{lines}.txt", folder / "raw" / f"copies-{lines}"
    copies.mkdir()
    every = max(1, min(lines, EARLY) // videos)
    with path.open("w") as out:
        out.write("# a list made by benchmarks/scale.py\n\n")
        for line in range(lines):
            if line % every == 0 and line // every < videos:
                out.write(f"raw/video-{line // every:04d}.mp4\n")
            elif line % COPIES == 1 and line > EARLY:
                name = f"raw/copies-{lines}/{line:08d}.mp4"
                if line < 50_000:  # those beyond are seldom reached, and a link takes its time
                    os.link(folder / "raw" / f"video-{line % videos:04d}.mp4", folder / name)
                out.write(f"{name}\n")
            else:
                out.write(f"raw/missing/{line % 997:03d}/{line:08d}.mp4\n")
    return path


def ingest(listed: Path, out: Path, limit_s: float) -> Figures:
    """One run of the command, measured from outside."""
    command = [sys.executable, "-m", "jobs.cli", "ingest", str(listed), "--out", str(out)]
    command += ["--set", "ingest.min_clip_s=0.2", "--set", "openclip.frames=2"]
    began, peak, first = time.monotonic(), 0.0, None
    with (out.parent / "log.txt").open("ab") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True)
        try:
            while process.poll() is None and time.monotonic() - began < limit_s:
                peak = max(peak, private_mb(process.pid))
                if first is None and any((out / "manifest").glob("part-*")):
                    first = time.monotonic() - began
                time.sleep(POLL_S)
            seconds, finished = time.monotonic() - began, process.poll() is not None
            if not finished:
                process.kill()
            process.wait(120)
        finally:
            sweep(process)
    if process.returncode not in (3, -signal.SIGKILL):
        raise RuntimeError((out.parent / "log.txt").read_text()[-3000:])
    return Figures(peak, first, seconds, sum(1 for _ in Ledger(out).all()), finished)


def private_mb(pid: int) -> float:
    """Resident memory of a process that it does not share with others, MB; 0 when it is gone."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return 0.0
    kb = {
        name: value.split()[0]
        for name, _, value in (line.partition(":") for line in lines)
        if value.strip()
    }
    return (int(kb.get("VmRSS", 0)) - int(kb.get("RssShmem", 0))) / 1024


if __name__ == "__main__":
    main()
