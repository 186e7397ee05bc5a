"""What a run of fine-tuning by reward is between two steps: begun, written down, taken up again bit for bit."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from dit.latents import LatentSpec
from dit.model import DiT
from dit.reward.config import RewardConfig
from dit.reward.start import KIND, Start, refuse_other
from dit.train.optim import make_optimizer
from pipeline.training.compute import begun_dtype
from pipeline.training.ema import Ema
from pipeline.training.optim import Optimizer


@dataclass(kw_only=True)
class RewardRun:
    """Everything that changes, and the weights of the beginning."""

    model: DiT
    """What is trained."""
    policy: Ema
    """Averaged weights: they draw the videos, and are what is kept at the end."""
    start: DiT
    """The weights of the beginning."""
    optimizer: Optimizer
    compute: torch.dtype
    """Format of the matrix products; kept over resumes."""
    device: torch.device
    started_from: str
    """Id of the weights of the beginning."""
    init: str
    """Where they lay."""
    step: int = 0
    elapsed_s: float = 0.0
    skipped: int = 0
    """Updates not taken because the gradient was not finite."""
    last: dict[str, Any] = field(default_factory=dict)
    """Numbers of the step before."""


def start_run(
    start: Start,
    config: RewardConfig,
    facts: Mapping[str, Any],
    *,
    state: Mapping[str, Any] | None = None,
    device: torch.device | None = None,
    path: Path = Path("the checkpoint"),
) -> RewardRun:
    """A run at its first step, or where ``state`` (of ``run_state``) left off.

    ``facts`` are plain values that say what is asked for and which rewards judge: a state with others is refused by
    ValueError, as is one of other settings or weights.
    """
    if state is not None:
        refuse_other(state, start, config, facts, path=path)
    there = device or torch.device("cpu")
    compute = begun_dtype(config.precision, there, state)
    model, first = (_made(start).to(there).set_compute(compute) for _ in range(2))
    run = RewardRun(
        model=model,
        policy=Ema(model, config.follow_decay),
        start=first.eval().requires_grad_(False),
        optimizer=make_optimizer(model, config),
        compute=compute,
        device=there,
        started_from=start.id,
        init=start.init,
    )
    if state is not None:
        run.model.load_state_dict(state["model"])
        run.policy.model.load_state_dict(state["policy"]["weights"])
        run.policy.updates = int(state["policy"]["updates"])
        run.optimizer.load_state_dict(state["optimizer"])
        run.step, run.elapsed_s = int(state["step"]), float(state["elapsed_s"])
        run.skipped, run.last = int(state["skipped"]), dict(state["last"])
        run.init = state["init"]
    return run


def _made(start: Start) -> DiT:
    with torch.random.fork_rng():
        model = DiT(start.model)
    model.load_state_dict(dict(start.weights))
    return model


def run_state(
    run: RewardRun, config: RewardConfig, facts: Mapping[str, Any], latents: LatentSpec
) -> dict[str, Any]:
    """State for ``start_run``; the weights of the beginning are not in it, only their id and where they lay."""
    return {
        "kind": KIND,
        "model_config": run.model.config.to_dict(),
        "reward_config": dataclasses.asdict(config),
        "facts": dict(facts),
        "latents": latents.to_dict(),
        "model": run.model.state_dict(),
        "policy": {"weights": run.policy.model.state_dict(), "updates": run.policy.updates},
        "optimizer": run.optimizer.state_dict(),
        "compute": str(run.compute)[6:],
        "step": run.step,
        "elapsed_s": run.elapsed_s,
        "skipped": run.skipped,
        "last": dict(run.last),
        "started_from": run.started_from,
        "init": run.init,
    }
