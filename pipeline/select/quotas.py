"""Quotas: keep the best share of the clips by some value, and at most so many of a group. Deterministic both."""

from __future__ import annotations

import math

import numpy as np


def best_share(
    values: np.ndarray, eligible: np.ndarray, id_rank: np.ndarray, share: float
) -> tuple[np.ndarray, float | None]:
    """Which of N clips miss a keep-rate target.

    The best ``ceil(share x eligible)`` eligible clips meet it; equal values are told apart by clip_id. The worst of
    those is the cut, and clips that are not eligible miss the target when they lie below it.

    Args:
        values: float (N,), larger is better, no NaN among the eligible.
        eligible: bool (N,), clips the share is of.
        id_rank: int (N,), place of each clip in the order of clip_id.
        share: in (0, 1].

    Returns:
        missed: bool (N,).
        cut: least value that meets the target; None when no clip is eligible.
    """
    rows = np.flatnonzero(eligible)
    if not len(rows):
        return np.zeros(len(values), bool), None
    # the small step back keeps 0.07 x 100 = 7.000000000000001 from being 8
    count = math.ceil(share * len(rows) - 1e-9)
    of_rows = values[rows]
    cut = float(np.partition(of_rows, len(rows) - count)[len(rows) - count])
    missed = values < cut
    ties = rows[of_rows == cut]
    room = count - int((of_rows > cut).sum())
    missed[ties[np.argsort(id_rank[ties])][room:]] = True
    return missed, cut


def over_cap(
    group: np.ndarray, eligible: np.ndarray, preferred: np.ndarray, cap: int
) -> np.ndarray:
    """Which of the eligible clips come after the first ``cap`` of their group; bool (N,).

    Args:
        group: int (N,), group of each clip, from 0 and less than N.
        eligible: bool (N,), the clips that count.
        preferred: int (N,), place of each clip in the order they are kept in, lowest first.
        cap: clips kept of a group.
    """
    rows = np.flatnonzero(eligible)
    # one number that sorts as the pair does: a third of lexsort's time
    order = np.argsort(group[rows].astype(np.int64) * len(preferred) + preferred[rows])
    ordered = rows[order]
    groups = group[ordered]
    new = np.ones(len(groups), bool)
    new[1:] = groups[1:] != groups[:-1]
    first = np.flatnonzero(new)
    place = np.arange(len(groups)) - np.repeat(first, np.diff(np.append(first, len(groups))))
    over = np.zeros(len(group), bool)
    over[ordered[place >= cap]] = True
    return over


def descending(values: np.ndarray, id_rank: np.ndarray) -> np.ndarray:
    """Place of each clip, int (N,), larger values first, NaN last, equal ones by clip_id."""
    order = np.lexsort((id_rank, -values))  # NaN sorts last, negated or not
    place = np.empty(len(order), np.int64)
    place[order] = np.arange(len(order))
    return place


def best_concept(scores: np.ndarray, least: float) -> tuple[np.ndarray, np.ndarray]:
    """Number of the highest of C concept scores (N, C), int (N,), and whether it reaches ``least``, bool (N,)."""
    group = scores.argmax(1)
    return group, scores[np.arange(len(scores)), group] >= least
