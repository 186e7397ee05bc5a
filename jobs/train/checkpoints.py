"""What every trainer asks of its folder before it touches anything."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from jobs.core.errors import UserError
from jobs.core.lock import check_free
from jobs.core.writable import OF_RUNS, check_folder, check_no_table, trainer_of


def check_out(
    out: Path,
    state_name: str,
    *,
    resume: bool,
    stage: str = "",
    find: Callable[[Path], Path | None] | None = None,
) -> Path:
    """Path of the run's checkpoint, which may not be there; ``find`` finds it where it has more than one form.

    Raises:
        UserError: OUT is a file, may not be written to, holds another trainer's run, or nothing to resume.
    """
    check_folder(out)
    check_no_table(out)
    check_free(out)
    state = out / state_name
    other = trainer_of(out)
    if any((out / name).exists() for name in OF_RUNS):
        raise UserError(
            f"--out {out} is a run folder of filmstock curate; choose another folder for the training"
        )
    if stage and other and other != stage:
        raise UserError(f"--out {out} holds a run of {other}; choose another folder")
    if find is not None:
        state = find(out) or state
    if resume and not state.exists():
        raise UserError(
            f"--resume: {out} holds no checkpoint ({state_name}) to go on from; leave --resume out to start there"
        )
    return state


def going_on(stage: str, state: Path, step: int, steps: int | None) -> str:
    """The line that says that a run goes on."""
    return f"{stage}: going on from {state}, step {step}" + (f" of {steps}" if steps else "")
