"""The funnel of a selection: what each step removes, what it alone removes, and what is left after it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, kw_only=True)
class FunnelRow:
    """One step of the funnel."""

    step: str
    """``all clips``, ``error``, a reason, or ``kept``."""
    removes: int
    """Clips this step would remove on its own."""
    only: int
    """Clips that nothing but this step removes."""
    clips: int
    """Clips left after this step and those above it."""
    hours: float
    """Hours left after this step and those above it."""


def build_funnel(
    seconds: np.ndarray, errors: np.ndarray, steps: Sequence[str], hits: np.ndarray
) -> tuple[FunnelRow, ...]:
    """The funnel of N clips and S steps.

    Args:
        seconds: float (N,), length of each clip.
        errors: bool (N,), clips that are neither kept nor rejected; steps do not count them.
        steps: names of the steps, in order.
        hits: bool (N, S), which steps reject which clips.
    """
    left = np.ones(len(seconds), bool)

    def row(step: str, removed: np.ndarray, only: int) -> FunnelRow:
        nonlocal left
        left = left & ~removed
        return FunnelRow(
            step=step,
            removes=int(removed.sum()),
            only=only,
            clips=int(left.sum()),
            hours=float(seconds[left].sum()) / 3600,
        )

    nothing = np.zeros(len(seconds), bool)
    rows = [row("all clips", nothing, 0), row("error", errors, int(errors.sum()))]
    alone = (hits.sum(1) == 1) & ~errors
    for number, step in enumerate(steps):
        hit = hits[:, number] & ~errors
        rows.append(row(step, hit, int((hit & alone).sum())))
    rows.append(row("kept", nothing, 0))
    return tuple(rows)


def funnel_lines(funnel: tuple[FunnelRow, ...]) -> list[str]:
    """The funnel as lines of text, columns aligned."""
    width = max(len(row.step) for row in funnel)
    lines = [f"{'step':<{width}}  {'removes':>8}  {'only this':>9}  {'left':>8}  {'hours':>9}"]
    for row in funnel:
        ends = row.step in (funnel[0].step, funnel[-1].step)
        removes, only = ("", "") if ends else (f"{row.removes:,}", f"{row.only:,}")
        lines.append(
            f"{row.step:<{width}}  {removes:>8}  {only:>9}  {row.clips:>8,}  {row.hours:>9.4f}"
        )
    return lines
