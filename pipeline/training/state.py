"""What a training run leaves on its disk so that another goes on bit for bit: its state, and the lines of its numbers.

A kill at any instant leaves the old state or the new one. Lines are written before the state of their step, so those
that a state vouches for are there; the ones behind it are dropped on resume, for the steps are done again.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pipeline.store.atomic import append_line, atomic_path, sync, write_bytes

METRICS_NAME = "metrics.jsonl"


def save_state(path: Path, state: dict[str, Any]) -> None:
    """Training state (tensors and plain values) to one file, atomically and without a copy of it in memory.

    The lines of ``metrics.jsonl`` beside it are brought to the disk first: the state vouches for them.
    """
    import torch

    sync_metrics(path.parent)

    # a file, not its name: torch would put the temporary name into the bytes
    with atomic_path(path, sole=True) as temporary, temporary.open("wb") as file:
        torch.save(state, file)


def load_state(path: Path) -> dict[str, Any]:
    """Inverse of ``save_state``; loads tensors and plain values only, never code. ValueError names the file."""
    import torch

    try:
        return torch.load(path, map_location="cpu", weights_only=True, mmap=True)
    except Exception as error:
        raise ValueError(f"{path} is not a readable training state: {error}") from error


def add_metrics(folder: Path, row: Mapping[str, Any]) -> None:
    """Append one line to ``metrics.jsonl``, in one write; ``row`` has its ``step``."""
    append_line(folder / METRICS_NAME, (json.dumps(dict(row)) + "\n").encode())


def keep_metrics(folder: Path, step: int) -> None:
    """Drop the lines of ``metrics.jsonl`` behind ``step``, and torn ones: nothing is then lost, doubled or torn."""
    path = folder / METRICS_NAME
    if not path.is_file():
        return
    before = path.read_bytes()
    kept = b"".join(line for line in before.splitlines(keepends=True) if _is_kept(line, step))
    if kept != before:
        write_bytes(path, kept)


def sync_metrics(folder: Path) -> None:
    """Bring the lines to the disk, ahead of the state that vouches for them."""
    path = folder / METRICS_NAME
    if path.is_file():
        sync(path)


def _is_kept(line: bytes, step: int) -> bool:
    if not line.endswith(b"\n"):
        return False
    try:
        return int(json.loads(line)["step"]) <= step
    except (ValueError, KeyError, TypeError):
        return False
