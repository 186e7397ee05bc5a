"""``filmstock verify-resume DIR``: the order of training data on this machine, for several world sizes and resumes.

Every line of the table must show the same hashes; they can be compared with what another machine or cluster prints.
"""

from __future__ import annotations

import copy
import dataclasses
import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import tyro

from jobs.core.args import Data, parse_args
from jobs.core.console import Progress, say, warn
from jobs.core.errors import EXIT_CRASH, EXIT_OK, UserError, user_errors
from jobs.train.run_json import RUN_NAME, open_steps, read_run
from pipeline.bounds import Bounded, Count, Seed, Whole

if TYPE_CHECKING:
    from pipeline.loader.order import LoaderState
    from pipeline.loader.steps import Batches

CLIPS_PER_STEP = 24
"""Clips (or packs) of a global step when DIR is no training run: all world sizes of the default list divide it."""
TOKENS_PER_PACK = 2560


@dataclass(frozen=True, kw_only=True)
class VerifyArgs(Bounded):
    """Replay the order of training data for several world sizes, resuming at every step, and print its hash."""

    folder: tyro.conf.Positional[Data]
    """Folder of train-dit or train-vae, of shards, or of latents."""
    worlds: tuple[Count, ...] = (1, 2, 3, 4, 6, 8)
    """World sizes."""
    workers: tuple[Whole, ...] = (0, 2)
    """Reader processes of each rank, for the steps that are read."""
    steps: Count | None = None
    """Global steps to replay; default: an epoch and two more."""
    read: Whole = 2
    """Global steps whose clips are also read and hashed; 0 reads nothing."""
    seed: Seed | None = None
    """Seed of the order; default: the run's own, or 0."""


def main(argv: list[str]) -> int:
    """Parse the command line and run."""
    return EXIT_OK if run(parse_args(VerifyArgs, argv, "verify-resume")) else EXIT_CRASH


def run(args: VerifyArgs) -> bool:
    """Print one line per world and worker count; whether all agree."""
    loader = open_loader(args.folder, args.seed)
    per_step = loader.steps.samples_per_step
    worlds = [world for world in args.worlds if 1 <= world <= per_step]
    if not worlds:
        raise UserError(f"a step of {per_step} units feeds 1 to {per_step} ranks; give --worlds")
    if left := sorted(set(args.worlds) - set(worlds)):
        warn(f"worlds {left} are left out: a step has {per_step} units")
    start = loader.state
    steps = args.steps or loader.steps.steps_in(0) + 2
    say(
        f"verify-resume: data {start.manifest_hash[:16]}, seed {start.seed}, {steps} steps of {per_step} "
        f"{'packs' if hasattr(loader, 'token_budget') else 'clips'}, an epoch has {loader.steps.steps_in(0)}"
    )
    say(
        f"{'world':>5} {'workers':>7}  {'order':16}  {'resumed':16}  {f'content of {args.read} steps'}"
    )
    found = set()
    total = len(worlds) * (1 + (len(args.workers) if args.read else 0))
    with Progress("verify-resume", total, "passes") as progress:
        for world in worlds:
            order = hash_of(order_of(loader, world, start, steps))
            resumed = hash_of(resumed_order(loader, world, start, steps))
            progress.update()
            for workers in args.workers if args.read else (0,):
                content = content_hash(loader, world, workers, start, args.read)
                say(f"{world:>5} {workers:>7}  {order}  {resumed}  {content}")
                found.add((order, resumed, content))
                progress.update()
    same = len(found) == 1 and next(iter(found))[0] == next(iter(found))[1]
    say("verify-resume: all the same" if same else "verify-resume: THESE DIFFER; please report it")
    return same


def open_loader(folder: str, seed: int | None) -> Batches:
    """The loader of a training run, or one over a folder of shards or latents."""
    from captioner.render import render_text
    from pipeline.latents.layout import is_latents
    from pipeline.loader.api import LatentPacks, VideoBatches

    if (Path(folder) / RUN_NAME).is_file():
        settings = read_run(Path(folder))
        if seed is not None:
            train: Any = dataclasses.replace(settings.train, seed=seed)
            settings = dataclasses.replace(settings, train=train)
        return open_steps(settings)
    with user_errors():
        if is_latents(folder):
            return LatentPacks(
                folder, token_budget=TOKENS_PER_PACK, packs_per_step=CLIPS_PER_STEP, seed=seed or 0
            )
        return VideoBatches(
            folder, samples_per_step=CLIPS_PER_STEP, seed=seed or 0, render=render_text
        )


def at_rank(loader: Batches, rank: int, world: int, state: LoaderState) -> Batches:
    """The same loader as rank ``rank`` of ``world`` sees it, standing at ``state``."""
    other = copy.copy(loader)
    other.steps = copy.copy(loader.steps)
    other.steps.rank, other.steps.world = rank, world
    other.seek(state.to_dict())
    return other


def merged(ranks: list[list[Any]]) -> list[Any]:
    """One global step from the slices of its ranks."""
    return [ranks[i % len(ranks)][i // len(ranks)] for i in range(sum(map(len, ranks)))]


def order_of(loader: Batches, world: int, start: LoaderState, steps: int) -> Iterator[Any]:
    """Units of each global step, put together from all ranks' undisturbed iterations."""
    ranks = [iter(at_rank(loader, rank, world, start).steps) for rank in range(world)]
    for _ in range(steps):
        yield merged([next(units) for units in ranks])


def resumed_order(loader: Batches, world: int, start: LoaderState, steps: int) -> Iterator[Any]:
    """The same when every rank is stopped after every step and goes on from the saved state."""
    state = start
    for _ in range(steps):
        ranks = [at_rank(loader, rank, world, state) for rank in range(world)]
        yield merged([next(iter(rank.steps)) for rank in ranks])
        state = ranks[-1].state


def hash_of(parts: Iterator[Any]) -> str:
    """16 hex digits of a sequence of plain values."""
    import xxhash

    digest = xxhash.xxh3_64()
    for part in parts:
        digest.update(repr(part).encode())
    return digest.hexdigest()


def content_hash(loader: Batches, world: int, workers: int, start: LoaderState, steps: int) -> str:
    """Hash of what the first ``steps`` global steps hold: ids, captions as drawn, every number."""
    from pipeline.loader.api import with_workers

    if steps < 1:
        return "-"
    ranks = []
    for rank in range(world):
        reader = with_workers(at_rank(loader, rank, world, start), workers)
        ranks.append([step.units for step in itertools.islice(reader, steps)])
    whole = (merged([rank[k] for rank in ranks]) for k in range(steps))
    return hash_of(_plain(unit) for step in whole for unit in step)


def _plain(value: Any) -> Any:
    """Units as plain values; a tensor as the hash of its bytes."""
    if isinstance(value, dict):
        return sorted((name, _plain(item)) for name, item in value.items())
    if isinstance(value, list):
        return [_plain(item) for item in value]
    return hash_of(iter([value.numpy().tobytes()])) if hasattr(value, "numpy") else value
