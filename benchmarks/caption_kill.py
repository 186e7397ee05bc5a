"""Kill captioning at random moments and count what is asked twice.

    python -m benchmarks.caption_kill [--kills 20] [--clips 60] [--worker-only] [--seed 0]

A server on loopback counts the requests for each (kind, pictures) and answers after up to 0.2 s with the pictures' own
hash. ``filmstock caption`` is started again and again and killed with -9: its driver, a worker (which Ray starts again
in the same run) or its raylet. ``--worker-only`` leaves Ray out and kills the worker's process. After each kill the
stored answers are noted: asking for one of them again is a failure. In the end there must be one row per clip and kind,
each with the hash of its own clip's pictures, and the files of ``captions/`` must have the names and bytes of a run
that nobody disturbed (without Ray: hold the same rows).
"""

from __future__ import annotations

import argparse
import contextlib
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

from benchmarks.chaos_kill import VICTIMS, kill_one, strike, sweep
from captioner.config import CaptionConfig
from jobs.caption.journal import left_over, read_journal
from pipeline import schema as s
from tests.helpers.caption_media import make_run_folder
from tests.helpers.faulty_server import FaultyServer

KINDS = ("short", "dense")
IN_FLIGHT = 4
WHILE_ANSWERED = 0.7
"""Share of kills after some further answers; the others come at any moment, Ray's start included."""


def settings(url: str) -> dict[str, object]:
    """Recipe settings of the run."""
    return {
        "backend": "openai",
        "model": "vlm",
        "base_url": url,
        "concurrency": IN_FLIGHT,
        "frames": 4,
        "prompts": {kind: f"echo {kind} {{frames}}" for kind in KINDS},
    }


def start(folder: Path, url: str, worker_only: bool) -> subprocess.Popen[bytes]:
    """Start captioning in a session of its own."""
    run = (
        "import numpy as np; from pipeline import schema as s; "
        "from jobs.caption.worker import CaptionWorker; "
        "from jobs.caption.rows import answered, made_with, recover; "
        "from jobs.caption.command import missing_work; from jobs.core.run import open_run; "
        "table = folder / 'captions'; recover(table); "
        "rows = open_run(folder).kept_clips().select(list(s.READ_COLUMNS)).to_pylist(); "
        "wanted = {(r['clip_id'], k): m for r in rows for k, m in made_with(config, 'vlm', r).items()}; "
        "left = missing_work(rows, config.kinds, answered(table, wanted)); "
        "block = {n: np.array([r[n] for r in left]) for n in (left or [{}])[0]}; "
        "left and list(CaptionWorker(config, str(folder), 1)(block))"
        if worker_only
        else "from jobs.caption.command import run; from jobs.core.run import open_run; run(config, open_run(folder))"
    )
    code = (
        "import sys; sys.path.insert(0, '.'); from pathlib import Path; "
        "from captioner.config import CaptionConfig; "
        f"config = CaptionConfig(**{settings(url)!r}); folder = Path({str(folder)!r}); {run}"
    )
    return subprocess.Popen(
        [sys.executable, "-c", code],
        start_new_session=True,
        stdout=subprocess.DEVNULL,
    )


def in_parts(folder: Path) -> list[dict[str, Any]]:
    """Rows of the parts."""
    import pyarrow.parquet as pq

    rows = []
    for part in sorted((folder / "captions").glob("part-*.parquet")):
        with contextlib.suppress(FileNotFoundError):
            rows += pq.read_table(part, partitioning=None).to_pylist()
    return rows


def stored(folder: Path) -> dict[tuple[str, str], tuple[str, str]]:
    """(clip_id, kind) -> (prompt kind, pictures) of the answers on disk, in parts and in journals."""
    rows = [row for path in left_over(folder / "captions") for row in read_journal(path)]
    return {
        (row[s.CLIP_ID], row[s.KIND]): (row[s.KIND], row[s.TEXT].split()[-1].rstrip("."))
        for row in [*rows, *in_parts(folder)]
        if row[s.OUTCOME] == s.CaptionOutcome.OK
    }


