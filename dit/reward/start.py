"""What a run of fine-tuning by reward begins with, and what it refuses to go on from, without torch."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dit.config import DiTConfig
from dit.latents import LatentSpec
from dit.reward.config import RewardConfig
from dit.train.rates import learning_rate
from pipeline.training.resume import (
    OTHER_OUT,
    refuse_other_settings,
    refuse_other_start,
    refuse_other_steps,
)

if TYPE_CHECKING:
    from torch import Tensor

KIND = "reward-dit"
"""What a state says that it is of, so that another trainer's is told apart."""
MAY_CHANGE = {"steps", "checkpoint_every", "log_every", "sample_every"}
"""Settings that may differ between a checkpoint and the run that goes on from it; ``steps`` within limits."""


@dataclass(frozen=True, kw_only=True)
class Start:
    """The weights that a run begins with, and stays near to where no reward sees it."""

    model: DiTConfig
    """Shape of the model."""
    weights: Mapping[str, Tensor]
    """Its weights."""
    id: str
    """Their content id."""
    latents: LatentSpec
    """Which latents it makes."""
    init: str = ""
    """Where they lie, for the record."""


def refuse_other(
    state: Mapping[str, Any],
    start: Start,
    config: RewardConfig,
    facts: Mapping[str, Any],
    *,
    path: Path,
) -> None:
    """ValueError, with every difference by name, unless the state is of this run."""
    if state.get("kind") != KIND:
        raise ValueError(f"{path} is no checkpoint of {KIND}; {OTHER_OUT}")
    refuse_other_start(f"DiT {state['started_from']}", f"DiT {start.id}", path=path)
    refuse_other_settings(state["facts"], facts, path=path)
    trained = state["reward_config"]
    refuse_other_settings(trained, dataclasses.asdict(config), path=path, may_change=MAY_CHANGE)
    refuse_other_steps(
        int(state["step"]),
        trained["steps"],
        config.steps,
        lambda step, steps: rate_of(step, 0, dataclasses.replace(config, steps=steps)),
        path=path,
    )


def rate_of(step: int, update: int, config: RewardConfig) -> float:
    """Learning rate of an update of a step."""
    done = step * config.updates + update
    return learning_rate(done / (config.steps * config.updates), done, config)
