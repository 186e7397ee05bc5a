"""Captions per second as a share of the same backend driven directly, and memory over many rows.

    python -m benchmarks.captions openai [--rows 60] [--rounds 3] [--cells 1x0.1 16x0.5 256x8]
    python -m benchmarks.captions transformers [--clips 48] [--text-width 768 --layers 12 --tokens 40]
    python -m benchmarks.captions memory [--rows 10000]

``openai``: a server in a process of its own reads each request, waits for a fixed time and answers. The bare loop posts
requests that were prepared beforehand, with the same client library and as many in flight; ours reads each clip from
its shard, decodes, scales, hashes and encodes the frames, asks, judges, and stores every answer. Cells are
CONCURRENCYxSECONDS; both sides run in turns, the median of the shares counts. Processor time is of the client alone.

``transformers``: the embedded model, or one of the same classes and random weights as large as ``--text-width`` (of the
language model) and ``--layers`` say, on one thread. The bare loop has the same frames decoded already and calls
processor, ``generate`` and ``decode`` in the same batches. Shares are in the processor time of the thread that drives
the model, which is what counts where decoding has a core of its own or the model has a GPU; in that of all threads; and
in wall time, which other programs on the machine spoil.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

KINDS_ASKED = ("short", "dense")
DISTINCT = 12
"""Clips that differ; the others are the same bytes under other ids."""
ANSWER = json.dumps(
    {
        "choices": [
            {
                "message": {
                    "role": "assistant",
                    "content": "A dog runs to the left. " + "It is brown. " * 2,
                },
                "finish_reason": "stop",
            }
        ]
    }
).encode()


async def serve(latency_s: float) -> None:
    """Answer every request after ``latency_s``; prints the port."""

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).lower()
                length = int(head.partition(b"content-length:")[2].split(b"\r\n")[0] or 0)
                while length > 0:
                    length -= len(await reader.read(min(length, 1 << 20)))
                await asyncio.sleep(latency_s)
                close = b"connection: close" in head
                keep = b"close" if close else b"keep-alive"
                writer.write(
                    b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: %s\r\n"
                    b"Content-Length: %d\r\n\r\n%s" % (keep, len(ANSWER), ANSWER)
                )
                await writer.drain()
                if close:
                    break
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(handle, "127.0.0.1", 0, limit=1 << 20, backlog=1024)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


@contextmanager
def server(latency_s: float) -> Iterator[str]:
    """URL of a server in another process."""
    command = [sys.executable, "-m", "benchmarks.captions", "serve", "--latency", str(latency_s)]
    child = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert child.stdout is not None
        yield f"http://127.0.0.1:{int(child.stdout.readline())}/v1"
    finally:
        child.kill()
        child.wait()


def make_folder(folder: Path, clips: int, size: tuple[int, int], seconds: float) -> dict[str, Any]:
    """A run folder with ``clips`` kept clips; returns the columns of its work rows."""
    import pyarrow as pa

    from jobs.caption.rows import KINDS
    from pipeline import schema as s
    from pipeline.shards.write import video_hash, write_video_table
    from pipeline.video.encode import encode_mp4
    from pipeline.world.render import render
    from pipeline.world.scene import random_scene

    fps = 16.0
    n = round(seconds * fps)
    draw = np.random.default_rng(0)
    videos = []
    for seed in range(DISTINCT):
        frames = render(random_scene(seed), width=size[0], height=size[1], fps=fps, n_frames=n)
        noise = draw.normal(0, 4, np.shape(frames))  # as cameras have; clean pictures are too cheap
        videos.append(encode_mp4(np.clip(frames + noise, 0, 255).astype(np.uint8), fps))
    (folder / "clips").mkdir(parents=True)
    (folder / "captions").mkdir()
    table = pa.table({s.CLIP_ID: [str(i) for i in range(DISTINCT)], s.VIDEO: pa.array(videos)})
    ranges = write_video_table(folder / "clips" / "part-00000.parquet", table)
    rows = [
        {
            s.CLIP_ID: f"{i:06d}",
            s.SHARD: "clips/part-00000.parquet",
            s.BYTE_OFFSET: ranges[i % DISTINCT][0],
            s.BYTE_LENGTH: ranges[i % DISTINCT][1],
            s.VIDEO_XXH3: video_hash(videos[i % DISTINCT]),
            s.N_FRAMES: n,
            s.FPS: fps,
            s.WIDTH: size[0],
            s.HEIGHT: size[1],
        }
        for i in range(clips)
    ]
    columns = {name: np.array([row[name] for row in rows]) for name in s.READ_COLUMNS}
    return {**columns, KINDS: np.array([",".join(KINDS_ASKED)] * clips)}


def timed(call: Callable[[], object]) -> tuple[float, float, float]:
    """Seconds of a call: wall, processor time of all threads of this process, and of the calling one."""
    clocks = (time.perf_counter, time.process_time, time.thread_time)
    before = [clock() for clock in clocks]
    call()
    wall, every, own = (clock() - start for clock, start in zip(clocks, before, strict=True))
    return wall, every, own


def prepared(worker: Any, block: dict[str, Any], count: int) -> list[Any]:
    """The requests that the worker would send for its first clips."""
    from captioner.describe import request_for

    names = list(block)
    requests = []
    for row in list(zip(*(block[name].tolist() for name in names), strict=True))[:count]:
        clip_id, frames = worker.shown(dict(zip(names, row, strict=True)))
        requests += [request_for(worker.config, clip_id, kind, frames) for kind in KINDS_ASKED]
    return requests


async def post_all(url: str, bodies: list[bytes], rows: int, concurrency: int) -> None:
    """The bare loop: prepared bodies, kept connections, nothing else."""
    import httpx

    limits = httpx.Limits(max_connections=concurrency, max_keepalive_connections=concurrency)
    numbers = iter(range(rows))
    async with httpx.AsyncClient(limits=limits, timeout=120) as client:

        async def run() -> None:
            for i in numbers:
                response = await client.post(
                    f"{url}/chat/completions",
                    content=bodies[i % len(bodies)],
                    headers={"Content-Type": "application/json"},
                )
                assert response.json()["choices"][0]["message"]["content"]

        await asyncio.gather(*(run() for _ in range(concurrency)))


def openai(args: argparse.Namespace) -> None:
    """Table of shares, a line per cell."""
    from captioner.config import CaptionConfig
    from jobs.caption.worker import CaptionWorker

    print(
        f"{args.width}x{args.height}, 8 frames a clip, {len(KINDS_ASKED)} kinds, {os.cpu_count()} cores, "
        f"median of {args.rounds} rounds in turns"
    )
    print(
        f"{'in flight':>9} {'answer s':>8} {'rows':>6} {'ideal/s':>8} {'bare/s':>7} {'ours/s':>7} {'ours/bare':>9} "
        f"{'bare CPU':>9} {'ours CPU ms/row':>15}"
    )
    for cell in args.cells:
        concurrency, latency = int(cell.split("x")[0]), float(cell.split("x")[1])
        rows = max(args.rows, 5 * concurrency) // 2 * 2
        with server(latency) as url, tempfile.TemporaryDirectory() as scratch:
            found = []
            config = CaptionConfig(
                backend="openai", model="m", base_url=url, concurrency=concurrency, deadline_s=300
            )
            for i in range(args.rounds):
                folder = Path(scratch) / str(i)
                block = make_folder(folder, rows // 2, (args.width, args.height), 2.0)
                worker = CaptionWorker(config, str(folder), os.cpu_count() or 1)
                requests = prepared(worker, block, 16)
                bodies = [b"".join(worker.backend.body(request)) for request in requests]  # type: ignore[attr-defined]
                posting = partial(post_all, url, bodies, rows, concurrency)
                whole = partial(worker, block)
                bare = timed(lambda post=posting: asyncio.run(post()))
                ours = timed(lambda run=whole: list(run()))
                found.append((bare, ours))
        share = statistics.median(bare[0] / ours[0] for bare, ours in found)
        bare_s, ours_s = (statistics.median(pair[k][0] for pair in found) for k in (0, 1))
        bare_cpu, ours_cpu = (
            1e3 * statistics.median(p[k][1] for p in found) / rows for k in (0, 1)
        )
        print(
            f"{concurrency:9} {latency:8g} {rows:6} {concurrency / latency:8.1f} {rows / bare_s:7.1f} "
            f"{rows / ours_s:7.1f} {share:9.3f} {bare_cpu:9.1f} {ours_cpu:15.1f}",
            flush=True,
        )


def transformers(args: argparse.Namespace) -> None:
    """Share of the model's own batches of 16."""
    import torch

    from captioner.backends.transformers import conversation
    from captioner.config import CaptionConfig
    from jobs.caption.worker import CaptionWorker

    threads = 1
    found = []
    with tempfile.TemporaryDirectory() as scratch:
        config = CaptionConfig(max_new_tokens=args.tokens, retries_per_row=0)
        if args.text_width:
            grown = Path(scratch) / "model"
            grow(grown, args.text_width, args.layers)
            config = replace(config, model=str(grown))
        for i in range(args.rounds):
            folder = Path(scratch) / str(i)
            block = make_folder(folder, args.clips, (args.width, args.height), 2.0)
            worker = CaptionWorker(config, str(folder), threads)
            backend: Any = worker.backend
            requests = sorted(prepared(worker, block, args.clips), key=lambda r: r.kind)

            def bare(backend: Any = backend, requests: Any = requests) -> None:
                from PIL import Image

                for start in range(0, len(requests), 16):
                    batch = requests[start : start + 16]
                    texts = [
                        backend.processor.apply_chat_template(
                            [conversation(r)], add_generation_prompt=True, tokenize=False
                        )[0]
                        for r in batch
                    ]
                    images = [[Image.fromarray(f) for f in r.frames.images] for r in batch]
                    inputs = backend.processor(
                        text=texts, images=images, padding=True, return_tensors="pt"
                    )
                    with torch.inference_mode():
                        out = backend.model.generate(
                            **inputs, max_new_tokens=args.tokens, do_sample=False
                        )
                    backend.processor.batch_decode(out, skip_special_tokens=True)

            def ours(worker: Any = worker, block: Any = block) -> None:
                list(worker(block))

            bare(
                requests=requests[:16]
            )  # what the first call of a model takes on top is no one's share
            found.append((timed(bare), timed(ours)))
    wall, every, own = (
        statistics.median(bare[k] / ours[k] for bare, ours in found) for k in range(3)
    )
    rows = 2 * args.clips
    cost = 1e3 * statistics.median(bare[2] for bare, _ in found) / rows
    size = sum(p.numel() for p in worker.backend.model.parameters()) / 1e6  # type: ignore[attr-defined]
    print(
        f"transformers, {size:.1f} M parameters, batches of 16, {rows} rows, {threads} thread, {args.rounds} rounds, "
        f"bare {cost:.0f} ms/row: ours/bare {own:.3f} in the model's thread, {every:.3f} in all, {wall:.3f} on the wall"
    )


