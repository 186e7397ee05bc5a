"""Whether a server is worth waiting for: it is until it has failed for a while without a single answer."""

from __future__ import annotations

import time

HARD_S = 4.0
"""Seconds after which a server that has answered nothing yet, only errors, is given up."""
BUSY_S = 60.0
"""The same for one that says that it is busy or still loading (429, 503), or has answered before: it may come back."""
TRIES = 6
"""Failed tries that are seen at the least before it is given up."""
BUSY = frozenset({408, 425, 429, 503, 529})
"""Statuses of a server that may answer later."""


class Health:
    """What a client has seen of its server since the last answer."""

    def __init__(self) -> None:
        self.ever = False
        self.failed = 0
        self.since: float | None = None
        self.busy = False

    def answered(self) -> None:
        """A request was answered."""
        self.ever = True
        self.failed, self.since, self.busy = 0, None, False

    def missed(self, status: int | None) -> None:
        """A try failed with this status (None: no answer at all)."""
        self.failed += 1
        self.since = self.since or time.monotonic()
        self.busy = self.busy or status in BUSY

    @property
    def hopeless(self) -> bool:
        """True when another try is not worth its time: a row that fails now fails for good."""
        if self.since is None or self.failed < TRIES:
            return False
        return time.monotonic() - self.since > (BUSY_S if self.busy or self.ever else HARD_S)
