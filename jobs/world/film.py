"""``filmstock film OUT``: raw footage of the synthetic world, with cuts, transitions, junk and exact truth."""

from __future__ import annotations

import json
import multiprocessing
import os
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import tyro

from jobs.core.args import parse_args
from jobs.core.console import say
from jobs.core.errors import EXIT_OK, UserError, user_errors
from jobs.core.keys import config_key
from jobs.core.stage import Stage
from jobs.core.writable import check_own_folder
from pipeline.bounds import Bounded, Count, Limits, Seed, Whole
from pipeline.world.film import TRUTH_NAME, shoot
from pipeline.world.film_plan import plan_films
from pipeline.world.scene import SPLITS


@dataclass(frozen=True, kw_only=True)
class FilmArgs(Bounded):
    """Film raw videos of the synthetic world into OUT: cuts, transitions, junk, a broken file, truth.json."""

    out: Annotated[Path, tyro.conf.Positional]
    """Folder to make."""
    minutes: Annotated[float, Limits(above=0, most=10_000)] = 3.0
    """Footage in the sound files together, in minutes."""
    files: Count = 4
    """How many files, corrupt ones included."""
    seed: Seed = 0
    """Which footage: other seeds give other films."""
    split: str = "heldout"
    """Stream of scenes: train, heldout or novel."""
    corrupt: Whole = 1
    """How many of the files are broken recordings."""
    workers: Whole = 0
    """Processes; 0 means one per CPU core."""


def run(args: FilmArgs) -> Path:
    """Film into ``args.out`` unless that footage is there already; returns the path of truth.json."""
    if args.split not in SPLITS:
        raise UserError(f"split {args.split!r} is unknown; use one of {', '.join(SPLITS)}")
    plan: dict[str, Any] = {"minutes": args.minutes, "files": args.files, "seed": args.seed}
    plan |= {"split": args.split, "corrupt": args.corrupt}
    with user_errors():
        films = plan_films(**plan)
    check_own_folder(args.out)
    stage = Stage(args.out, "film", config_key(plan))
    truth_path = args.out / TRUTH_NAME
    if stage.info:
        say(f"film: {args.out} holds this footage already; nothing to do")
        return truth_path
    say(f"film: {args.minutes:g} minutes in {args.files} files into {args.out}")
    workers = min(args.workers or os.cpu_count() or 1, args.files)
    spawn = multiprocessing.get_context("spawn")
    with stage.working(), ProcessPoolExecutor(workers, mp_context=spawn) as pool:
        shoot(args.out, **plan, executor=pool)
        stage.finish({"outputs": [film.name for film in films] + [TRUTH_NAME]})
    for entry in json.loads(truth_path.read_text())["files"]:
        say(_line(entry))
    say(f"film: {args.files} files in {args.out}, truth in {truth_path}")
    return truth_path


def _line(entry: dict) -> str:
    if entry["corrupt"]:
        return f"  {entry['name']}: a broken recording"
    rate = entry["fps_num"] / entry["fps_den"]
    junk = [shot["junk"] for shot in entry["shots"] if shot["junk"]]
    tail = f", junk: {' '.join(junk)}" if junk else ""
    return (
        f"  {entry['name']}: {entry['width']}x{entry['height']} at {rate:.2f} fps, {entry['duration_s']:.1f} s, "
        f"{len(entry['shots'])} shots{tail}"
    )


def main(argv: list[str]) -> int:
    """Command line of ``filmstock film``."""
    run(parse_args(FilmArgs, argv, "film"))
    return EXIT_OK
