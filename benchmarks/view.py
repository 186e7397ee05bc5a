"""How fast ``filmstock view`` answers over a million generated clips, and what it loses: nothing, it should say.

    python -m benchmarks.view --clips 1000000 --folder /tmp/million

Prints: seconds from the command to the first answer, the first page, filters, histograms and a moved threshold; memory
of the server; 50 clients at once with answers that are checked one by one; and edits of 8 people through a ``kill -9``.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from jobs.edits.journal import Journal
from pipeline import schema as s
from pipeline.shards.part import video_hash
from pipeline.shards.write import write_video_table
from pipeline.tables import clips_schema, manifest_schema
from pipeline.video.encode import encode_mp4

PART = 100_000
FILMS = 8
"""Real clips in the one shard; every row of the manifest names one of them."""


def make_run(folder: Path, clips: int) -> None:
    """A run folder of ``clips`` rows: scores by a seeded generator, bytes of a few real clips."""
    rng = np.random.default_rng(0)
    ramp = np.linspace(0, 255, 160, dtype=np.uint8)
    films = []
    for i in range(FILMS):
        frames = np.stack([np.tile(np.roll(ramp, 4 * t + 20 * i), (90, 1)) for t in range(48)])
        films.append(encode_mp4(np.repeat(frames[..., None], 3, axis=-1), 24))
    rows = [{s.CLIP_ID: str(i), s.VIDEO: film} for i, film in enumerate(films)]
    columns = {n: [row.get(n) for row in rows] for n in clips_schema().names}
    table = pa.table(columns, schema=clips_schema())
    ranges = write_video_table(folder / "clips" / "part-00000.parquet", table)
    (folder / "manifest").mkdir(parents=True, exist_ok=True)
    decided = []
    for part in range(-(-clips // PART)):
        numbers = np.arange(part * PART, min(clips, (part + 1) * PART))
        table = manifest_part(numbers, rng, films, ranges)
        pq.write_table(table, folder / "manifest" / f"part-{part:05d}.parquet", compression="zstd")
        kept = np.asarray(table[s.MOTION_MEAN]) > 0.2
        decided.append(pa.table({s.CLIP_ID: table[s.CLIP_ID], "kept": pa.array(kept)}))
    both = pa.concat_tables(decided).sort_by(s.CLIP_ID)
    kept = both["kept"].to_numpy()
    names = pa.array([str(s.Decision.REJECT), str(s.Decision.KEEP)])
    reasons = pa.ListArray.from_arrays(
        pa.array(np.concatenate([[0], np.cumsum(~kept)]).astype(np.int32)),
        pa.array(["moving"] * int((~kept).sum())),
    )
    none = pa.nulls(len(both), pa.string())
    selection = {
        s.CLIP_ID: both[s.CLIP_ID],
        s.DECISION: names.take(pa.array(kept.astype(np.int8))),
        s.REASONS: reasons,
        s.DUPLICATE_OF: none,
        s.DUPLICATE_IN: none,
    }
    pq.write_table(pa.table(selection), folder / "selection.parquet", compression="zstd")
    (folder / "recipe.toml").write_text('[select.where]\nmoving = "motion_mean > 0.2"\n')


def manifest_part(
    numbers: np.ndarray, rng: np.random.Generator, films: list[bytes], ranges: Any
) -> pa.Table:
    """Rows of the manifest, every score measured."""
    count = len(numbers)
    film = numbers % FILMS
    fixed: dict[str, Any] = {
        s.CLIP_ID: [hashlib.blake2b(str(n).encode(), digest_size=10).hexdigest() for n in numbers],
        s.SOURCE_ID: [f"{n // 50:016x}" for n in numbers],
        s.SOURCE_URI: [f"/footage/film-{n // 50:06d}.mp4" for n in numbers],
        s.START_S: (numbers % 50) * 12.0,
        s.END_S: (numbers % 50) * 12.0 + rng.uniform(2, 12, count),
        s.N_FRAMES: np.full(count, 48),
        s.FPS: np.full(count, 24.0),
        s.WIDTH: np.full(count, 160),
        s.HEIGHT: np.full(count, 90),
        s.SHARD: ["part-00000.parquet"] * count,
        s.BYTE_OFFSET: np.array([ranges[i][0] for i in film]),
        s.BYTE_LENGTH: np.array([ranges[i][1] for i in film]),
        s.VIDEO_XXH3: [video_hash(films[i]) for i in film],
        s.CAMERA: rng.choice(s.CAMERAS, count).tolist(),
    }
    columns = []
    for field in manifest_schema(("people", "text")):
        if field.name in fixed:
            values = fixed[field.name]
            columns.append(
                pa.array(values).cast(field.type)
                if isinstance(values, np.ndarray)
                else pa.array(values, field.type)
            )
        elif pa.types.is_floating(field.type):
            columns.append(pa.array(rng.gamma(2.0, 0.2, count)).cast(field.type))
        else:
            columns.append(pa.nulls(count, field.type))
    return pa.table(columns, schema=manifest_schema(("people", "text")))


def peak_mb(process: subprocess.Popen[Any]) -> float:
    """Most memory that a process has held."""
    status = Path(f"/proc/{process.pid}/status").read_text()
    return int(next(x for x in status.splitlines() if x.startswith("VmHWM")).split()[1]) / 1000


class Server:
    """``filmstock view`` in a process of its own."""

    def __init__(self, folder: Path) -> None:
        began = time.perf_counter()
        words = [sys.executable, "-m", "jobs.cli", "view", str(folder), "--port", "0"]
        self.process = subprocess.Popen(words, stdout=subprocess.PIPE, text=True)
        assert self.process.stdout is not None
        line = next(line for line in self.process.stdout if line.startswith("open "))
        self.address = line.split()[1].rstrip("/")
        self.started_s = time.perf_counter() - began

    def peak_mb(self) -> float:
        """Most memory that the process has held."""
        return peak_mb(self.process)

    def family_mb(self) -> float:
        """Memory that it and its children hold now."""
        total = 0
        for stat in Path("/proc").glob("[0-9]*/status"):
            try:
                lines = dict(x.split(":", 1) for x in stat.read_text().splitlines() if ":" in x)
            except OSError:
                continue
            if self.process.pid in (int(lines["Pid"]), int(lines["PPid"])) and "VmRSS" in lines:
                total += int(lines["VmRSS"].split()[0])
        return total / 1000

    def stop(self, how: int = signal.SIGINT) -> None:
        """End it."""
        self.process.send_signal(how)
        self.process.wait()


def timed(what: str, run: Callable[[], Any], times: int = 5) -> float:
    """Print and return the median seconds of ``run``, and the first, which finds nothing prepared."""
    taken = []
    for _ in range(times):
        began = time.perf_counter()
        run()
        taken.append(time.perf_counter() - began)
    print(
        f"{what:<52} first {taken[0]:6.3f} s   median {statistics.median(taken):6.3f} s", flush=True
    )
    return taken[0]


def first_page(client: httpx.Client) -> None:
    """What a browser asks for until clips stand on the page; pictures come after."""
    client.get("/").raise_for_status()
    for name in (
        "base.css",
        "view.css",
        "panels.css",
        "main.js",
        "grid.js",
        "core.js",
        "state.js",
        "filters.js",
    ):
        client.get(f"/assets/{name}").raise_for_status()
    client.get("/api/clips", params={"count": 60}).raise_for_status()
    client.get("/api/info").raise_for_status()


def one_client(
    address: str, number: int, expected: dict[float, int], took: list[float], wrong: list[str]
) -> None:
    """A person who filters, pages, plays; every answer is held against what it must be."""
    rng = np.random.default_rng(number)
    with httpx.Client(base_url=address, timeout=120) as client:
        for step in range(12):
            cut = float(rng.choice(list(expected)))
            question = {"where": [{"column": s.MOTION_MEAN, "op": ">=", "value": cut}]}
            began = time.perf_counter()
            start = int(rng.integers(0, max(1, expected[cut] - 60)))
            answer = client.get(
                "/api/clips", params={"q": json.dumps(question), "from": start, "count": 60}
            )
            took.append(time.perf_counter() - began)
            body = answer.json()
            if answer.status_code != 200 or body["total"] != expected[cut] or body["from"] != start:
                wrong.append(f"client {number}, step {step}: {answer.status_code} {str(body)[:80]}")
                continue
            clip = body["clips"][0]["id"]
            began = time.perf_counter()
            part = client.get(f"/video/{clip}", headers={"Range": "bytes=4-7"})
            took.append(time.perf_counter() - began)
            if part.status_code != 206 or part.content != b"ftyp":
                wrong.append(f"client {number}: bytes of {clip}: {part.status_code}")


def many_clients(server: Server, folder: Path, count: int) -> None:
    """``count`` clients at once, every answer checked."""
    motion = np.concatenate(
        [
            np.asarray(pq.read_table(p, columns=[s.MOTION_MEAN])[s.MOTION_MEAN])
            for p in sorted((folder / "manifest").iterdir())
        ]
    )
    expected = {
        float(cut): int((motion >= np.float32(cut)).sum())
        for cut in np.round(np.arange(0.1, 0.9, 0.05), 2)
    }
    took: list[float] = []
    wrong: list[str] = []
    threads = [
        threading.Thread(target=one_client, args=(server.address, n, expected, took, wrong))
        for n in range(count)
    ]
    began = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    ordered = sorted(took)
    spent, p95 = time.perf_counter() - began, ordered[int(0.95 * len(ordered))]
    print(
        f"{count} clients at once: {len(took)} answers in {spent:.1f} s, {len(wrong)} wrong or lost"
    )
    print(
        f"  median {statistics.median(ordered):.3f} s, p95 {p95:.3f} s, longest {ordered[-1]:.3f} s"
    )
    for line in wrong[:5]:
        print("  ", line)


def killed_amid_edits(folder: Path, clips: list[str], people: int = 8) -> None:
    """``people`` edit at once while the server is killed: what was answered must be in the journal."""
    server = Server(folder)
    answered: list[str] = []

    def person(name: str) -> None:
        with httpx.Client(base_url=server.address, timeout=30) as client:
            for n in range(10_000):
                body = {
                    "clip": clips[n % len(clips)],
                    "action": "tag",
                    "value": {"tag": f"{name} {n}"},
                    "who": name,
                }
                try:
                    answered.append(
                        client.post("/api/edit", json=body).raise_for_status().json()["id"]
                    )
                except httpx.HTTPError:
                    return

    threads = [threading.Thread(target=person, args=(f"person {n}",)) for n in range(people)]
    for thread in threads:
        thread.start()
    time.sleep(6)
    server.stop(signal.SIGKILL)
    for thread in threads:
        thread.join()
    stored, damage = Journal(folder).read_with_damage()
    lost = set(answered) - {edit.id for edit in stored}
    counts = f"{len(answered)} answered, {len(stored)} stored, {len(lost)} lost"
    print(f"kill -9 amid edits of {people}: {counts}, {len(damage)} damaged lines")


def main() -> None:
    """Make the folder where it is not there, then measure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clips", type=int, default=1_000_000)
    parser.add_argument("--clients", type=int, default=50)
    parser.add_argument("--folder", type=Path)
    args = parser.parse_args()
    folder = args.folder or Path(tempfile.mkdtemp()) / "run"
    if not (folder / "selection.parquet").exists():
        began = time.perf_counter()
        make_run(folder, args.clips)
        print(f"{args.clips:,} rows generated in {time.perf_counter() - began:.0f} s")
    print(f"load of the machine {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")
    server = Server(folder)
    print(
        f"from the command to the first answer                 {server.started_s:6.3f} s, {server.peak_mb():.0f} MB"
    )
    with httpx.Client(base_url=server.address, timeout=120) as client:

        def ask(**question: Any) -> Any:
            return (
                client.get("/api/clips", params={"q": json.dumps(question), "count": 60})
                .raise_for_status()
                .json()
            )

        timed("first page: HTML, CSS, scripts, clips, facts", lambda: first_page(client))
        cuts = iter(np.linspace(0.11, 0.8, 400))

        def bound(name: str) -> list[dict[str, Any]]:
            return [{"column": name, "op": ">=", "value": float(next(cuts))}]

        timed("a bound on a score", lambda: ask(where=bound(s.MOTION_MEAN)))
        timed(
            "bounds on three scores",
            lambda: ask(where=[*bound(s.BLUR), *bound(s.LUMA_MEAN), *bound(s.MOTION_P95)]),
        )
        timed(
            "a word and a decision",
            lambda: ask(
                decision=["keep"],
                where=[{"column": s.CAMERA, "op": "in", "value": ["pan"]}, *bound(s.BLUR)],
            ),
        )
        timed("a condition in SQL", lambda: ask(sql=f"motion_mean + blur > {next(cuts)}"))
        timed("ordered by a score", lambda: ask(where=bound(s.BLUR), by=s.AESTHETIC, down=True))
        timed(
            "a page from the middle of a kept answer",
            lambda: client.get("/api/clips", params={"from": 500_000}).raise_for_status(),
        )
        timed(
            "a histogram of one score",
            lambda: client.get(f"/api/facet/{s.JITTER}").raise_for_status(),
        )
        timed(
            "a threshold moved: funnel",
            lambda: client.post(
                "/api/what-if", json={"where": {"moving": f"motion_mean > {next(cuts)}"}}
            ).raise_for_status(),
        )
        first = ask()["clips"][0]["id"]
        timed(
            "everything about one clip", lambda: client.get(f"/api/clip/{first}").raise_for_status()
        )
        ids = [each["id"] for each in ask()["clips"]]
    print(
        f"memory: peak of the server {server.peak_mb():.0f} MB, with its children now {server.family_mb():.0f} MB"
    )
    many_clients(server, folder, args.clients)
    print(
        f"memory after that: peak {server.peak_mb():.0f} MB, with its children now {server.family_mb():.0f} MB"
    )
    server.stop()
    killed_amid_edits(folder, ids)


if __name__ == "__main__":
    main()
