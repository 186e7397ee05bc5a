"""What is read when: pure functions of (manifest hash, seed, epoch), so that resuming is arithmetic.

Nothing here knows ranks, workers or what was read before. Uses only xxh3 and Philox's raw bit
stream, which NumPy keeps stable across versions and platforms.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import xxhash


@dataclass(frozen=True, kw_only=True)
class LoaderState:
    """Where a run stands: the next step to do is ``step`` of ``epoch``."""

    manifest_hash: str
    """Identity of the data the order was drawn for."""
    seed: int
    """Seed of order and caption draws."""
    epoch: int = 0
    """Passes over the data that are finished."""
    step: int = 0
    """Global steps of this epoch that are finished."""

    def to_dict(self) -> dict[str, Any]:
        """Plain data for JSON."""
        return asdict(self)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> LoaderState:
        """Inverse of ``to_dict``."""
        return cls(**data)


def epoch_order(n: int, manifest_hash: str, seed: int, epoch: int) -> np.ndarray:
    """Permutation of ``range(n)``, int64, a pure function of its arguments."""
    key = xxhash.xxh3_128_intdigest(f"order:{manifest_hash}:{seed}:{epoch}".encode())
    draws = np.random.Philox(key=key).random_raw(n)
    return np.argsort(draws, kind="stable").astype(np.int64)


def n_steps(n: int, per_step: int, *, drop_last: bool = True) -> int:
    """Global steps in an epoch of ``n`` units: at least one, the remainder dropped or filled up."""
    if n < 1 or per_step < 1:
        raise ValueError(
            f"an epoch needs data and a step size, got {n} units and {per_step} a step"
        )
    return max(1, n // per_step) if drop_last else -(-n // per_step)


def step_positions(step: int, n: int, per_step: int, rank: int, world: int) -> list[int]:
    """Positions in the epoch's sequence that ``rank`` takes in ``step``.

    A step is ``per_step`` consecutive positions, wrapping at the end of a short epoch; rank r of
    ``world`` takes every ``world``-th from r, so all worlds see the same global steps.
    """
    if not 0 <= rank < world:
        raise ValueError(f"rank {rank} is outside a world of {world}")
    if world > per_step:
        raise ValueError(f"a step of {per_step} cannot feed {world} ranks; make the step larger")
    start = step * per_step
    return [(start + i) % n for i in range(rank, per_step, world)]


def plan_groups(
    keys: Sequence[Hashable], size: int, *, manifest_hash: str, seed: int, epoch: int
) -> list[list[int]]:
    """The groups of ``size`` indices with equal ``keys`` that fall into ``epoch``, in a drawn order.

    The members of a key form an endless sequence, one shuffled pass after another, and groups are cut from it without
    a gap. A group belongs to the epoch whose pass ends it. So every index is drawn equally often: after E epochs never
    more than E times, and at most ``ceil(size / members)`` times less. A key with fewer than ``size`` members fills a
    group only every few epochs, which may leave an epoch empty.
    """
    members: dict[Hashable, list[int]] = {}
    for index, key in enumerate(keys):
        members.setdefault(key, []).append(index)
    groups: list[list[int]] = []
    for number, mine in enumerate(members.values()):
        count = len(mine)
        start, end = (count * e // size * size for e in (epoch, epoch + 1))
        if start == end:
            continue
        first = start // count
        passes = [
            np.array(mine)[epoch_order(count, f"{manifest_hash}:{number}", seed, turn)]
            for turn in range(first, epoch + 1)
        ]
        drawn = np.concatenate(passes)[start - first * count : end - first * count]
        groups += drawn.reshape(-1, size).tolist()
    return [groups[i] for i in epoch_order(len(groups), f"{manifest_hash}:groups", seed, epoch)]
