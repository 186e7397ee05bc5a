"""1,000 clips exported, in what multiple of the time of a bare copy of the same files; runs interleaved, medians.

    python -m benchmarks.export [--clips 1000] [--runs 5] [--place DIR]

The clips are noisy, some hundred kB each. A bare copy is ``shutil.copytree`` of the videos of a finished export; the
second one also brings every file to the disk, as an export does. ``link`` is an export that links the files of another.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import os
import resource
import shutil
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from jobs.cli import main as filmstock
from pipeline import schema as s
from pipeline.shards.write import ShardWriter
from pipeline.store.atomic import sync
from pipeline.tables import shards_schema
from pipeline.video.encode import encode_mp4


def make_shards(folder: Path, clips: int) -> None:
    """Shards of ``clips`` rows; the videos of ten seeds are used again and again."""
    rng = np.random.default_rng(0)
    videos = [
        encode_mp4(rng.integers(90, 160, (33, 192, 320, 3), dtype=np.uint8), 16, crf=26)
        for _ in range(10)
    ]
    with ShardWriter(folder / "shards", shards_schema()) as writer:
        for i in range(clips):
            writer.add(
                {
                    s.CLIP_ID: s.clip_id("noise", i, i + 1),
                    s.VIDEO: videos[i % len(videos)],
                    s.CAPTION_DENSE: f"Noise of seed {i % len(videos)}.",
                    s.N_FRAMES: 33,
                    s.FPS: 16.0,
                    s.WIDTH: 320,
                    s.HEIGHT: 192,
                    s.START_S: 0.0,
                    s.END_S: 33 / 16,
                }
            )


def main() -> None:
    """Print the medians and their ratios."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clips", type=int, default=1000)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--place", type=Path, default=None)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=args.place) as name:
        place = Path(name)
        make_shards(place, args.clips)
        size = sum(path.stat().st_size for path in (place / "shards").glob("*.parquet"))
        print(f"{args.clips} clips, {size / 1e6:.0f} MB, {os.cpu_count()} cores")
        first, out = place / "first", place / "out"

        def export(*words: str) -> Callable[[], None]:
            def run() -> None:
                quiet = io.StringIO()
                with contextlib.redirect_stdout(quiet), contextlib.redirect_stderr(quiet):
                    line = ["export", str(place), "--for", "folder", "--out", str(out), *words]
                    assert filmstock(line) == 0, quiet.getvalue()

            return run

        def copy() -> None:
            shutil.copytree(first / "videos", out)

        def copy_to_disk() -> None:
            copy()
            for path in out.iterdir():
                sync(path)

        filmstock(["export", str(place), "--for", "folder", "--out", str(first)])
        ways: dict[str, Callable[[], None]] = {
            "bare copy": copy,
            "copy to the disk": copy_to_disk,
            "export": export(),
            "export, link": export("--link", str(first)),
        }
        spent: dict[str, list[float]] = {way: [] for way in ways}
        worked: dict[str, list[float]] = {way: [] for way in ways}
        for _ in range(args.runs):
            for way, run in ways.items():
                shutil.rmtree(out, ignore_errors=True)
                os.sync()
                start, before = time.perf_counter(), cpu_s()
                run()
                spent[way].append(time.perf_counter() - start)
                worked[way].append(cpu_s() - before)
        medians = {way: statistics.median(times) for way, times in spent.items()}
        for way, median in medians.items():
            low, high = min(spent[way]), max(spent[way])
            print(
                f"{way:17} {median:6.2f} s ({low:.2f} to {high:.2f}), "
                f"{median / medians['bare copy']:.1f} bare copies, "
                f"{median / medians['copy to the disk']:.2f} copies to the disk, "
                f"CPU {statistics.median(worked[way]):.2f} s"
            )


def cpu_s() -> float:
    """CPU seconds of this process and of its children that have ended: what a busy machine does not stretch."""
    parts = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(part.ru_utime + part.ru_stime for part in parts)


if __name__ == "__main__":
    main()
