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


def plan_groups(keys: Sequence[Hashable], order: Sequence[int], size: int) -> list[list[int]]:
    """Groups of ``size`` indices with equal ``keys``, in the order their last member comes up.

    Each key's remainder forms no group, unless the key has fewer than ``size`` members in all:
    then its members repeat to fill one group, so that rare shapes are trained on too.
    """
    open_groups: dict[Hashable, list[int]] = {}
    filled: set[Hashable] = set()
    groups = []
    for index in order:
        group = open_groups.setdefault(keys[index], [])
        group.append(int(index))
        if len(group) == size:
            groups.append(group)
            filled.add(keys[index])
            open_groups[keys[index]] = []
    for key, group in open_groups.items():
        if group and key not in filled:
            groups.append([group[i % len(group)] for i in range(size)])
    return groups
