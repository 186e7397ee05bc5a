"""Which device a command computes on: found once at its top, passed down, and the one way that tensors get there."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import fields, replace
from typing import TYPE_CHECKING, Any, Self, TypeVar

if TYPE_CHECKING:
    import torch

T = TypeVar("T")
DRIVERS = ("/dev/nvidiactl", "/dev/nvmap", "/dev/kfd", "/dev/dxg")
"""Devices of the drivers of NVIDIA, of its Jetsons, of AMD, and of Windows."""
NO_DRIVER = "no driver of a GPU runs here"


def pick_device(name: str = "auto") -> torch.device:
    """The device that ``name`` asks for: ``auto`` (a CUDA GPU where there is one, else the CPU), ``cpu``, ``cuda``,
    ``cuda:1``.

    A device that is not here, or a name that is none, is refused by ValueError: a run never falls back in silence.
    """
    check_device_name(name)
    if name.startswith("cuda") and "torch" not in sys.modules and not has_driver():
        raise ValueError(f"device {name!r} is not there: {NO_DRIVER}; use auto or cpu")
    import torch

    # cuBLAS reads it before its first product: sums then have the same order every time
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    device = torch.device(name)
    if device.type == "cuda":
        count = torch.cuda.device_count() if torch.cuda.is_available() else 0
        if (device.index or 0) >= count:
            have = f"torch {torch.__version__} sees {count} GPUs here"
            raise ValueError(f"device {name!r} is not there: {have}; use auto or cpu")
    return device


def check_device(name: str) -> None:
    """``pick_device`` for its errors alone: torch is imported only where a GPU is named and may be here."""
    check_device_name(name)
    if name.startswith("cuda"):
        pick_device(name)


def has_driver() -> bool:
    """Whether a driver of GPUs runs here, without torch: what has none has no device of torch's either."""
    return any(map(os.path.exists, DRIVERS))


def check_device_name(name: str) -> None:
    """ValueError for what is no name of a device; asks neither torch nor the machine."""
    if not re.fullmatch(r"auto|cpu|cuda(:\d{1,4})?", name):
        raise ValueError(f"device {name!r} is unknown; use auto, cpu, cuda or cuda:N")


def to_device(value: T, device: torch.device | str) -> T:
    """``value`` with every tensor in it on ``device``: a tensor, a list, tuple or dict, or anything with a ``to``.

    Copies from the CPU to a GPU go through pinned memory and do not wait for the GPU. What is no tensor stays.
    """
    import torch

    device = torch.device(device)

    def move(item: Any) -> Any:
        if isinstance(item, torch.Tensor):
            if item.device == device or (item.device.type, device.index) == (device.type, None):
                return item
            if device.type == "cuda" and item.device.type == "cpu":
                pinned = item if item.is_pinned() else item.pin_memory()
                return pinned.to(device, non_blocking=True)
            return item.to(device)
        if isinstance(item, Mapping):
            return {name: move(each) for name, each in item.items()}
        if isinstance(item, tuple):
            parts = [move(each) for each in item]
            return type(item)(*parts) if hasattr(item, "_fields") else tuple(parts)
        if isinstance(item, list):
            return [move(each) for each in item]
        return item.to(device) if hasattr(item, "to") else item

    return move(value)


class OnDevice:
    """A dataclass that goes to a device whole."""

    def to(self, device: torch.device | str) -> Self:
        """The same with its tensors on ``device``."""
        whole: Any = self
        held = {each.name: getattr(whole, each.name) for each in fields(whole)}
        moved: Self = replace(whole, **to_device(held, device))
        return moved


def device_line(device: torch.device) -> str:
    """What computes, in a few words for the first line of a command: ``NVIDIA H100 (80 GB)`` or ``8 CPU threads``."""
    import torch

    if device.type == "cuda":
        found = torch.cuda.get_device_properties(device)
        return f"{found.name} ({found.total_memory / 2**30:.0f} GB)"
    return f"{torch.get_num_threads()} CPU threads"


@contextmanager
def same_bits(device: torch.device, on: bool = True) -> Iterator[None]:
    """Inside it, kernels on a GPU sum in a fixed order, so that equal inputs give equal bits; a CPU always does."""
    import torch

    if device.type != "cuda" or not on:
        yield
        return
    before = torch.are_deterministic_algorithms_enabled()
    fill = torch.utils.deterministic.fill_uninitialized_memory
    torch.use_deterministic_algorithms(True, warn_only=True)
    torch.utils.deterministic.fill_uninitialized_memory = False  # a pass over memory for nothing
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(before)
        torch.utils.deterministic.fill_uninitialized_memory = fill
