"""Which number format matrix products run in."""

from __future__ import annotations

import torch

from dit.config import TrainConfig
from pipeline.training.compute import bf16_is_faster


def compute_dtype(config: TrainConfig, device: torch.device) -> torch.dtype:
    """The format that ``config.precision`` names; ``auto`` asks ``fastest_compute``."""
    known = {"fp32": torch.float32, "bf16": torch.bfloat16}
    if config.precision == "auto":
        return fastest_compute(device)
    if config.precision not in known:
        raise ValueError(f"precision {config.precision!r} is unknown; use auto, fp32 or bf16")
    return known[config.precision]


def fastest_compute(device: torch.device) -> torch.dtype:
    """bfloat16 where ``device`` multiplies it faster than float32."""
    return torch.bfloat16 if bf16_is_faster(str(device)) else torch.float32
