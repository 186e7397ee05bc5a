"""``filmstock view`` beside Datasette on the same generated rows: first page, filters and memory.

    python -m benchmarks.view_peers --datasette /path/to/datasette --folder /tmp/million

Datasette serves SQLite, so the manifest is written to a database first; the columns that are filtered get an index, as
its documentation advises. Its page has no videos. Both are asked in turn, five times each.
"""

from __future__ import annotations

import argparse
import json
import signal
import socket
import sqlite3
import subprocess
import time
from functools import partial
from pathlib import Path

import httpx
import numpy as np
import pyarrow.parquet as pq

from benchmarks.view import Server, first_page, make_run, peak_mb, timed
from pipeline import schema as s

FILTERED = (s.MOTION_MEAN, s.LUMA_MEAN, s.BLUR)
"""Columns that the questions bound."""


def to_sqlite(folder: Path, place: Path) -> None:
    """The manifest as a table ``clips`` with indices on the columns that are filtered."""
    with sqlite3.connect(place) as base:
        base.execute("pragma journal_mode = off")
        names: list[str] = []
        for part in sorted((folder / "manifest").iterdir()):
            for batch in pq.ParquetFile(part).iter_batches(20_000):
                flat = {
                    n: batch[n] for n in batch.schema.names if batch[n].null_count != len(batch)
                }
                if not names:
                    names = list(flat)
                    base.execute(f"create table clips ({', '.join(names)})")
                columns = [plain(flat[n]) for n in names]
                marks = ", ".join("?" * len(names))
                base.executemany(f"insert into clips values ({marks})", zip(*columns, strict=True))
        for name in FILTERED:
            base.execute(f"create index by_{name} on clips ({name})")


def plain(column: object) -> list[object]:
    """Values that SQLite takes."""
    values = column.to_pylist()  # type: ignore[attr-defined]
    return [json.dumps(v) if isinstance(v, (list, dict)) else v for v in values]


class Datasette:
    """The peer in a process of its own."""

    def __init__(self, program: str, place: Path) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        self.address = f"http://127.0.0.1:{port}"
        limit = ["--setting", "sql_time_limit_ms", "60000"]
        words = [program, "serve", str(place), "--port", str(port), *limit]
        self.process = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        for _ in range(600):
            try:
                httpx.get(self.address, timeout=60)
                break
            except httpx.HTTPError:
                time.sleep(0.2)

    def peak_mb(self) -> float:
        """Most memory that the process has held."""
        return peak_mb(self.process)


def compare(folder: Path, place: Path, program: str) -> None:
    """Ask both in turn."""
    ours, theirs = Server(folder), Datasette(program, place)
    rng = np.random.default_rng(0)
    try:
        with (
            httpx.Client(base_url=ours.address, timeout=300) as a,
            httpx.Client(base_url=theirs.address, timeout=300) as b,
        ):

            def ask_ours(names: tuple[str, ...]) -> None:
                bounds = [{"column": n, "op": ">=", "value": rng.uniform(0.1, 0.6)} for n in names]
                query = json.dumps({"where": bounds})
                a.get("/api/clips", params={"q": query, "count": 60}).raise_for_status()

            def ask_theirs(names: tuple[str, ...]) -> None:
                bounds = {f"{n}__gte": f"{rng.uniform(0.1, 0.6)}" for n in names}
                query = {**bounds, "_size": "60", "_shape": "objects"}
                b.get(f"/{place.stem}/clips.json", params=query).raise_for_status()

            timed("first page, view", lambda: first_page(a))
            timed(
                "first page, datasette",
                lambda: b.get(f"/{place.stem}/clips?_size=60").raise_for_status(),
            )
            for names in (FILTERED[:1], FILTERED):
                timed(f"bounds on {len(names)}, view", partial(ask_ours, names))
                timed(f"bounds on {len(names)}, datasette", partial(ask_theirs, names))
        print(f"peak: view {ours.peak_mb():.0f} MB, datasette {theirs.peak_mb():.0f} MB")
    finally:
        ours.stop()
        theirs.process.send_signal(signal.SIGTERM)
        theirs.process.wait()


def main() -> None:
    """Make what lacks, then compare."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--clips", type=int, default=1_000_000)
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--datasette", required=True, help="its program")
    args = parser.parse_args()
    if not (args.folder / "selection.parquet").exists():
        make_run(args.folder, args.clips)
    place = args.folder.parent / f"{args.folder.name}.db"
    if not place.exists():
        began = time.perf_counter()
        to_sqlite(args.folder, place)
        print(f"database made in {time.perf_counter() - began:.1f} s", flush=True)
    tables = [*(args.folder / "manifest").iterdir(), args.folder / "selection.parquet"]
    size = sum(path.stat().st_size for path in tables)
    print(f"Parquet {size / 1e6:.0f} MB, database {place.stat().st_size / 1e6:.0f} MB")
    compare(args.folder, place, args.datasette)


if __name__ == "__main__":
    main()
