"""``filmstock world OUT``: render clips of the synthetic world straight to shards, with true captions."""

from __future__ import annotations

import multiprocessing
import os
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Annotated

import tyro

from jobs.core.args import parse_args
from jobs.core.console import Progress, say
from jobs.core.errors import EXIT_OK, UserError, user_errors
from jobs.core.keys import config_key
from jobs.core.stage import Stage
from jobs.core.writable import check_own_folder
from pipeline.bounds import Whole
from pipeline.shards.layout import manifest_of
from pipeline.world.clips import WorldConfig, check_config, chunks, world_rows

CHUNK = 100
"""Clips per task of a worker process."""


def parse_sizes(text: str) -> tuple[tuple[int, int], ...]:
    """``"64x64,80x48"`` -> ``((64, 64), (80, 48))``."""
    sizes = []
    for item in text.replace(" ", "").split(","):
        width, _, height = item.lower().partition("x")
        if not (width.isdigit() and height.isdigit()):
            raise UserError(f"size {item!r} is not WIDTHxHEIGHT; write sizes like 64x64,80x48")
        sizes.append((int(width), int(height)))
    return tuple(sizes)


SIZES = tyro.constructors.PrimitiveConstructorSpec(
    nargs=1,
    metavar="STR",
    instance_from_str=lambda words: parse_sizes(words[0]),
    is_instance=lambda value: isinstance(value, tuple),
    str_from_instance=lambda sizes: [",".join(f"{width}x{height}" for width, height in sizes)],
)
"""How sizes stand on the command line."""


@dataclass(frozen=True, kw_only=True)
class WorldArgs(WorldConfig):
    """Render clips of the synthetic world to OUT/shards, with true captions."""

    sizes: Annotated[tuple[tuple[int, int], ...], SIZES] = WorldConfig.sizes
    """WIDTHxHEIGHT list in pixels, drawn evenly; repeat one to draw it more often."""
    out: Annotated[Path, tyro.conf.Positional]
    """Folder to make; shards go to OUT/shards."""
    workers: Whole = 0
    """Processes; 0 means one per CPU core."""


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
    config = WorldConfig(**{each.name: getattr(args, each.name) for each in fields(WorldConfig)})
    run(config, args.out, workers=args.workers)
    return EXIT_OK
