"""What every trainer asks of its folder before it touches anything."""

from __future__ import annotations

from pathlib import Path

from jobs.core.errors import UserError


def check_out(out: Path, state_name: str, *, resume: bool) -> Path:
    """Path of the run's checkpoint, which may not be there; UserError for a file as OUT, or nothing to resume."""
    if out.exists() and not out.is_dir():
        raise UserError(f"--out {out} is a file; give a folder")
    state = out / state_name
    if resume and not state.is_file():
        raise UserError(
            f"--resume: {out} holds no checkpoint ({state_name}) to go on from; leave --resume out to start there"
        )
    return state


def going_on(stage: str, state: Path, step: int, steps: int | None) -> str:
    """The line that says that a run goes on."""
    return f"{stage}: going on from {state}, step {step}" + (f" of {steps}" if steps else "")
