"""What a store costs: ingest from and to S3 on loopback beside the disk, and range reads beside the clips they fetch.

    python -m benchmarks.s3 --sources 10

moto's server, a Python program, stands in for S3 behind a counting proxy in the same process: bytes and requests are
what a real S3 would see, the time is an upper limit on our share of it.
"""

from __future__ import annotations

import argparse
import os
import resource
import statistics
import tempfile
import time
from collections import Counter
from fractions import Fraction
from pathlib import Path

from jobs.core.ray_runtime import stop_ray
from jobs.ingest.command import run
from pipeline import schema as s
from pipeline.config import IngestConfig, OpenClipConfig
from pipeline.shards.ranges import read_clip
from pipeline.shards.read import open_table
from pipeline.store.paths import Location, ObjectPath
from tests.helpers.counter_media import write_counter
from tests.helpers.object_server import ObjectServer, object_server

CONFIG = IngestConfig(min_clip_s=0.2)


def main() -> int:
    """Ingest three ways in turns, then read every clip by range."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sources", type=int, default=10)
    parser.add_argument("--turns", type=int, default=3)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as name, object_server("bench") as server:
        os.environ.update(server.environment())
        folder, bucket = Path(name), ObjectPath("s3://bench")
        (folder / "raw").mkdir()
        for number in range(args.sources):
            path = write_counter(
                folder / "raw" / f"{number:02d}.mp4", 50 + 5 * number, rate=Fraction(25)
            )
            (bucket / "raw" / path.name).write_bytes(path)
        ways: dict[str, tuple[str, Location]] = {
            "disk to disk": (str(folder / "raw"), folder),
            "disk to store": (str(folder / "raw"), bucket),
            "store to disk": (f"{bucket}/raw", folder),
            "store to store": (f"{bucket}/raw", bucket),
        }
        compare(ways, server, args.turns)
        source_bytes = sum(path.stat().st_size for path in (folder / "raw").iterdir())
        print(f"sources: {source_bytes} bytes")
        ranges(bucket / "store to store-0", server)
        stop_ray()
    return 0


def compare(ways: dict[str, tuple[str, Location]], server: ObjectServer, turns: int) -> None:
    """Medians of the ways, one after another in every turn, as ratios to the first; traffic of the last turn."""
    openclip = OpenClipConfig(frames=2)
    run(CONFIG, openclip, [ways["disk to disk"][0]], ways["disk to disk"][1] / "warm")
    took: dict[str, list[float]] = {way: [] for way in ways}
    for turn in range(turns):
        for way, (source, place) in ways.items():
            server.seen.clear()
            began = time.monotonic()
            run(CONFIG, openclip, [source], place / f"{way}-{turn}")
            took[way].append(time.monotonic() - began)
            if turn == turns - 1:
                count = Counter(seen.method for seen in server.seen)
                down = sum(seen.sent for seen in server.seen if seen.method == "GET")
                up = sum(seen.received for seen in server.seen)
                print(f"{way}: requests {dict(count)}, {down} bytes down, {up} bytes up")
    usual = statistics.median(took["disk to disk"])
    for way, times in took.items():
        middle = statistics.median(times)
        print(f"{way}: {middle:.1f} s, {middle / usual:.2f} of disk to disk")


def ranges(run_folder: Location, server: ObjectServer) -> None:
    """Requests and bytes of reading every clip once."""
    rows = open_table(run_folder / "manifest").to_pylist()
    server.seen.clear()
    spent = resource.getrusage(resource.RUSAGE_SELF).ru_utime
    began = time.monotonic()
    for row in rows:
        read_clip(run_folder / "clips", row)
    took = time.monotonic() - began
    spent = resource.getrusage(resource.RUSAGE_SELF).ru_utime - spent
    wanted = sum(row[s.BYTE_LENGTH] for row in rows)
    came = sum(seen.sent for seen in server.seen)
    print(
        f"range reads: {len(rows)} clips, {len(server.seen)} requests, {came} bytes for {wanted} of clips "
        f"({came / wanted:.3f}), {1000 * took / len(rows):.1f} ms a clip, server and client in one process "
        f"({1000 * spent / len(rows):.1f} ms CPU)"
    )


if __name__ == "__main__":
    raise SystemExit(main())
