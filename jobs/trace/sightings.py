"""Which training steps saw a clip: from the loader's order alone, which is a function of data, seed and step.

Nothing was recorded while training and nothing has to be: ``run.json`` names data and settings, and the plan of every
epoch is made again. It must be asked before the data changes, for the order hangs on all of it.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jobs.core.errors import UserError
from jobs.core.run import RunFolder
from jobs.core.uses import read_uses
from jobs.train.run_json import RUN_NAME, open_steps, read_run
from pipeline.store.paths import location

if TYPE_CHECKING:
    from pipeline.loader.steps import Batches

CHECKPOINTS = (
    "state.pt",
    "checkpoints",
    "dit.safetensors",
    "vae.safetensors",
    "weights",
    "adapter",
)
"""What trainers write, relative to their folder."""
TRAINERS = ("train-dit", "train-vae", "train-captioner")


@dataclass(frozen=True, kw_only=True)
class Sighting:
    """What one training saw of some clips."""

    folder: str
    """The ``--out`` of the trainer."""
    command: str
    """Its name."""
    steps_done: int | None
    """Steps it has come to; None where they cannot be known."""
    checkpoints: tuple[str, ...] = ()
    """Files and folders with its weights."""
    seen: dict[str, list[int]] = field(default_factory=dict)
    """clip_id -> steps that trained on it, 1 the first."""
    held_out: tuple[str, ...] = ()
    """Clips that it only measured on."""
    note: str = ""
    """What could not be known, and why."""
    from_weights_of: str = ""
    """Folder of the training that it began with, when that one saw some of them."""


def trainings(run: RunFolder, more: Iterable[Path] = ()) -> list[Path]:
    """Folders of trainings that used a run folder: noted there, lying beside it, or named."""
    noted = [Path(use["out"]) for use in read_uses(run.path) if use["command"] in TRAINERS]
    here, found = location(run.path), noted
    if isinstance(here, Path):
        parent = here.resolve().parent
        found = noted + [path.parent for path in sorted(parent.glob(f"*/{RUN_NAME}"))]
        found = [
            path
            for path in found
            if _of(path, here.resolve()) or (path in noted and moved_data(path, run))
        ]
    found += more
    unique = {path.resolve(): path for path in found if path.is_dir()}
    return list(unique)


def check_trained(folders: Iterable[Path]) -> None:
    """UserError for a --trained that is no folder."""
    for folder in folders:
        if not folder.is_dir():
            raise UserError(f"--trained {folder} is no folder; give the --out of a trainer")


def _of(folder: Path, run: Path) -> bool:
    """Whether a training's data lies in the run folder; one that does not say counts, when it was noted."""
    body = read_settings(folder)
    if not body:
        return True
    settings = body.get("settings", {})
    if not isinstance(settings, dict):  # a file that is damaged, or somebody else's
        return False
    where = str(settings.get("latents") or settings.get("shards") or "")
    return "://" not in where and Path(where).resolve().is_relative_to(run)


def moved_data(folder: Path, run: RunFolder) -> str | None:
    """Where the data of a training is now that was on a run folder before that was moved; None where it is in place."""
    settings = read_settings(folder).get("settings", {})
    where = str(settings.get("latents") or settings.get("shards") or "")
    if not where or "://" in where or Path(where).exists():
        return None
    name = Path(where).name
    here = run / name if name in ("latents", "shards") else run.path
    return str(here) if here.exists() else None


def read_settings(folder: Path) -> dict[str, Any]:
    """``run.json`` of a training; {} where there is none."""
    try:
        body = json.loads((folder / RUN_NAME).read_text())
    except (OSError, ValueError):
        return {}
    return body if isinstance(body, dict) else {}


def find_sightings(
    run: RunFolder, clips: Collection[str], more: Iterable[Path] = ()
) -> list[Sighting]:
    """What each training of a run folder saw of ``clips``; trainings that saw none are left out."""
    found: list[Sighting] = []
    for folder in trainings(run, more):
        sighting = sighting_of(folder, set(clips), moved_data(folder, run))
        if sighting.seen or sighting.held_out or sighting.note:
            found.append(sighting)
    touched = {sighting.folder for sighting in found}
    return [_with_parent(sighting, touched) for sighting in found]


def sighting_of(folder: Path, clips: set[str], data: str | None = None) -> Sighting:
    """What one training saw of ``clips``; ``data``: where its data is now, when it was moved."""
    body = read_settings(folder)
    command = str(body.get("command", "train-captioner"))
    done = RunFolder(location(folder)).last_step()
    base: dict[str, Any] = {
        "folder": str(folder.resolve()),
        "command": command,
        "checkpoints": tuple(name for name in CHECKPOINTS if (folder / name).exists()),
        "steps_done": done,
    }
    if command not in ("train-dit", "train-vae"):
        note = "it learns from every captioned clip of the run; which steps saw these is not known"
        return Sighting(**base, note=note)
    try:
        loader = open_steps(read_run(folder, data))
    except (UserError, ValueError, OSError) as error:
        why = " ".join(str(error).split())
        return Sighting(**base, note=f"its order is lost: {why}")
    note = "" if done is not None else "it has logged no step: those up to now are not known"
    ids = {loader._clip_id(index): index for index in range(loader.steps.index_len)}
    wanted = {index: name for name, index in ids.items() if name in clips}
    held = set(getattr(loader, "held_out", ()))
    seen: dict[str, list[int]] = {}
    for step, index in _indices(loader, done or 0):
        if index in wanted:
            seen.setdefault(wanted[index], []).append(step)
    if (folder / "quarantine.jsonl").exists():
        note = (note + "; " if note else "") + (
            "it met unreadable clips, in whose steps another of the same shape stood in"
        )
    held_out = tuple(sorted(name for index, name in wanted.items() if index in held))
    return Sighting(**base, seen=seen, held_out=held_out, note=note if wanted else "")


def _indices(loader: Batches, steps: int) -> Iterator[tuple[int, int]]:
    """(step, index of a clip) of everything that ``steps`` steps trained on, over all ranks."""
    state = loader.state
    for step in range(1, steps + 1):
        for unit in loader.steps.units_at(state, all_ranks=True):
            for index in unit if isinstance(unit, list) else [unit]:
                yield step, index
        state = loader.steps.advance(state, 1)


def _with_parent(sighting: Sighting, touched: set[str]) -> Sighting:
    """The sighting with the training whose weights it began with, when that saw some of the clips."""
    init = read_settings(Path(sighting.folder)).get("settings", {}).get("init") or ""
    place = Path(init) if init else None
    folders = {str(place.resolve()), str(place.resolve().parent)} if place else set()
    found = sorted((folders & touched) - {sighting.folder})
    return replace(sighting, from_weights_of=found[0]) if found else sighting


def runs_of_steps(steps: list[int]) -> str:
    """``1-3, 7, 9-12``, the first eight stretches; how many steps where there are more."""
    runs: list[list[int]] = []
    for step in steps:
        if runs and step == runs[-1][1] + 1:
            runs[-1][1] = step
        elif not runs or step != runs[-1][1]:
            runs.append([step, step])
    told = [str(a) if a == b else f"{a}-{b}" for a, b in runs]
    more = f" ... {steps[-1]} ({len(steps)} steps)" if len(told) > 8 else ""
    return ", ".join(told[:8]) + more
