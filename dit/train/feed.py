"""Steps made ready ahead of the one being trained on: read, noised, packed and pinned in a thread of their own.

A step is a function of its number and of the loader's cursor (``dit.train.data``), so what is made ahead is what would
have been made in its turn, and nothing of it belongs to the state that a run resumes from.
"""

from __future__ import annotations

import time
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import torch

from dit.config import DiTConfig, TrainConfig
from dit.parallel.context import ALONE, Context, data_place
from dit.train.data import Batch, generator_for, make_batch
from dit.train.parallel import rank_and_world
from dit.train.training_packs import TrainingPacks
from pipeline.loader.order import LoaderState


@dataclass(frozen=True, kw_only=True)
class Ready:
    """A step of this process: its packs as tensors on the CPU, pinned where a GPU takes them."""

    number: int
    """Number of the optimiser step, which keys its noise."""
    step: Any
    """The loader's global step: ``state`` after it, ``n_tokens`` of it."""
    batches: list[Batch]
    """Packs of this process."""


def make_ready(
    data: TrainingPacks,
    model: DiTConfig,
    config: TrainConfig,
    cursor: LoaderState,
    number: int,
    context: Context = ALONE,
) -> Ready:
    """Read and draw the packs of optimiser step ``number``, which the loader's ``cursor`` stands before.

    Where a ``context`` shares the packs, each of its processes draws them whole and keeps its part.
    """
    rank, world = data_place(context.size, *rank_and_world())
    step = data.at(cursor)
    batches = [
        make_batch(
            pack,
            data.spec(),
            model,
            config,
            generator_for(config.seed, number, rank + world * i),
        ).part(context)
        for i, pack in enumerate(step.units)
    ]
    return Ready(number=number, step=step, batches=batches)


class Feed:
    """Hands out the steps of a run in order; ``ahead`` of them are made ahead in a thread, 0: each in its turn."""

    def __init__(
        self,
        data: TrainingPacks,
        model: DiTConfig,
        config: TrainConfig,
        device: torch.device,
        *,
        ahead: int = 2,
        context: Context = ALONE,
    ) -> None:
        self.data, self.model, self.config, self.device = data, model, config, device
        self.ahead, self.context = ahead, context
        self._pool: ThreadPoolExecutor | None = None
        self._waiting: list[Future[Ready]] = []
        self._next: tuple[LoaderState, int] | None = None
        self.waited = 0.0
        """Seconds that the last ``take`` waited for its step."""

    def take(self, cursor: LoaderState, number: int) -> Ready:
        """The step at ``cursor``; steps taken out of order are made anew."""
        began = time.perf_counter()
        try:
            return self._take(cursor, number)
        finally:
            self.waited = time.perf_counter() - began

    def _take(self, cursor: LoaderState, number: int) -> Ready:
        if not self.ahead:
            return self._make(cursor, number)
        if self._pool is None:
            self._pool = ThreadPoolExecutor(1, thread_name_prefix="feed")
        if self._next != (cursor, number) or not self._waiting:
            self.close(keep_pool=True)
            self._waiting = [self._pool.submit(self._make, cursor, number)]
        ready = self._waiting.pop(0).result()
        self._next = (ready.step.state, number + 1)
        # Each step is made from the cursor that the one before it ends at, so the thread follows them itself.
        while len(self._waiting) < self.ahead:
            before = self._waiting[-1] if self._waiting else None
            self._waiting.append(self._pool.submit(self._follow, before, ready))
        return ready

    def _follow(self, before: Future[Ready] | None, ready: Ready) -> Ready:
        last = before.result() if before else ready
        return self._make(last.step.state, last.number + 1)

    def _make(self, cursor: LoaderState, number: int) -> Ready:
        ready = make_ready(self.data, self.model, self.config, cursor, number, self.context)
        if self.device.type != "cuda":
            return ready
        return Ready(
            number=number, step=ready.step, batches=[batch.pinned() for batch in ready.batches]
        )

    def close(self, *, keep_pool: bool = False) -> None:
        """Forget what was made ahead; waits for the step that is being made."""
        for waiting in self._waiting:
            waiting.cancel()
        for waiting in self._waiting:
            if not waiting.cancelled():
                waiting.exception()
        self._waiting, self._next = [], None
        if self._pool is not None and not keep_pool:
            self._pool.shutdown()
            self._pool = None
