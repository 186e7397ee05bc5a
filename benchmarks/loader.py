"""A shuffled epoch of our loader beside webdataset, litdata, mosaicml-streaming and datasets, on the same clips.

    pip install webdataset litdata mosaicml-streaming        # any that is missing is left out, and named
    python -m benchmarks.loader --clips RUN/shards --work /tmp/loader --rounds 3

All read the same clips in batches of 8, with the same function applied to the MP4 bytes: none (``bytes``) or our
decoding to frames (``decode``). Each pass is a process of its own; the loaders take turns. Times begin before the data
is opened and end with the epoch; imports do not count. Processor time is that of all processes. Memory is the largest
sum over all processes of their proportional set size (shared pages are shared out), sampled along the way; bytes are
those that read calls return, also of workers (a reader that maps files shows too few). With ``--s3`` the same files
come from an S3 server on loopback (``range_store``), and bytes are those over the loopback interface. The exit code is
1 if our loader is not ahead.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import shutil
import statistics
import subprocess
import sys
import time
from contextlib import nullcontext
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.loader_peers import READERS, WRITERS
from benchmarks.range_store import loopback_bytes, on_s3

MODULES = {
    "filmstock": "pipeline.loader.api",
    "webdataset": "webdataset",
    "litdata": "litdata",
    "mosaicml": "streaming",
    "datasets, streaming": "datasets",
    "datasets, map": "datasets",
}


PATIENCE_S = 300
"""Seconds after which a pass is given up."""


def source_clips(shards: Path, repeat: int) -> list[dict[str, Any]]:
    """Clips of a shard folder, each ``repeat`` times under other ids, in the order of a hash of those."""
    from pipeline import schema as s
    from pipeline.shards.read import open_manifest

    manifest = open_manifest(shards)
    keep = (s.N_FRAMES, s.FPS, s.WIDTH, s.HEIGHT, s.CAPTION_SHORT, s.CAPTION_DENSE)
    clips = []
    for i in range(len(manifest)):
        row, mp4 = manifest.row(i), manifest.read(i)
        for copy in range(repeat):
            name = f"{copy:02d}{row[s.CLIP_ID]}"
            clips.append({"id": name, "mp4": mp4, "row": {k: row[k] for k in keep}})
    return sorted(clips, key=lambda clip: clip["id"][::-1])


def random_clips(count: int, megabytes: float) -> list[dict[str, Any]]:
    """Clips of noise, for sizes that there is no footage of; they cannot be decoded."""
    import numpy as np

    from pipeline import schema as s

    rng = np.random.default_rng(0)
    row = {s.N_FRAMES: 17, s.FPS: 8.0, s.WIDTH: 64, s.HEIGHT: 64, s.CAPTION_SHORT: "noise"}
    size = round(1e6 * megabytes)
    return [{"id": f"{i:020d}", "mp4": rng.bytes(size), "row": row} for i in range(count)]


def available(names: list[str]) -> list[str]:
    """Those of ``names`` whose modules are installed; says which are not."""
    missing = [n for n in names if not importlib.util.find_spec(MODULES[n])]
    if missing:
        print(f"not installed, left out: {', '.join(missing)}")
    return [n for n in names if n not in missing]


def use_bytes(mp4: bytes) -> bytes:
    """Hand the clip on as it is."""
    return mp4


def use_decoded(mp4: bytes) -> Any:
    """uint8 frames (T,H,W,3) at half size, as a tensor."""
    import torch

    from pipeline.video.decode import decode_clip

    frames, _ = decode_clip(mp4, size=(96, 96))
    return torch.from_numpy(frames)


def family() -> list[int]:
    """This process and its children."""
    me = os.getpid()
    kids = Path(f"/proc/{me}/task/{me}/children").read_text().split()
    return [me, *map(int, kids)]


def sample(io: dict[int, int], cpu: dict[int, float]) -> float:
    """Proportional set size of all processes, MB; notes the bytes that each has read and its processor seconds."""
    total = 0
    for pid in family():
        try:
            rollup = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
            total += next(int(line.split()[1]) for line in rollup if line.startswith("Pss:"))
            counters = Path(f"/proc/{pid}/io").read_text().split()
            io[pid] = int(counters[counters.index("rchar:") + 1])
            ticks = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[11:13]
            cpu[pid] = sum(map(int, ticks)) / os.sysconf("SC_CLK_TCK")
        except (OSError, StopIteration):  # a worker that has just ended
            continue
    return total / 1000


def one_pass(name: str, folder: str, workers: int, decode: bool, limit: int) -> dict[str, float]:
    """Read one epoch, or ``limit`` clips of it, in this process; its numbers."""
    import torch

    torch.set_num_threads(1)
    use = use_decoded if decode else use_bytes
    if decode:
        import pipeline.video.decode  # noqa: F401
    if name == "mosaicml":
        from pipeline.openclip.torchvision_compat import prepare_torchvision

        prepare_torchvision()
    importlib.import_module(MODULES[name])
    for module in (
        "pandas",
        "pyarrow.dataset",
        "torch.utils.data",
    ):  # some loaders would have them at once
        importlib.import_module(module)
    io: dict[int, int] = {}
    cpu: dict[int, float] = {}
    before = sample(io, cpu)
    began_bytes, began_cpu = sum(io.values()), sum(cpu.values())
    start = time.perf_counter()
    first, peak, ids, size = 0.0, 0.0, [], 0
    for count, batch in enumerate(READERS[name][1](folder, workers, use)):
        first = first or time.perf_counter() - start
        for clip_id, payload in batch:
            ids.append(clip_id)
            size += payload.numel() if decode else len(payload)
        if len(ids) >= limit:
            break
        if count % 25 == 0:
            peak = max(peak, sample(io, cpu))
    wall = time.perf_counter() - start
    peak = max(peak, sample(io, cpu))
    return {
        "clips": len(ids),
        "distinct": len(set(ids)),
        "wall": wall,
        "first": first,
        "bytes": sum(io.values()) - began_bytes,
        "payload": size,
        "memory": peak,
        "before": before,
        "cpu": sum(cpu.values()) - began_cpu,
    }


def run_pass(
    name: str, folder: str, workers: int, decode: bool, limit: int, env: dict[str, str]
) -> dict[str, float]:
    """``one_pass`` in a fresh process, as it prints them."""
    command = [sys.executable, "-m", "benchmarks.loader", "--one", name, "--folder", folder]
    command += ["--workers", str(workers), "--limit", str(limit), *(["--decode"] if decode else [])]
    cache = env.get("LOADER_CACHE")
    if cache and name != "datasets, map":
        shutil.rmtree(cache, ignore_errors=True)
    before = loopback_bytes()
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, env={**os.environ, **env}, timeout=PATIENCE_S
        )
    except subprocess.TimeoutExpired:
        raise RuntimeError(f"{name}: not done after {PATIENCE_S} s") from None
    lines = [line for line in done.stdout.splitlines() if line.startswith("{")]
    if done.returncode or not lines:
        raise RuntimeError(f"{name}: {done.stderr.strip()[-2000:]}")
    numbers: dict[str, float] = json.loads(lines[-1])
    if "://" in folder:
        numbers["bytes"] = loopback_bytes() - before
    return numbers


def compare(
    names: list[str],
    folders: dict[str, str],
    workers: int,
    decode: bool,
    rounds: int,
    limit: int,
    env: dict[str, str],
    clips: int,
) -> bool:
    """Interleaved passes, medians, a table; whether our loader is ahead of each."""
    runs: dict[str, list[dict[str, float]]] = {name: [] for name in names}
    for _ in range(rounds):
        for name in list(runs):
            try:
                runs[name].append(
                    run_pass(name, folders[READERS[name][0]], workers, decode, limit, env)
                )
            except RuntimeError as error:
                print(f"left out: {error}")
                del runs[name]
    where = "S3" if any("://" in folder for folder in folders.values()) else "disk"
    print(f"\n{where}, {'decode' if decode else 'bytes'}, {workers} workers, medians of {rounds}")
    head = ("clips/s", "cpu ms/clip", "first s", "MB/clip", "memory MB", "(before)", "distinct")
    print(f"{'':22}" + "".join(f"{word:>13}" for word in head))
    middle = {}
    for name, passes in runs.items():
        m = {key: statistics.median(p[key] for p in passes) for key in passes[0]}
        middle[name] = m
        cells = (
            m["clips"] / m["wall"], 1000 * m["cpu"] / m["clips"], m["first"],
            m["bytes"] / m["clips"] / 1e6, m["memory"], m["before"], m["distinct"],
        )  # fmt: skip
        print(f"{name:22}" + "".join(f"{cell:13.3f}" for cell in cells))
    ours = middle["filmstock"]
    assert ours["distinct"] >= clips - clips % 8, "our loader lost clips"
    speed = {
        n: (ours["clips"] / ours["wall"]) / (m["clips"] / m["wall"])
        for n, m in middle.items()
        if m is not ours
    }
    cpu = {
        n: (m["cpu"] / m["clips"]) / (ours["cpu"] / ours["clips"])
        for n, m in middle.items()
        if m is not ours
    }
    for label, ratios in (("clips/s", speed), ("processor time", cpu)):
        print(f"  {label}, ours ahead by: " + ", ".join(f"{n} {r:.2f}x" for n, r in ratios.items()))
    return all(ratio > 1 for ratio in speed.values())


def main() -> int:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--clips", type=Path, help="shards to take clips from")
    parser.add_argument("--count", type=int, default=400, help="clips of noise, without --clips")
    parser.add_argument("--clip-mb", type=float, default=1.0, help="size of each of those, MB")
    parser.add_argument("--work", type=Path, help="folder for everybody's copies")
    parser.add_argument(
        "--repeat", type=int, default=10, help="copies of each clip, under other ids"
    )
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--workers", type=int, nargs="+", default=[0, 2])
    parser.add_argument("--modes", nargs="+", default=["bytes", "decode"])
    parser.add_argument("--loaders", nargs="+", default=list(READERS))
    parser.add_argument("--s3", action="store_true", help="from S3 on loopback, not from the disk")
    parser.add_argument("--latency-ms", type=float, default=0.0, help="of every answer from S3")
    parser.add_argument("--one", help="run one pass in this process, and print its numbers")
    parser.add_argument(
        "--limit", type=int, default=10**9, help="clips of a pass; default: an epoch"
    )
    parser.add_argument("--folder")
    parser.add_argument("--decode", action="store_true")
    args = parser.parse_args()
    if args.one:
        print(json.dumps(one_pass(args.one, args.folder, args.workers[0], args.decode, args.limit)))
        return 0
    names = available(args.loaders)
    if args.clips:
        clips = source_clips(args.clips, args.repeat)
    else:
        clips = random_clips(args.count, args.clip_mb)
    size = sum(len(clip["mp4"]) for clip in clips)
    print(f"{len(clips)} clips, {size / 1e6:.0f} MB, {size / len(clips) / 1e6:.3f} MB a clip")
    folders = {}
    for name in {READERS[name][0] for name in names}:
        folders[name] = str((args.work / name).resolve())
        if not Path(folders[name]).exists():
            WRITERS[name](Path(folders[name]), clips)
    count = len(clips)
    del clips
    env = {"LOADER_CACHE": str((args.work / "cache").resolve()), "HF_DATASETS_OFFLINE": "1"}
    env["HF_HOME"] = env["LOADER_CACHE"] + "-hf"
    with (
        on_s3(args.work.resolve(), folders, args.latency_ms) if args.s3 else nullcontext(folders)
    ) as places:
        ahead = [
            compare(
                names,
                places,
                workers,
                mode == "decode",
                args.rounds,
                args.limit,
                env,
                min(count, args.limit),
            )
            for mode in args.modes
            for workers in args.workers
        ]
    return 0 if all(ahead) else 1


if __name__ == "__main__":
    sys.exit(main())
