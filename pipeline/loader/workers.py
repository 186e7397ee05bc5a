"""Steps read ahead by worker processes: the same steps in the same order for any number of them.

Workers are told which step to read, nothing else: the state of a run stays in the main process, so there is none to
collect from workers, and ``seek`` means the same before, between and during iterations.
"""

from __future__ import annotations

import io
import pickle
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from pipeline.loader.order import LoaderState
from pipeline.loader.quarantine import Found, Quarantine
from pipeline.loader.steps import Batches, Step

if TYPE_CHECKING:
    import torch
    from torch.utils.data import DataLoader


ALIGNED = 64
"""Tensors of an answer begin at multiples of this many bytes."""


class Answer(NamedTuple):
    """What a worker sends back: a step, and the clips that it found unreadable since its last answer.

    All tensors travel in one, which is shared memory: torch opens a file and a connection for each that it sends.
    """

    head: bytes
    """Both, pickled, but for what the tensors hold."""
    ends: list[tuple[int, int]]
    """Where in ``data`` each tensor begins and ends."""
    data: torch.Tensor

    @classmethod
    def of(cls, step: Step, found: list[Found]) -> Answer:
        """Put them in."""
        import torch

        buffers: list[pickle.PickleBuffer] = []
        file = io.BytesIO()
        _Pickler(file, protocol=5, buffer_callback=buffers.append).dump((step, found))
        raw, ends, at = [buffer.raw() for buffer in buffers], [], 0
        for each in raw:
            ends.append((at, at + each.nbytes))
            at += -(-each.nbytes // ALIGNED) * ALIGNED
        data = torch.empty(at, dtype=torch.uint8).share_memory_()
        room = memoryview(data.numpy())
        for each, (start, end) in zip(raw, ends, strict=True):
            room[start:end] = each
        return cls(file.getvalue(), ends, data)

    def opened(self) -> tuple[Step, list[Found]]:
        """Take them out; the tensors are views of ``data``."""
        room = memoryview(self.data.numpy())
        step, found = pickle.loads(self.head, buffers=[room[a:b] for a, b in self.ends])
        return step, found


class _Pickler(pickle.Pickler):
    """Pickles tensors as arrays, whose bytes may be kept apart."""

    def reducer_override(self, each: Any) -> Any:
        import torch

        if isinstance(each, torch.Tensor):
            return torch.from_numpy, (each.numpy(),)
        return NotImplemented


class _StepByState:
    """A loader as a torch dataset whose keys are states."""

    def __init__(self, batches: Batches) -> None:
        self.batches = batches

    def __getitem__(self, state: LoaderState) -> Answer:
        quarantine = self.batches.quarantine
        if not quarantine.relayed:  # first call in this process
            quarantine = self.batches.quarantine = Quarantine.relay(quarantine.n_clips)
        return Answer.of(self.batches.at(state), quarantine.take_found())


class _States:
    """The states of the steps from where the loader stands, without end: what torch calls a sampler."""

    def __init__(self, batches: Batches) -> None:
        self.batches = batches

    def __iter__(self) -> Iterator[LoaderState]:
        state = self.batches.state
        while True:
            yield state
            state = self.batches.steps.advance(state, 1)


class WorkerSteps:
    """Endless steps of ``batches``, read ahead by ``num_workers`` processes that live as long as this object.

    With 0 workers steps are read in this process. Clips that workers find unreadable are counted here, against the
    budget of ``batches``. Shards behind a URI are read by spawned workers: a forked object-store client hangs.
    """

    def __init__(self, batches: Batches, num_workers: int, *, ahead: int = 2) -> None:
        self.batches, self.num_workers, self.ahead = batches, num_workers, ahead
        self._loader: DataLoader | None = None
        self._answers: Iterator[Answer] | None = None

    @property
    def state(self) -> LoaderState:
        """State of the next step that iterating yields."""
        return self.batches.state

    def seek(self, state: LoaderState | Mapping[str, Any]) -> None:
        """Continue from a saved ``Step.state``; what was read ahead is dropped."""
        self.batches.seek(state)
        self._answers = None

    def __iter__(self) -> Iterator[Step]:
        if self.num_workers == 0:
            yield from self.batches
        while True:
            step, found = next(self._reading()).opened()
            for clip in found:
                self.batches.quarantine.add_found(clip)
            self.batches.steps.state = step.state
            yield step

    def _reading(self) -> Iterator[Answer]:
        if self._answers is None:
            if self._loader is None:
                self._loader = self._start()
            self._answers = iter(self._loader)
        return self._answers

    def _start(self) -> DataLoader:
        from torch.utils.data import DataLoader

        dataset: Any = _StepByState(self.batches)
        return DataLoader(
            dataset,
            sampler=_States(self.batches),  # type: ignore[arg-type]
            batch_size=None,
            num_workers=self.num_workers,
            prefetch_factor=self.ahead,
            persistent_workers=True,
            multiprocessing_context="spawn" if self.batches.remote else None,
        )


def with_workers(batches: Batches, num_workers: int) -> WorkerSteps:
    """The steps of ``batches`` from where it stands, read ahead by ``num_workers`` processes."""
    return WorkerSteps(batches, num_workers)
