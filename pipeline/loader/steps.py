"""Global steps: a plan per epoch, sliced by rank, replayed from (epoch, step) alone.

Every process computes the same plan of an epoch from (manifest hash, seed, epoch) and takes its
slice of each *global* step, so the data a step sees depends neither on the number of ranks or
workers nor on where a run was stopped. A clip that cannot be read is replaced by the next one of its
shape in the epoch's order, whichever rank meets it.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np

from pipeline.loader.order import LoaderState, epoch_order, n_steps, step_positions
from pipeline.loader.quarantine import DataError, Quarantine
from pipeline.shards.ranges import ClipError
from pipeline.store.paths import together

log = logging.getLogger(__name__)

Plan = Callable[[int], Sequence[Any]]
AHEAD = 4
"""Steps of a store that are under way while one is trained on."""


@dataclass(frozen=True, kw_only=True)
class Step:
    """What one rank trains on in one global step."""

    epoch: int
    """Pass over the data."""
    step: int
    """Global step within the epoch."""
    units: list[Any]
    """This rank's share: clips (VideoBatches) or packs, each a list of clips (LatentPacks)."""
    n_tokens: int
    """Tokens of the whole global step, over all ranks (0 where tokens are not counted)."""
    state: LoaderState
    """State to save after training on this step; resuming from it yields the next one."""


class StepLoader:
    """Index lists, one per global step, for one rank. ``plan(epoch)`` defaults to a shuffle.

    With ``gaps`` a plan may leave epochs without a step, and they are passed over.
    """

    def __init__(
        self,
        index_len: int,
        seed: int,
        manifest_hash: str,
        samples_per_step: int,
        rank: int = 0,
        world: int = 1,
        *,
        drop_last: bool = True,
        plan: Plan | None = None,
        gaps: bool = False,
    ) -> None:
        step_positions(0, 1, samples_per_step, rank, world)  # refuses impossible worlds here
        self.index_len, self.seed, self.manifest_hash = index_len, seed, manifest_hash
        self.samples_per_step, self.rank, self.world = samples_per_step, rank, world
        self.drop_last, self.gaps = drop_last, gaps
        self._make_plan, self._plans = plan, dict[int, Sequence[Any]]()
        self._state = LoaderState(manifest_hash=manifest_hash, seed=seed)

    @property
    def state(self) -> LoaderState:
        """The next step to do."""
        return self.advance(self._state, 0) if self.gaps else self._state

    @state.setter
    def state(self, state: LoaderState) -> None:
        self._state = state

    def order(self, epoch: int) -> list[int]:
        """The epoch's permutation of all indices."""
        return self.drawn(epoch).tolist()

    def drawn(self, epoch: int) -> np.ndarray:
        """The same as an array, int64: a tenth of the memory."""
        return epoch_order(self.index_len, self.manifest_hash, self.seed, epoch)

    def plan(self, epoch: int) -> Sequence[Any]:
        """The epoch's sequence of units, cut into global steps; the last two are kept."""
        plans = self._plans
        if epoch not in plans:
            make = self._make_plan or self.order
            # A new dict, not a change to this one: other threads may be looking at it.
            self._plans = plans = dict([*list(plans.items())[-1:], (epoch, make(epoch))])
        return plans[epoch]

    def steps_in(self, epoch: int) -> int:
        """Global steps of an epoch; 0 only where ``gaps`` are allowed."""
        if self.gaps and not self.plan(epoch):
            return 0
        return n_steps(len(self.plan(epoch)), self.samples_per_step, drop_last=self.drop_last)

    def seek(self, state: LoaderState | Mapping[str, Any]) -> None:
        """Continue from ``state``; refuses one that was drawn for other data or another seed."""
        state = state if isinstance(state, LoaderState) else LoaderState.from_dict(state)
        if state.manifest_hash != self.manifest_hash:
            raise ValueError(
                f"the data changed since the checkpoint (manifest {state.manifest_hash[:12]} then, "
                f"{self.manifest_hash[:12]} now); restore the data, or start the order afresh"
            )
        if state.seed != self.seed:
            raise ValueError(f"the checkpoint used seed {state.seed}, this run uses {self.seed}")
        self.state = self.advance(state, 0)

    def advance(self, state: LoaderState, steps: int) -> LoaderState:
        """The state ``steps`` global steps after ``state``."""
        epoch, step = state.epoch, state.step + steps
        while step >= (count := self.steps_in(epoch)):
            epoch, step = epoch + 1, step - count
        return LoaderState(
            manifest_hash=state.manifest_hash, seed=state.seed, epoch=epoch, step=step
        )

    def units_at(self, state: LoaderState, *, all_ranks: bool = False) -> list[Any]:
        """This rank's units (or those of all ranks) of the step that ``state`` points at."""
        plan = self.plan(state.epoch)
        rank, world = (0, 1) if all_ranks else (self.rank, self.world)
        at = step_positions(state.step, len(plan), self.samples_per_step, rank, world)
        return [plan[i] for i in at]

    def __iter__(self) -> Iterator[list[Any]]:
        while True:
            units = self.units_at(self.state)
            self.state = self.advance(self.state, 1)
            yield units


