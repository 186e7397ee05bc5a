"""One wrong input: the command, what its line must name, and how the command is run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Case:
    """A wrong input and what the user must be told."""

    command: tuple[str, ...]
    """Words after ``filmstock``; paths are relative to the folder of ``places.build``."""
    says: tuple[str, ...]
    """Texts that the line must hold: what was wrong, the value, where."""
    code: int = 2
    """Exit code."""
    may: tuple[str, ...] = ()
    """Names of files that it may write all the same: the audit of a refused prompt."""
    user: bool = False
    """Run it as a user without rights on other people's files, where this process is root."""
    env: tuple[tuple[str, str | None], ...] = ()
    """Variables of its environment; None takes one out."""


def case(
    command: str | tuple[str, ...],
    *says: str,
    code: int = 2,
    user: bool = False,
    may: tuple[str, ...] = (),
    env: Mapping[str, str | None] | None = None,
) -> Case:
    """A case from a command line as a shell would split it, or from its words."""
    import shlex

    words = tuple(shlex.split(command)) if isinstance(command, str) else command
    return Case(
        command=words, says=says, code=code, user=user, may=may, env=tuple((env or {}).items())
    )
