"""The files that ``judge`` reads: videos, the prompts that they were made for, and real ones to compare with."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from jobs.core.console import warn
from jobs.core.errors import UserError

if TYPE_CHECKING:
    from pipeline.video.isolate import Sandbox
    from pipeline.video.window import Window

PROMPTS = "prompts.json"
"""File beside generated videos that names each one's prompt: ``{"000-a-red-circle.mp4": "A red circle ..."}``."""
SUFFIXES = (".mp4", ".mov", ".mkv", ".webm", ".m4v", ".avi", ".gif")


def find_videos(paths: Sequence[Path]) -> list[Path]:
    """Video files named, and those in the folders named, in order of their names."""
    found: list[Path] = []
    for path in paths:
        if path.is_dir():
            inside = sorted(p for p in path.iterdir() if p.suffix.lower() in SUFFIXES)
            if not inside:
                raise UserError(f"{path} holds no video; give a folder of {', '.join(SUFFIXES)}")
            found += inside
        elif path.exists():
            found.append(path)
        else:
            raise UserError(f"{path} does not exist; give video files or a folder of them")
    if not found:
        raise UserError("nothing to judge; give a VIDEO: video files or a folder of them")
    return found


def find_prompts(prompt: str, prompts: Path | None, videos: Sequence[Path]) -> dict[Path, str]:
    """The prompt of each video that has one: ``prompt`` for all, of the file ``prompts``, or beside the videos."""
    if prompt and prompts is not None:
        raise UserError("--prompt and --prompts both name prompts; give one of them")
    if prompt:
        return dict.fromkeys(videos, prompt)
    if prompts is not None:
        if prompts.exists() and not prompts.is_file():
            raise UserError(f"--prompts {prompts} is no file; give a text file, or a .json")
        try:
            text = prompts.read_text()
        except (OSError, UnicodeDecodeError) as error:
            why = getattr(error, "strerror", None) or "it is not UTF-8"
            raise UserError(
                f"cannot read --prompts {prompts}: {why}; give a text file with a prompt a line, or a .json"
            ) from None
        if prompts.suffix == ".json":
            named = _prompt_names(text, prompts)
            return {path: named[path.name] for path in videos if path.name in named}
        lines = [line.strip() for line in text.splitlines() if line.strip()]
        if len(lines) != len(videos):
            raise UserError(
                f"--prompts {prompts} has {len(lines)} prompts for {len(videos)} videos; give one a line, in order"
            )
        return dict(zip(videos, lines, strict=True))
    found: dict[Path, str] = {}
    for folder in {path.parent for path in videos}:
        if (beside := folder / PROMPTS).exists():
            named = _prompt_names(beside.read_text(), beside)
            found |= {p: named[p.name] for p in videos if p.parent == folder and p.name in named}
    return found


def _prompt_names(text: str, path: Path) -> dict[str, str]:
    try:
        named = json.loads(text)
    except ValueError as error:
        raise UserError(f"{path} is not JSON: {error}; write it as JSON") from None
    if not isinstance(named, dict) or not all(isinstance(v, str) for v in named.values()):
        raise UserError(f'{path} must map file names to prompts: {{"000.mp4": "A red circle."}}')
    return named


def real_windows(folder: Path, sandbox: Sandbox) -> Iterator[Window]:
    """The videos of ``--real`` that can be read; UserError where there is none."""
    from pipeline.video.probe import MediaError
    from pipeline.video.window import read_window

    none, paths = True, find_videos([folder])
    for path in paths:
        try:
            window = read_window(path, sandbox=sandbox)
        except MediaError as error:
            if len(paths) == 1:
                raise UserError(f"--real {path}: {error}; give a video that can be read") from None
            warn(f"--real {path} is left out: {error}")
            continue
        none = False
        yield window
    if none:
        raise UserError(f"--real {folder} holds no video that can be read; give others")
