"""Which number format matrix products run in."""

from __future__ import annotations

import time

import torch
import torch.nn.functional as F

from dit.config import TrainConfig


def compute_dtype(config: TrainConfig) -> torch.dtype:
    """The format that ``config.precision`` names; ``auto`` asks ``fastest_compute``."""
    known = {"fp32": torch.float32, "bf16": torch.bfloat16}
    if config.precision == "auto":
        return fastest_compute()
    if config.precision not in known:
        raise ValueError(f"precision {config.precision!r} is unknown; use auto, fp32 or bf16")
    return known[config.precision]


def fastest_compute(width: int = 192, rows: int = 1024) -> torch.dtype:
    """bfloat16 if a short probe on this CPU finds its matrix products at least 1.3 times as fast as float32."""
    if torch.cuda.is_available():
        return torch.bfloat16

    def best(dtype: torch.dtype) -> float:
        x = torch.randn(rows, width, dtype=dtype)
        w = torch.randn(4 * width, width, dtype=dtype)
        spans = []
        for _ in range(6):
            start = time.perf_counter()
            F.linear(x, w)
            spans.append(time.perf_counter() - start)
        return min(spans)

    return torch.bfloat16 if best(torch.bfloat16) * 1.3 < best(torch.float32) else torch.float32
