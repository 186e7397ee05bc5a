"""Progress of a sampling: which step it is at, while the count of videos stands still."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from jobs.core.console import Progress

if TYPE_CHECKING:
    import numpy as np

    from dit.watch import Seen


@contextmanager
def step_notes(progress: Progress) -> Iterator[None]:
    """Let ``progress`` say the step of whatever is sampled in the block."""
    from dit.watch import watching

    def tell(seen: Seen) -> None:
        progress.update(0, f"step {min(seen.step + 1, seen.steps)} of {seen.steps}")

    with watching(tell):
        yield


def one_video(verb: str, make: Callable[[], np.ndarray]) -> np.ndarray:
    """What ``make`` gives, with a line of progress that counts its steps."""
    with Progress(verb, 1, "videos") as progress, step_notes(progress):
        video = make()
        progress.update()
    return video