class Batches:
    """What the two loaders share: stepping, replacement of bad clips."""

    root: str
    """Folder or URI that is read."""
    steps: StepLoader
    quarantine: Quarantine

    @property
    def remote(self) -> bool:
        """Whether the data lies in a store: each answer takes long to come, and many may be under way."""
        return "://" in self.root

    @property
    def state(self) -> LoaderState:
        """State of the next step that iterating yields."""
        return self.steps.state

    def seek(self, state: LoaderState | Mapping[str, Any]) -> None:
        """Continue from a saved ``Step.state``."""
        self.steps.seek(state)

    def at(self, state: LoaderState) -> Step:
        """The step that ``state`` points at: a pure function of it."""
        raise NotImplementedError

    def __iter__(self) -> Iterator[Step]:
        if self.remote:
            yield from self._read_ahead()  # without end
        while True:
            step = self.at(self.steps.state)
            self.steps.state = step.state
            yield step

    def _read_ahead(self) -> Iterator[Step]:
        """The same steps, the next few of them being fetched while one is worked on."""
        pool = ThreadPoolExecutor(AHEAD)
        coming: deque[tuple[LoaderState, Future[Step]]] = deque()
        try:
            while True:
                if coming and coming[0][0] != self.steps.state:  # after a seek
                    coming.clear()
                while len(coming) < AHEAD:
                    state = self.steps.advance(self.steps.state, len(coming))
                    coming.append((state, pool.submit(self.at, state)))
                step = coming.popleft()[1].result()
                self.steps.state = step.state
                yield step
        finally:
            pool.shutdown(wait=False, cancel_futures=True)

    def _all(self, read: Callable[[Any], Any], wanted: Sequence[Any]) -> list[Any]:
        """``read`` of each in order; a store is asked for all of them at once."""
        return list(together(read, wanted) if self.remote else map(read, wanted))

    def _fetch(self, index: int, epoch: int, fits: Callable[[int], bool]) -> dict[str, Any]:
        """Sample ``index``, or the next readable one after it in the epoch's order that fits."""
        sample = self._try(index, epoch)
        if sample is not None:
            return sample
        order = self.steps.order(epoch)
        at = order.index(index)
        for other in order[at + 1 :] + order[:at]:
            if fits(other):
                sample = self._try(other, epoch)
                if sample is not None:
                    return sample
        raise DataError(f"no readable clip can stand in for clip {self._clip_id(index)}")

    def _try(self, index: int, epoch: int) -> dict[str, Any] | None:
        """Sample ``index``, or None when it cannot be read, which is listed and counted.

        So is a clip whose store has refused it through all retries: one bad object costs a clip, a store that is
        down the budget and then the run.
        """
        try:
            return self._sample(index, epoch)
        except ClipError as error:
            failure = error
        except ConnectionError as error:
            failure = ClipError("store", str(error))
        log.warning("clip %s skipped: %s", self._clip_id(index), failure)
        self.quarantine.add(self._clip_id(index), failure, epoch=epoch)
        return None

    def _sample(self, index: int, epoch: int) -> dict[str, Any]:
        raise NotImplementedError

    def _clip_id(self, index: int) -> str:
        raise NotImplementedError
