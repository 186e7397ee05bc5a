"""Options of the trainers that run in this process: of CLIP and of the captioner."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from pipeline.bounds import Count, check_bounds
from pipeline.groups import DEVICES, OUTPUT


@dataclass(frozen=True, kw_only=True)
class LocalArgs:
    """A trainer's folder, its threads, and whether it must go on with a run."""

    out: Annotated[Path, OUTPUT]
    """Folder of the run."""
    threads: Annotated[Count, DEVICES] = 1
    """CPU threads for the arithmetic."""
    resume: Annotated[bool, OUTPUT] = False
    """Refuse to start anew: OUT must hold a checkpoint to go on from."""

    def __post_init__(self) -> None:
        check_bounds(self)