def grow(folder: Path, width: int, layers: int) -> None:
    """A model of the embedded one's classes with random weights and a larger language model."""
    from captioner.backends.embedded import WEIGHTS, build_model, export
    from captioner.backends.transformers import load_model

    processor, _ = load_model(str(WEIGHTS))
    model = build_model(processor.tokenizer, text_width=width, text_layers=layers)
    export(model, processor, folder)


def memory(args: argparse.Namespace) -> None:
    """Resident memory of a worker over many rows."""
    import psutil

    from captioner.config import CaptionConfig
    from jobs.caption.command import BLOCK_CLIPS
    from jobs.caption.worker import CaptionWorker

    process = psutil.Process()
    with server(0.05) as url, tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch) / "run"
        block = make_folder(folder, args.rows // 2, (args.width, args.height), 1.0)
        config = CaptionConfig(
            backend="openai", model="m", base_url=url, concurrency=32, deadline_s=300, frames=4
        )
        worker = CaptionWorker(config, str(folder), os.cpu_count() or 1)
        print(f"{args.width}x{args.height}, 4 frames, 32 in flight; start {_mb(process):.0f} MB")
        done, next_at = 0, args.rows // 20
        for start in range(0, args.rows // 2, BLOCK_CLIPS):
            piece = {name: values[start : start + BLOCK_CLIPS] for name, values in block.items()}
            for counts in worker(piece):
                done += int(counts["rows"].sum())
                if done >= next_at:
                    print(f"{done:7} rows {_mb(process):7.0f} MB", flush=True)
                    next_at += args.rows // 20


def _mb(process: Any) -> float:
    return float(process.memory_info().rss) / 1e6


def main() -> None:
    """Run one of the three."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=("openai", "transformers", "memory", "serve"))
    parser.add_argument("--rows", type=int)
    parser.add_argument("--clips", type=int, default=48)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--cells", nargs="*", default=["1x0.1", "16x0.5", "256x8"])
    parser.add_argument("--width", type=int)
    parser.add_argument("--height", type=int)
    parser.add_argument("--latency", type=float, default=0.1)
    parser.add_argument("--text-width", type=int)
    parser.add_argument("--layers", type=int, default=4)
    parser.add_argument("--tokens", type=int, default=256)
    args = parser.parse_args()
    small = args.what in ("memory",)
    args.rows = args.rows or (10_000 if small else 60)
    args.width, args.height = (
        args.width or (128 if small else 384),
        args.height or (72 if small else 216),
    )
    if args.what == "serve":
        asyncio.run(serve(args.latency))
    else:
        {"openai": openai, "transformers": transformers, "memory": memory}[args.what](args)


if __name__ == "__main__":
    main()
