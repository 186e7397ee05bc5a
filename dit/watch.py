"""Watch a sampling while it runs: each step's noise level, and the clips as the model guesses them then.

A watcher is set for a block of code, not handed down: whatever samples inside it is watched. What the watcher raises
ends the sampling, which is how one is cancelled.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass

from torch import Tensor

from dit.solvers import Velocity


@dataclass(frozen=True, kw_only=True)
class Seen:
    """What a watcher is told before each step."""

    step: int
    """Steps done of this sampling."""
    steps: int
    """Steps of this sampling."""
    guess: Callable[[], list[Tensor]]
    """Normalised latents (C, T, H, W) of each clip of the pack, as the model guesses the end now."""


Watcher = Callable[[Seen], None]
_WATCHER: ContextVar[Watcher | None] = ContextVar("watcher", default=None)


@contextmanager
def watching(watcher: Watcher) -> Iterator[None]:
    """Call ``watcher`` at each step of every sampling in the block, in this thread."""
    token = _WATCHER.set(watcher)
    try:
        yield
    finally:
        _WATCHER.reset(token)


def watched(
    velocity: Velocity, times: Sequence[float], split: Callable[[Tensor], list[Tensor]]
) -> Velocity:
    """``velocity`` itself where nobody watches, else one that tells the watcher; ``split`` unpacks tokens (N, D)."""
    watcher = _WATCHER.get()
    if watcher is None:
        return velocity
    steps = len(times) - 1

    def telling(x: Tensor, t: float) -> Tensor:
        v = velocity(x, t)
        step = min(steps, sum(level > t for level in times))
        watcher(Seen(step=step, steps=steps, guess=lambda: split((x - t * v).cpu())))
        return v

    return telling
