"""Checkpoints of a sharded run, written while it goes on: each process its own shards, by torch.distributed.checkpoint.

The files go to a hidden folder. When those of all processes are on the disk, the first process adds ``run.pt`` and
renames the folder; then it exports ``dit.safetensors`` and removes the oldest checkpoints. A kill at any moment leaves
whole checkpoints, and at most one hidden folder.
"""

from __future__ import annotations

import copy
import os
import shutil
import warnings
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import torch.distributed as dist
from torch import Tensor
from torch.distributed.checkpoint import HuggingFaceStorageWriter, async_save
from torch.distributed.checkpoint.api import CheckpointException

from dit.train.saved import CHECKPOINTS, RUN_NAME, step_folder, step_folders
from dit.train.sharded.tensors import EMA, MODEL, OPTIMIZER
from pipeline.store.atomic import sync
from pipeline.training.state import save_state

FILES = {MODEL: 1, EMA: 2, OPTIMIZER: 3}
"""Files of each process: one kind of tensors each, so that less is held in memory while they are written."""


class Saves:
    """Writes checkpoints of a run to ``out``, one at a time; all processes make it, and use it, together."""

    def __init__(self, out: Path, keep: int) -> None:
        self.out, self.keep = out, keep
        self.step = -1
        self._pending: Future[Any] | None = None
        # Planning goes on beside training, so it needs connections of its own, between CPUs.
        self._group = dist.new_group(backend="gloo") if dist.is_initialized() else None
        if not dist.is_initialized() or dist.get_rank() == 0:
            clear_hidden(out)

    def save(
        self,
        tensors: Mapping[str, Tensor],
        facts: dict[str, Any],
        then: Callable[[Path], None],
    ) -> None:
        """Copy ``tensors`` and ``facts``, and write them while training goes on; waits for an earlier checkpoint.

        ``facts`` are the rest of the state; ``then(folder)`` is called in the first process once all is on the disk.
        """
        self.wait()
        facts = copy.deepcopy(facts)  # steps that are made meanwhile must not get into it
        self.step = int(facts["step"])
        folder = step_folder(self.out, self.step)
        hidden = folder.with_name(f".{folder.name}.partial")

        def commit() -> None:
            save_state(hidden / RUN_NAME, facts)
            sync(hidden)
            os.replace(hidden, folder)
            sync(folder.parent)
            then(folder)
            for old in step_folders(self.out)[: -self.keep]:
                gone = old.with_name(f".{old.name}.gone")
                os.replace(old, gone)  # half a folder must not look like a whole one
                shutil.rmtree(gone)

        files = {name: FILES[name.partition(".")[0]] for name in tensors}
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "torch.distributed is disabled")
            self._pending = async_save(  # type: ignore[assignment]
                dict(tensors),
                storage_writer=_Writer(hidden, files, commit),
                process_group=self._group,
                no_dist=self._group is None,
            )

    def wait(self) -> None:
        """Wait for the checkpoint that is being written, if there is one; OSError where it could not be written."""
        pending, self._pending = self._pending, None
        if pending is None:
            return
        try:
            pending.result()
        except CheckpointException as error:
            rank, (cause, _) = next(iter(error.failures.items()))
            raise OSError(
                f"the checkpoint of step {self.step} could not be written by process {rank}: {cause}"
            ) from error


class _Writer(HuggingFaceStorageWriter):
    """Safetensors files, a set for each process; ``commit`` is called in the first when all are on the disk."""

    def __init__(self, folder: Path, files: dict[str, int], commit: Callable[[], None]) -> None:
        super().__init__(str(folder), fqn_to_index_mapping=files, save_distributed=True)
        self._commit = commit

    def finish(self, metadata: Any, results: Any) -> None:
        self._commit()


def clear_hidden(out: Path) -> None:
    """Remove what a killed run left of unfinished checkpoints."""
    for path in (out / CHECKPOINTS).glob(".*"):
        shutil.rmtree(path)
