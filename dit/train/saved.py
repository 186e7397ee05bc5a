"""Where a run left its state: ``state.pt``, or with sharded weights the folders ``checkpoints/step-N``.

A folder holds ``run.pt``, all that is no tensor, and safetensors files of the shards of every process.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from dit.config import STATE_NAME
from pipeline.training.facts import read_facts
from pipeline.training.state import load_state

CHECKPOINTS = "checkpoints"
"""Folder of the checkpoints of sharded runs."""
RUN_NAME = "run.pt"
"""What of a sharded checkpoint is no tensor."""
FOLDER = "folder"
"""Name under which a read state holds the folder that its tensors lie in."""


def step_folder(out: Path, step: int) -> Path:
    """Folder of the sharded checkpoint after ``step`` steps."""
    return out / CHECKPOINTS / f"step-{step:08d}"


def step_folders(out: Path) -> list[Path]:
    """Whole sharded checkpoints, oldest first."""
    return sorted((out / CHECKPOINTS).glob("step-*"))


def latest_state(out: Path) -> Path | None:
    """The newest checkpoint of a run, of either form; None where there is none.

    A run may go from one form to the other and back: then the one with more steps counts.
    """
    file = out / STATE_NAME
    folders = step_folders(out)
    if not folders:
        return file if file.is_file() else None
    newest = folders[-1]
    return file if file.is_file() and int(read_facts(file)["step"]) > _step(newest) else newest


def agreed_state(out: Path) -> Path | None:
    """``latest_state`` as the first process sees it, for all: another node may see a folder later."""
    from dit.train.parallel import agreed

    found = latest_state(out)
    step = int(agreed(-1 if found is None else _step(found) if found.is_dir() else 0))
    if step < 0:
        return None
    return step_folder(out, step) if step else out / STATE_NAME


def _step(folder: Path) -> int:
    return int(folder.name.partition("-")[2])


def read_state(path: Path) -> dict[str, Any]:
    """The state that ``latest_state`` names; of a sharded one its tensors stay in ``FOLDER``."""
    if path.is_dir():
        return {**load_state(path / RUN_NAME), FOLDER: path}
    return load_state(path)


def state_facts(path: Path) -> dict[str, Any]:
    """All of ``read_state`` that is no tensor, without torch."""
    return read_facts(path / RUN_NAME if path.is_dir() else path)
