"""Settings that every trainer has, each under one name."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from pipeline.bounds import Count, NonNegative, Positive, Seed, Steps, Whole, check_bounds

Precision = Literal["auto", "fp32", "bf16"]
OptimizerName = Literal["muon", "adamw"]


@dataclass(frozen=True, kw_only=True)
class BaseTrainConfig:
    """What the training of any model here depends on, beside its data."""

    steps: Steps = 2000
    """Optimizer steps of the whole run; the learning rate reaches its end there."""
    weight_decay: NonNegative = 0.01
    """Decoupled decay of matrices, per unit of learning rate (AdamW; Loshchilov and Hutter 2019)."""
    warmup_steps: Whole = 100
    """Steps over which the learning rate rises linearly, at most the first tenth of the run."""
    grad_clip: Positive = 1.0
    """Largest norm of the gradient; a larger one is scaled down to it."""
    precision: Precision = "auto"
    """Matrix products in fp32, bf16, or auto: bf16 where this machine has instructions for it."""
    seed: Seed = 0
    """Seed of weights, order of the data, and noise."""
    checkpoint_every: Count = 500
    """Steps between checkpoints."""
    log_every: Count = 10
    """Steps between lines of metrics.jsonl."""

    def __post_init__(self) -> None:
        check_bounds(self)
