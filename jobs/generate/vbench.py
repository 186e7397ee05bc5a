"""Hand generated videos to VBench: the folder and prompt file of its custom mode, and the command that reads them."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from pathlib import Path

from jobs.core.console import say
from jobs.core.errors import UserError
from pipeline.store.atomic import write_bytes

CUSTOM_DIMENSIONS = (
    "subject_consistency",
    "background_consistency",
    "motion_smoothness",
    "dynamic_degree",
    "aesthetic_quality",
    "imaging_quality",
)
"""Dimensions that VBench can measure of videos that were not made from its own prompts."""


def export_vbench(folder: Path, prompts: Mapping[Path, str | None]) -> str:
    """Copy the videos to ``folder/videos``, write ``folder/prompts.json``, and return and print VBench's command.

    VBench itself is not run here: it fetches a network for each dimension. The prompt file maps each video's file name
    to its prompt; a video without one is named by its file, as VBench does.
    """
    videos = folder / "videos"
    names = [path.name for path in prompts]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise UserError(f"two videos are called {twice[0]}; VBench wants one folder of them")
    videos.mkdir(parents=True, exist_ok=True)
    named = {}
    for path, prompt in prompts.items():
        shutil.copyfile(path, videos / path.name)
        named[path.name] = prompt or path.stem
    write_bytes(folder / "prompts.json", (json.dumps(named, indent=1) + "\n").encode())
    command = (
        f"python evaluate.py --mode=custom_input --videos_path {videos} "
        f"--prompt_file {folder / 'prompts.json'} --dimension {' '.join(CUSTOM_DIMENSIONS)}"
    )
    say(f"VBench reads them with: {command}")
    return command