def main() -> None:
    """Kill, count, and print one line per kill and the sum."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--clips", type=int, default=60)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--worker-only", action="store_true")
    args = parser.parse_args()
    rng = random.Random(args.seed)
    kills: Counter[str] = Counter()
    again = in_flight = 0
    with tempfile.TemporaryDirectory() as scratch, FaultyServer() as server:
        folder = Path(scratch) / "run"
        ids = make_run_folder(folder, clips=args.clips)
        (folder / "captions").mkdir()

        def asked() -> Counter[tuple[str, str]]:
            with server.lock:
                pictures = dict(server.pictures)
            return Counter({(p.split()[1], shown): n for (p, shown), n in pictures.items()})

        calm = Path(scratch) / "calm"
        shutil.copytree(folder, calm)
        if start(calm, server.url, args.worker_only).wait(timeout=600):
            sys.exit("captioning fails undisturbed")
        with server.lock:
            server.pictures.clear()
        calm_s = args.clips * len(KINDS) * 0.1 / IN_FLIGHT
        noted: dict[tuple[str, str], int] = {}
        while True:
            child = start(folder, server.url, args.worker_only)
            if sum(kills.values()) >= args.kills:
                child.wait(timeout=600)
                victim = "nobody"
            else:
                victim = "driver" if args.worker_only else rng.choice(VICTIMS)
                if args.worker_only or rng.random() < WHILE_ANSWERED:
                    struck = kill_soon(child, victim, server, rng)
                else:
                    struck = strike(child, victim, rng, calm_s)
                kills[victim] += struck
                if struck and victim == "worker":
                    child.wait(timeout=600)  # Ray goes on with another
                elif struck:
                    time.sleep(0.3)
            sweep(child)
            if child.wait() > 0 and victim in (
                "worker",
                "nobody",
            ):  # a driver may see its raylet die
                sys.exit(f"captioning failed by itself with exit code {child.returncode}")
            counts = asked()
            again += sum(counts[key] - n for key, n in noted.items())
            answers = stored(folder)
            noted = {shown: counts[shown] for shown in answers.values()}
            print(
                f"killed {victim}: {len(answers)} of {2 * len(ids)} answers stored, "
                f"{sum(counts.values())} requests, {again} for answers that were stored",
                flush=True,
            )
            if victim == "nobody":
                break
            if len(answers) == 2 * len(ids):  # finished too early to be killed: from the start
                for path in (folder / "captions").iterdir():
                    path.unlink()
                for path in (folder / ".done").glob("*"):
                    path.unlink()
                noted = {}
                in_flight += sum(n - 1 for n in counts.values())
                with server.lock:
                    server.pictures.clear()
        rows = stored(folder)
        counts = asked()
        right = len(set(rows.values())) == len(rows) == len(in_parts(folder)) == 2 * len(ids)
        same = content(folder, args.worker_only) == content(calm, args.worker_only)
        config = CaptionConfig(**settings(server.url))  # type: ignore[arg-type]
        twice = in_flight + sum(n - 1 for n in counts.values())
        print(
            f"{sum(kills.values())} kills ({dict(kills)}), {len(rows)} rows of {2 * len(ids)}, each once, with its own "
            f"pictures: {right}; the same files as an undisturbed run: {same}; asked again: {twice} that were in "
            f"flight or unread ({config.concurrency} at a time), {again} that were stored"
        )
        if again or not right or not same:
            sys.exit(1)


def content(folder: Path, worker_only: bool) -> Any:
    """Name -> content of everything in ``captions/``; of workers alone the rows, which nobody has gathered."""
    if worker_only:
        return sorted(in_parts(folder), key=lambda row: (row[s.CLIP_ID], row[s.KIND]))
    return {path.name: path.read_bytes() for path in (folder / "captions").iterdir()}


def kill_soon(
    child: subprocess.Popen[bytes], victim: str, server: FaultyServer, rng: random.Random
) -> bool:
    """Kill after a random number of further answers; False when the run ended before."""
    target = server.answered + rng.randrange(1, 20)
    end = time.monotonic() + 300
    while server.answered < target and child.poll() is None and time.monotonic() < end:
        time.sleep(0.005)
    time.sleep(rng.uniform(0, 0.1))
    return kill_one(child, victim, rng)


if __name__ == "__main__":
    main()
