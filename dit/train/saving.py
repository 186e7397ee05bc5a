"""What a run leaves behind while it goes on: checkpoints to resume from, and ``dit.safetensors`` to sample with.

Weights that one process holds go to ``state.pt``, and are exported at the end. Weights in shards go to a folder each
time, and every checkpoint is exported.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

from dit.checkpoint import save_dit
from dit.config import STATE_NAME, WEIGHTS_NAME, TrainConfig
from dit.train.lora import merged
from dit.train.parallel import agreed, rank_and_world
from dit.train.run import Run, run_facts, run_state
from dit.train.saved import step_folder
from dit.train.training_packs import TrainingPacks
from pipeline.training.state import save_state, sync_metrics


class Keeper(Protocol):
    """Writes down a run; all processes call it together."""

    def save(self, run: Run) -> None:
        """A checkpoint of the step in hand."""

    def wait(self) -> None:
        """Return when what was begun is on the disk."""

    def finish(self, run: Run) -> None:
        """The end of the run: ``dit.safetensors`` is there, and is of its last step."""


def keeper_for(run: Run, config: TrainConfig, data: TrainingPacks, out: Path) -> Keeper:
    """The keeper that fits the weights."""
    kind = _Sharded if config.fsdp else _Whole
    return kind(config, data, out)


class _Whole:
    """One file, overwritten, by the first process."""

    def __init__(self, config: TrainConfig, data: TrainingPacks, out: Path) -> None:
        self.config, self.data, self.out = config, data, out
        self.leader = rank_and_world()[0] == 0

    def save(self, run: Run) -> None:
        if self.leader:
            save_state(self.out / STATE_NAME, run_state(run, self.config, self.data))

    def wait(self) -> None:
        pass

    def finish(self, run: Run) -> None:
        if self.leader:
            model = merged(run.ema.model)
            info = info_of(run, self.config, self.data)
            save_dit(model, self.data.spec(), self.out / WEIGHTS_NAME, info=info)


class _Sharded:
    """A folder for each checkpoint, written beside training, see ``dit.train.sharded.saves``."""

    def __init__(self, config: TrainConfig, data: TrainingPacks, out: Path) -> None:
        from dit.train.sharded.saves import Saves

        self.config, self.data, self.out = config, data, out
        self.saves = Saves(out, config.keep_checkpoints)

    def save(self, run: Run) -> None:
        from dit.train.sharded.tensors import EMA, MODEL, named_moments, named_weights

        if rank_and_world()[0] == 0:
            sync_metrics(self.out)
        self.saves.save(
            {
                **named_weights(MODEL, run.model),
                **named_weights(EMA, run.ema.model),
                **named_moments(run.optimizer),
            },
            run_facts(run, self.config, self.data),
            self._export(run),
        )

    def _export(self, run: Run) -> Callable[[Path], None]:
        """What exports a checkpoint of the step in hand, later and in a thread."""
        from dit.train.sharded.export import export_folder

        spec, info = self.data.spec(), info_of(run, self.config, self.data)
        shape, weights = run.model.config, self.out / WEIGHTS_NAME
        return lambda folder: export_folder(folder, weights, shape, spec, info)

    def wait(self) -> None:
        self.saves.wait()

    def finish(self, run: Run) -> None:
        if self.saves.step != run.step:  # another run made the last step, or had whole weights
            folder = step_folder(self.out, run.step)
            if not agreed(folder.is_dir()):
                self.save(run)
            elif rank_and_world()[0] == 0:
                self._export(run)(folder)
        self.wait()


def info_of(run: Run, config: TrainConfig, data: TrainingPacks) -> dict[str, Any]:
    """What ``dit.safetensors`` tells of its training."""
    return {
        "steps": run.step,
        "seconds": round(run.elapsed_s, 1),
        "clips": data.n_clips,
        "held_out": run.held_out,
        "started_from": run.started_from,
        "train": dataclasses.asdict(config),
        "parameters": run.model.n_parameters(),
    }
