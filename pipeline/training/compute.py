"""Which number format matrix products run in, on this machine."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch

BF16_UNITS = ("avx512_bf16", "amx_bf16", "bf16")
"""Names under which torch lists instructions that multiply bfloat16, on x86 and on ARM."""


def bf16_is_faster(device: str = "cpu") -> bool:
    """Whether a GPU, or the CPU's own instructions, multiply bfloat16; ``device``: ``cpu`` or ``cuda``.

    Read, not timed: a clock on a busy machine answers differently from run to run, and equal runs stay equal. Where the
    instructions are missing, bfloat16 is slower than float32.
    """
    import torch

    if device.startswith("cuda"):
        return True
    read = getattr(torch.cpu, "get_capabilities", dict)
    capabilities: dict[str, Any] = read()
    return any(capabilities.get(name) for name in BF16_UNITS)


def compute_dtype(precision: str = "auto", device: str = "cpu") -> torch.dtype:
    """The number format that ``precision`` names: ``fp32``, ``bf16``, or ``auto`` for the faster one on ``device``."""
    import torch

    known = {"fp32": torch.float32, "bf16": torch.bfloat16}
    if precision == "auto":
        return torch.bfloat16 if bf16_is_faster(device) else torch.float32
    if precision not in known:
        raise ValueError(f"precision {precision!r} is unknown; use auto, fp32 or bf16")
    return known[precision]


def begun_dtype(
    precision: str, device: torch.device, state: Mapping[str, Any] | None
) -> torch.dtype:
    """As ``compute_dtype``, or the number format that the run of a ``state`` began with."""
    import torch

    if state is None:
        return compute_dtype(precision, str(device))
    dtype: torch.dtype = getattr(torch, state["compute"])
    return dtype
