"""Which number format matrix products run in."""

from __future__ import annotations

import torch

from dit.config import TrainConfig
from pipeline.training.compute import bf16_is_faster


def compute_dtype(config: TrainConfig) -> torch.dtype:
    """The format that ``config.precision`` names; ``auto`` asks ``fastest_compute``."""
    known = {"fp32": torch.float32, "bf16": torch.bfloat16}
    if config.precision == "auto":
        return fastest_compute()
    if config.precision not in known:
        raise ValueError(f"precision {config.precision!r} is unknown; use auto, fp32 or bf16")
    return known[config.precision]


def fastest_compute() -> torch.dtype:
    """bfloat16 where this machine multiplies it faster than float32."""
    device = "cuda" if torch.cuda.is_available() else "cpu"
    return torch.bfloat16 if bf16_is_faster(device) else torch.float32
