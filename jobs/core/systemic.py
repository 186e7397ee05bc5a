"""Failures that are not of one row but of the run: a dead server, a full card, a store that refuses. Stop, and say why.

A stage that goes on when nothing can succeed costs hours and says nothing. What is finished by then stays, and the next
run goes on from there.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable

from jobs.core.errors import UserError

FIRST = 12
"""First answers that, all failed and all alike, end a stage."""
LEAST = 50
"""Answers from which the share of failures counts."""
BUDGET = 0.5
"""Share of answers that may fail."""


class Failures:
    """Counts how the answers of a stage end; ``add`` raises ``UserError`` when it should not go on."""

    def __init__(
        self, stage: str, what: str, *, first: int = FIRST, budget: float = BUDGET
    ) -> None:
        self.stage, self.what = stage, what
        self.first, self.budget = first, budget
        self.succeeded = 0
        self.kinds: Counter[str] = Counter()
        self.causes: dict[str, str] = {}

    def add(self, succeeded: int, causes: Iterable[str] = ()) -> None:
        """Count some answers: how many succeeded, and why the others failed."""
        self.succeeded += succeeded
        for cause in causes:
            kind = alike(cause)
            self.kinds[kind] += 1
            self.causes.setdefault(kind, " ".join(cause.split())[:300])
        failed = sum(self.kinds.values())
        alike_most = max(self.kinds.values(), default=0)
        if not self.succeeded and alike_most >= self.first:
            told = "alike" if alike_most == failed else f"{alike_most} of them alike"
            raise UserError(self.stopped(f"the first {failed} {self.what} all failed, {told}"))
        answers = failed + self.succeeded
        if answers >= LEAST and failed > self.budget * answers:
            raise UserError(self.stopped(f"{failed} of {answers} {self.what} failed"))

    def stopped(self, told: str) -> str:
        """One line: what happened, the most frequent cause, what to do."""
        kind, _ = self.kinds.most_common(1)[0]
        return (
            f"{self.stage} stopped: {told}: {self.causes[kind]}; what is done is kept, "
            "run the same command again when this is mended"
        )


def alike(cause: str) -> str:
    """A cause without what differs from row to row: numbers, hashes, what stands in quotes, paths."""
    text = re.sub(r"(?:[a-z0-9]+:/)?/[^\s'\",;)]+", "PATH", cause)
    text = re.sub(r"'[^']*'|\"[^\"]*\"", "Q", text)
    return re.sub(r"\b[0-9a-f]{6,}\b|\d+(?:\.\d+)?", "N", text)[:120]
