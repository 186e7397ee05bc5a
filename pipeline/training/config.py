"""Settings that every trainer has, each under one name."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from pipeline.bounds import Bounded, Count, NonNegative, Positive, Seed, Steps, Whole
from pipeline.groups import DEVICES, OPTIMISATION, OUTPUT, SCHEDULE

Precision = Literal["auto", "fp32", "bf16"]
OptimizerName = Literal["muon", "adamw"]


@dataclass(frozen=True, kw_only=True)
class BaseTrainConfig(Bounded):
    """What the training of any model here depends on, beside its data."""

    steps: Annotated[Steps, SCHEDULE] = 2000
    """Optimizer steps of the whole run; the learning rate reaches its end there."""
    weight_decay: Annotated[NonNegative, OPTIMISATION] = 0.01
    """Decoupled decay of matrices, per unit of learning rate (AdamW; Loshchilov and Hutter 2019)."""
    warmup_steps: Annotated[Whole, SCHEDULE] = 100
    """Steps over which the learning rate rises linearly, at most the first tenth of the run."""
    grad_clip: Annotated[Positive, OPTIMISATION] = 1.0
    """Largest norm of the gradient; a larger one is scaled down to it."""
    precision: Annotated[Precision, DEVICES] = "auto"
    """Matrix products in fp32, bf16, or auto: bf16 where this machine has instructions for it."""
    seed: Annotated[Seed, OPTIMISATION] = 0
    """Seed of weights, order of the data, and noise."""
    checkpoint_every: Annotated[Count, OUTPUT] = 500
    """Steps between checkpoints."""
    log_every: Annotated[Count, OUTPUT] = 10
    """Steps between lines of metrics.jsonl."""
