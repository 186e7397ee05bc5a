"""What a run of ``train-dit`` refuses to begin with or to go on from, asked of plain values without torch."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from dit.config import DiTConfig, TrainConfig
from dit.train.rates import learning_rate
from dit.train.training_packs import TrainingPacks
from pipeline.training.resume import (
    OTHER_OUT,
    refuse_other_settings,
    refuse_other_start,
    refuse_other_steps,
)

MAY_CHANGE = {
    "steps",
    "checkpoint_every",
    "eval_every",
    "sample_every",
    "log_every",
    "compile",
    "recompute",
    "fsdp",
    "fsdp_gather",
    "fsdp_reshard",
    "keep_checkpoints",
    "context_parallel",
    "deterministic",
}
"""Settings that may differ between a checkpoint and the run that goes on from it; ``steps`` within limits."""


def refuse_other(
    state: Mapping[str, Any],
    model_config: DiTConfig,
    config: TrainConfig,
    data: TrainingPacks,
    *,
    started_from: str | None = None,
    path: Path = Path("the checkpoint"),
) -> None:
    """ValueError, with every difference by name, unless the state is of this model, these latents and these settings.

    ``started_from`` is the id of the weights that this run would begin with, "" for random ones; None is not compared.
    """
    if not {"model_config", "train_config", "latents", "mix"} <= state.keys():
        raise ValueError(f"{path} is no checkpoint of train-dit; {OTHER_OUT}")
    refuse_other_settings(state["model_config"], model_config.to_dict(), path=path)
    if state["latents"] != data.spec().to_dict():
        raise ValueError(
            f"the latents were made by another VAE or text encoder than those of {path}; {OTHER_OUT}"
        )
    if state["mix"] != (mix := dataclasses.asdict(data.mix)):
        raise ValueError(
            f"{path} was trained with captions mixed as {state['mix']} (now {mix}); {OTHER_OUT}"
        )
    trained, wanted = state["train_config"], dataclasses.asdict(config)
    timed = trained["minutes"] is not None and config.minutes is not None
    may_change = MAY_CHANGE | ({"minutes"} if timed else set())
    refuse_other_settings(trained, wanted, path=path, may_change=may_change)
    if not timed:
        refuse_other_steps(
            int(state["step"]),
            trained["steps"],
            config.steps,
            lambda step, steps: learning_rate(step / steps, step, config),
            path=path,
        )
    if started_from is not None:
        refuse_other_start(_weights(state["started_from"]), _weights(started_from), path=path)


def _weights(name: str) -> str:
    return f"DiT {name}" if name else "random weights"


def check_teacher(config: DiTConfig) -> None:
    """Raise ValueError for a DiT that cannot be followed by one of fewer steps."""
    if config.path != "flow":
        raise ValueError(
            f"distillation follows rectified flow; this DiT was trained on the path {config.path}"
        )
    if config.few_steps is not None:
        raise ValueError(
            f"this DiT was distilled to {config.few_steps.steps} steps already; give the one it was distilled from"
        )
