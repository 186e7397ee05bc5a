"""``filmstock world OUT``: render clips of the synthetic world straight to shards, with true captions."""

from __future__ import annotations

import multiprocessing
import os
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated

import tyro

from jobs.core.args import parse_args
from jobs.core.console import Progress, say
from jobs.core.errors import EXIT_OK, UserError, user_errors
from jobs.core.keys import config_key
from jobs.core.stage import Stage
from jobs.core.writable import check_own_folder
from pipeline.bounds import Bounded, Whole
from pipeline.shards.layout import manifest_of
from pipeline.world.clips import WorldConfig, check_config, chunks, world_rows

CHUNK = 100
"""Clips per task of a worker process."""


@dataclass(frozen=True, kw_only=True)
class WorldArgs(Bounded):
    """Render clips of the synthetic world to OUT/shards, with true captions."""

    out: Annotated[Path, tyro.conf.Positional]
    """Folder to make; shards go to OUT/shards."""
    clips: int = 1000
    """How many clips."""
    seed: int = 1
    """Which clips: other seeds give other scenes."""
    split: str = "train"
    """Stream of scenes: train, heldout or novel."""
    sizes: str = "64x64,64x64,80x48,48x80"
    """WIDTHxHEIGHT list in pixels, drawn evenly; repeat one to draw it more often."""
    frames: int = 17
    """Frames of a video clip; 1 + 4k suits the VAE."""
    fps: float = 8.0
    """Frames per second."""
    image_share: float = 0.1
    """Share of clips that are single images."""
    max_objects: int = 3
    """Most objects in a scene."""
    crf: int = 18
    """H.264 quality; lower is better."""
    workers: Whole = 0
    """Processes; 0 means one per CPU core."""


def parse_sizes(text: str) -> tuple[tuple[int, int], ...]:
    """``"64x64,80x48"`` -> ``((64, 64), (80, 48))``."""
    sizes = []
    for item in text.replace(" ", "").split(","):
        width, _, height = item.lower().partition("x")
        if not (width.isdigit() and height.isdigit()):
            raise UserError(f"size {item!r} is not WIDTHxHEIGHT; write sizes like 64x64,80x48")
        sizes.append((int(width), int(height)))
    return tuple(sizes)


def run(config: WorldConfig, out: Path, *, workers: int = 0) -> Path:
    """Write ``out/shards`` for ``config`` unless it is there already; returns the shards folder."""
    from pipeline.shards.write import ShardWriter
    from pipeline.tables import shards_schema

    with user_errors():
        check_config(config)
    shards = out / "shards"
    manifest = manifest_of(shards).name
    check_own_folder(out, own=(manifest,))
    stage = Stage(out, "world", config_key(config))
    if stage.info:
        say(f"world: {out} holds these {config.clips} clips already; nothing to do")
        return shards
    workers = workers or os.cpu_count() or 1
    context = multiprocessing.get_context("spawn")
    with (
        stage.working(),
        ProcessPoolExecutor(workers, mp_context=context) as pool,
        ShardWriter(
            shards, shards_schema(), metadata={"world_config": stage.key}, overwrite=True
        ) as writer,
        Progress("world", config.clips, "clips") as progress,
    ):
        spans = list(chunks(config.clips, CHUNK))
        pending = [pool.submit(world_rows, config, *span) for span in spans[: 4 * workers]]
        rest = iter(spans[4 * workers :])
        while pending:
            rows = pending.pop(0).result()
            span = next(rest, None)
            if span is not None:
                pending.append(pool.submit(world_rows, config, *span))
            for row in rows:
                writer.add(row)
            progress.update(len(rows), f"{writer.n_bytes / 1e6:.1f} MB")
    stage.finish({"outputs": [manifest], "clips": config.clips})
    say(f"world: {config.clips} clips of split {config.split} in {shards}")
    return shards


def main(argv: list[str]) -> int:
    """Command line of ``filmstock world``."""
    args = parse_args(WorldArgs, argv, "world")
    fields = {k: v for k, v in vars(args).items() if k not in ("out", "workers", "sizes")}
    config = replace(WorldConfig(**fields), sizes=parse_sizes(args.sizes))
    run(config, args.out, workers=args.workers)
    return EXIT_OK
