"""What the trainers that run in this process have in common: of CLIP and of the captioner."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from jobs.core.console import say
from jobs.core.stage import Stage
from jobs.train.checkpoints import check_out
from pipeline.bounds import Bounded, Count
from pipeline.groups import DEVICES, OUTPUT


@dataclass(frozen=True, kw_only=True)
class LocalArgs(Bounded):
    """A trainer's folder, its threads, and whether it must go on with a run."""

    out: Annotated[Path, OUTPUT]
    """Folder of the run."""
    threads: Annotated[Count, DEVICES] = 1
    """CPU threads for the arithmetic."""
    resume: Annotated[bool, OUTPUT] = False
    """Refuse to start anew: OUT must hold a checkpoint to go on from."""


def open_untrained(
    args: LocalArgs, name: str, key: str, output: str, state_name: str
) -> tuple[Stage, Path] | None:
    """The stage of a run that is to be trained, and where its checkpoint is or will be.

    None, and a line that says so, where ``OUT/output`` is trained.
    """
    stage = Stage(args.out, name, key)
    if stage.info:
        say(f"{args.out / output} is trained already; nothing to do")
        return None
    return stage, check_out(args.out, state_name, resume=args.resume, stage=name)
