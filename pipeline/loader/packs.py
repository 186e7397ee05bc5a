"""Token packs: clips of any size share a fixed token budget, first-fit-decreasing over a window.

Packs of equal tokens are not equal work: attention within a clip of L tokens costs L^2, so one long clip costs more
than many short ones. ``Balance`` therefore evens out the cost of a window's packs, and lets packs of like cost meet in
a step, whose processes wait for the slowest of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

WINDOW = 256
"""Clips considered together; larger windows waste less and mix clips less locally."""
MOST_WINDOWS = 64
"""Most windows that are considered together where the packs of a step are to cost alike."""


@dataclass(frozen=True, kw_only=True)
class Balance:
    """What a pack costs, and how many packs wait for each other."""

    linear_tokens: int
    """Length of a clip at which attention over it costs as much as all that is linear in its tokens."""
    packs_per_step: int = 1
    """Packs of a step."""

    def costs(self, lengths: np.ndarray) -> np.ndarray:
        """Cost of clips of these lengths, in units of one pair of tokens: L^2 + linear_tokens * L, float64."""
        lengths = np.asarray(lengths, np.float64)
        return lengths * (lengths + self.linear_tokens)


def plan_packs(
    lengths: Sequence[int],
    order: Sequence[int],
    budget: int,
    window: int = WINDOW,
    balance: Balance | None = None,
) -> list[list[int]]:
    """Partition ``order`` (indices into ``lengths``, tokens) into packs of at most ``budget`` tokens.

    Each round packs ``window`` clips first-fit-decreasing and holds back the emptiest pack, whose
    clips join the next round. With ``balance`` the clips of a round are then exchanged between its packs until their
    costs are as even as the budget lets them be, and the packs are put in order so that those of a step cost alike; a
    round then has ``window`` clips for each pack of a step, since like finds like among many. Pure; every index of
    ``order`` comes out exactly once.
    """
    if window < 1:
        raise ValueError(f"the packing window is {window}; it must be at least 1")
    for index in order:
        if not 0 < lengths[index] <= budget:
            raise ValueError(
                f"clip {index} has {lengths[index]} tokens, the pack budget is {budget}; "
                "raise the budget or encode at fewer pixels or frames"
            )
    if balance is not None:
        window *= min(balance.packs_per_step, MOST_WINDOWS)
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
        if balance is not None:
            bins = even_out(lengths, bins, budget, balance)
        bins.sort(key=lambda members: min(seat[i] for i in members))
        if balance is not None and balance.packs_per_step > 1:
            bins = alike(lengths, bins, balance, ahead=-len(packs) % balance.packs_per_step)
        packs += bins
    return packs


def even_out(
    lengths: Sequence[int], bins: list[list[int]], budget: int, balance: Balance
) -> list[list[int]]:
    """The clips of ``bins`` in as many bins, none over ``budget``, whose costs are as even as two ways find.

    The costliest clip first, each into the cheapest bin that has room for it (LPT, Graham 1969); where that leaves a
    clip without room, the bins stay as they are. Then single clips are exchanged, see ``exchange``.
    """
    if len(bins) < 2:
        return bins
    pool = sorted((i for members in bins for i in members), key=lambda i: -lengths[i])
    spread: list[list[int]] = [[] for _ in bins]
    cost, room = np.zeros(len(bins)), np.full(len(bins), budget)
    for index in pool:
        place = int(np.where(room >= lengths[index], cost, np.inf).argmin())
        if room[place] < lengths[index]:
            break
        spread[place].append(index)
        cost[place] += lengths[index] * (lengths[index] + balance.linear_tokens)
        room[place] -= lengths[index]
    else:
        bins = spread
    exchange(lengths, bins, budget, balance)
    return bins


def exchange(lengths: Sequence[int], bins: list[list[int]], budget: int, balance: Balance) -> None:
    """Exchange clips between the costliest and the cheapest of ``bins``, in place, while the costliest gets cheaper.

    A clip moves over, or changes places with one of the other's; no bin goes over ``budget``.
    """
    cost = np.array([balance.costs(_of(lengths, members)).sum() for members in bins])
    room = np.array([budget - sum(lengths[i] for i in members) for members in bins])
    for _ in range(4 * len(bins)):
        high, low = int(cost.argmax()), int(cost.argmin())
        ours, theirs = _of(lengths, bins[high]), np.append(_of(lengths, bins[low]), 0)
        more = ours[:, None] - theirs[None]
        fits = (more <= room[low]) & (-more <= room[high])
        gain = balance.costs(ours)[:, None] - balance.costs(theirs)[None]
        # After the exchange the two cost high - gain and low + gain: best is the larger of them at its least.
        worst = np.maximum(cost[high] - gain, cost[low] + gain)
        worst[~fits | (gain <= 0)] = np.inf
        i, j = np.unravel_index(worst.argmin(), worst.shape)
        if worst[i, j] >= cost[high] or (j == len(theirs) - 1 and len(ours) == 1):
            return
        mine = bins[high].pop(i)
        if j < len(theirs) - 1:
            bins[high].append(bins[low].pop(j))
        bins[low].append(mine)
        cost[high] -= gain[i, j]
        cost[low] += gain[i, j]
        room[high] += more[i, j]
        room[low] -= more[i, j]


def alike(
    lengths: Sequence[int], bins: list[list[int]], balance: Balance, *, ahead: int = 0
) -> list[list[int]]:
    """``bins`` so that those of a step cost alike; steps keep the order of their first bin.

    ``ahead``: bins that fill a step which an earlier round began; they are the first.
    """
    size = balance.packs_per_step
    cost = [float(balance.costs(_of(lengths, members)).sum()) for members in bins]
    head = list(range(min(ahead, len(bins))))
    rest = sorted(range(len(head), len(bins)), key=lambda place: -cost[place])
    whole = len(rest) // size * size
    steps = [rest[at : at + size] for at in range(0, whole, size)]
    steps.sort(key=min)
    return [bins[place] for place in [*head, *(p for step in steps for p in step), *rest[whole:]]]


def _of(lengths: Sequence[int], members: Sequence[int]) -> np.ndarray:
    return np.array([lengths[i] for i in members], np.int64)


def step_imbalance(
    lengths: Sequence[int], packs: Sequence[Sequence[int]], balance: Balance
) -> float:
    """Share of the processes' time that is spent waiting for the costliest pack of each step, one pack a process."""
    cost = np.array([balance.costs(_of(lengths, members)).sum() for members in packs])
    size = balance.packs_per_step
    steps = cost[: len(cost) // size * size].reshape(-1, size)
    return float(1 - steps.sum() / (steps.max(1) * size).sum())


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
