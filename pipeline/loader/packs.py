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
    check_lengths(np.asarray(lengths), np.asarray(order, np.int64), budget, window)
    take = clips_a_round(window, balance)
    packs: list[list[int]] = []
    held: list[int] = []
    at = 0
    while at < len(order):
        after = at + max(1, take - len(held))
        pool = held + [int(index) for index in order[at:after]]
        at = after
        own = [lengths[index] for index in pool]
        bins, left = round_packs(own, budget, balance, before=len(packs), last=at >= len(order))
        packs += [[pool[i] for i in members] for members in bins]
        held = [pool[i] for i in left]
    return packs


def check_lengths(lengths: np.ndarray, order: np.ndarray, budget: int, window: int) -> None:
    """ValueError for a window below 1, and for a clip of ``order`` that is empty or no pack could hold."""
    if window < 1:
        raise ValueError(f"the packing window is {window}; it must be at least 1")
    own = lengths[order]
    if len(wrong := np.flatnonzero((own <= 0) | (own > budget))):
        index = order[wrong[0]]
        raise ValueError(
            f"clip {index} has {lengths[index]} tokens, the pack budget is {budget}; "
            "raise the budget or encode at fewer pixels or frames"
        )


def clips_a_round(window: int, balance: Balance | None) -> int:
    """Clips that are considered together."""
    return window if balance is None else window * min(balance.packs_per_step, MOST_WINDOWS)


def round_packs(
    lengths: Sequence[int], budget: int, balance: Balance | None, *, before: int, last: bool
) -> tuple[list[list[int]], list[int]]:
    """Packs of the clips of one round, by their places in it, and those that it hands on to the next.

    Args:
        lengths: Tokens of the round's clips.
        budget, balance: As in ``plan_packs``.
        before: Packs of the rounds before.
        last: Whether no round follows, so that nothing is handed on.
    """
    bins = first_fit_decreasing(lengths, range(len(lengths)), budget)
    held = [] if last or len(bins) < 2 else bins.pop(emptiest(lengths, bins))
    if balance is not None:
        bins = even_out(lengths, bins, budget, balance)
    bins.sort(key=min)
    if balance is not None and balance.packs_per_step > 1:
        bins = alike(lengths, bins, balance, ahead=-before % balance.packs_per_step)
    return bins, held


def emptiest(lengths: Sequence[int], bins: Sequence[Sequence[int]]) -> int:
    """Number of the bin that holds the fewest tokens; of several the first."""
    fill = [sum(lengths[i] for i in members) for members in bins]
    return fill.index(min(fill))


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
    last, place = 0, 0
    for index in sorted(pool, key=lambda i: -lengths[i]):
        need = lengths[index]
        if (
            need != last
        ):  # bins only fill up: those that had no room for as long a clip before have none now
            last, place = need, 0
        while place < len(bins) and need > room[place]:
            place += 1
        if place == len(bins):
            bins.append([])
            room.append(budget)
        bins[place].append(index)
        room[place] -= need
    return bins


def packing_waste(lengths: Sequence[int], packs: Sequence[Sequence[int]], budget: int) -> float:
    """Share of the packs' token slots that hold nothing."""
    used = sum(lengths[i] for members in packs for i in members)
    return 1.0 - used / (budget * len(packs))
