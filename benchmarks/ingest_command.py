"""What the whole ``filmstock ingest`` costs: Ray, CLIP, text and every table, against bare decoding and encoding.

    python benchmarks/ingest_command.py FILE...

Two runs of the command, one over a single frame and one over the files: the first is the start-up, and what the
second takes beyond it is the work. Processor seconds are those of every process that the command started, Ray's among
them (they are no children of it, so they are known by a variable in their environment). *limit* is bare decoding plus
bare encoding of the same files in this process, as in ``ingest.py``.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
import uuid
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

MARK = "FILMSTOCK_BENCHMARK_RUN"
POLL_S = 0.1


def cpu_seconds(mark: str, known: dict[int, float]) -> None:
    """Bring ``known`` (process -> processor seconds) up to date for all processes that carry the mark."""
    tick = os.sysconf("SC_CLK_TCK")
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            if f"{MARK}={mark}".encode() not in (entry / "environ").read_bytes():
                continue
            fields = (entry / "stat").read_text().rsplit(")", 1)[1].split()
        except OSError:
            continue
        known[int(entry.name)] = (int(fields[11]) + int(fields[12])) / tick


def ingest(files: list[Path], out: Path) -> tuple[float, float]:
    """(wall, processor) seconds of the command over ``files``."""
    mark, known = uuid.uuid4().hex, dict[int, float]()
    words = [sys.executable, "-m", "jobs.cli", "ingest", *map(str, files), "--out", str(out)]
    start = time.monotonic()
    with subprocess.Popen(
        words, env={**os.environ, MARK: mark}, stdout=subprocess.DEVNULL
    ) as command:
        while command.poll() is None:
            cpu_seconds(mark, known)
            time.sleep(POLL_S)
    if command.returncode:
        raise SystemExit(f"ingest ended with {command.returncode}")
    return time.monotonic() - start, sum(known.values())


def main() -> None:
    """Print the table."""
    from benchmarks.ingest import length_s, transcode
    from benchmarks.mutants import write_video

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("files", nargs="+", type=Path, help="videos to measure on")
    args = parser.parse_args()
    hours = sum(map(length_s, args.files)) / 3600
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        tiny = folder / "tiny.mp4"
        write_video(tiny, frames=1)
        start_wall, start_cpu = ingest([tiny], folder / "start")
        wall, cpu = ingest([path.absolute() for path in args.files], folder / "whole")
        began = time.process_time()
        for path in args.files:
            transcode(path)
        limit = time.process_time() - began
    work_wall, work_cpu = wall - start_wall, cpu - start_cpu
    print(f"{len(args.files)} files, {60 * hours:.2f} minutes of video, {os.cpu_count()} cores")
    print(f"start-up     {start_wall:7.1f} s  {start_cpu:7.1f} cpu s")
    print(f"the files    {work_wall:7.1f} s  {work_cpu:7.1f} cpu s")
    print(f"limit        {'':7}    {limit:7.1f} cpu s   share {limit / work_cpu:.2f}")
    rates = (3600 * hours / seconds for seconds in (work_wall, work_cpu))
    print("hours of video an hour: {:.1f} on this machine, {:.1f} a core".format(*rates))


if __name__ == "__main__":
    main()
