"""Token packs: clips of any size share a fixed token budget, first-fit-decreasing over a window."""

from __future__ import annotations

from collections.abc import Sequence

WINDOW = 256
"""Clips considered together; larger windows waste less and mix clips less locally."""


def plan_packs(
    lengths: Sequence[int], order: Sequence[int], budget: int, window: int = WINDOW
) -> list[list[int]]:
    """Partition ``order`` (indices into ``lengths``, tokens) into packs of at most ``budget`` tokens.

    Each round packs ``window`` clips first-fit-decreasing and holds back the emptiest pack, whose
    clips join the next round. Pure; every index of ``order`` comes out exactly once.
    """
    if window < 1:
        raise ValueError(f"the packing window is {window}; it must be at least 1")
    for index in order:
        if not 0 < lengths[index] <= budget:
            raise ValueError(
                f"clip {index} has {lengths[index]} tokens, the pack budget is {budget}; "
                "raise the budget or encode at fewer pixels or frames"
            )
    packs: list[list[int]] = []
    held: list[int] = []
    at = 0
    while at < len(order):
        take = max(1, window - len(held))
        pool = held + [int(index) for index in order[at : at + take]]
        at += take
        bins = first_fit_decreasing(lengths, pool, budget)
        held = []
        if at < len(order) and len(bins) > 1:
            fill = [sum(lengths[i] for i in members) for members in bins]
            held = bins.pop(fill.index(min(fill)))
        seat = {index: place for place, index in enumerate(pool)}
        packs += sorted(bins, key=lambda members: min(seat[i] for i in members))
    return packs


def first_fit_decreasing(
    lengths: Sequence[int], pool: Sequence[int], budget: int
) -> list[list[int]]:
    """Bins of at most ``budget``: longest first, each into the first bin with room (ties as in pool)."""
    bins: list[list[int]] = []
    room: list[int] = []
    for index in sorted(pool, key=lambda i: -lengths[i]):
        need = lengths[index]
        for place, free in enumerate(room):
            if need <= free:
                bins[place].append(index)
                room[place] -= need
                break
        else:
            bins.append([index])
            room.append(budget - need)
    return bins


def packing_waste(lengths: Sequence[int], packs: Sequence[Sequence[int]], budget: int) -> float:
    """Share of the packs' token slots that hold nothing."""
    used = sum(lengths[i] for members in packs for i in members)
    return 1.0 - used / (budget * len(packs))
