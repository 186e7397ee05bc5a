"""The error a person can fix: one line that says what was wrong, where, and what to do. Never a traceback."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import contextmanager

EXIT_OK = 0
EXIT_CRASH = 1
EXIT_USAGE = 2
EXIT_PARTIAL = 3
EXIT_REFUSED = 4


class UserError(ValueError):
    """Wrong input from the person at the keyboard; the CLI prints its message and exits with 2."""


class Refused(UserError):
    """A prompt that is refused as unsafe, with its category; the CLI exits with 4."""


@contextmanager
def user_errors() -> Iterator[None]:
    """Around code that refuses by ValueError: its words are an error that a person can fix."""
    try:
        yield
    except UserError:
        raise
    except ValueError as error:
        raise UserError(str(error)) from error


def require(check: Callable[[], None]) -> None:
    """Run a check for an optional package; that it is missing is an error a person can fix."""
    try:
        check()
    except ModuleNotFoundError as error:
        raise UserError(error.msg) from None


def nearest(name: str, known: Iterable[str]) -> str | None:
    """Closest of ``known`` to ``name``, or None when nothing is close enough to be worth naming."""
    choices = list(known)
    folded = {choice.replace("_", "-").lower(): choice for choice in choices}
    close = difflib.get_close_matches(name.replace("_", "-").lower(), folded, n=1, cutoff=0.5)
    return folded[close[0]] if close else None


def no_clips(folder: object) -> UserError:
    """What is wrong with shards that hold nothing."""
    return UserError(
        f"{folder} holds no clip: select kept none, or none of them has a caption; filmstock inspect says which"
    )


def no_kind(kind: str, have: Collection[str], of: str = "") -> UserError:
    """What is wrong with a kind of caption that no clip (``of`` something) has, where ``have`` are there."""
    there = f"there are {', '.join(have)}" if have else "there are no captions at all"
    return UserError(f"no clip{of} has a caption of kind {kind!r}: {there}")


def unknown(what: str, name: str, known: Iterable[str]) -> str:
    """``unknown <what> 'name'`` followed by the nearest known name, or by all of them."""
    choices = list(known)
    near = nearest(name, choices)
    hint = f"did you mean {near!r}?" if near else f"known: {', '.join(sorted(choices))}"
    return f"unknown {what} {name!r}; {hint}"
