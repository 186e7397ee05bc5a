"""A fake GPU: code for accelerators run on a machine without one.

Under torch's ``FakeTensorMode`` a tensor has shape, dtype and device, and no numbers. An operation on tensors of two
devices raises, and so does every read of a number by the host (``float``, ``tolist``, ``nonzero``): those are the waits
that make a GPU idle. What this cannot tell is speed and values.

The device is called ``fakegpu`` and is registered through torch's PrivateUse1 backend, since a build of torch without
CUDA cannot run a backward pass on fake ``cuda`` tensors: autograd asks for the accelerator's streams. Our code takes
the same way for every device that is not the CPU.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import torch
from torch import nn
from torch._subclasses.fake_tensor import FakeTensorMode

T = TypeVar("T")
M = TypeVar("M", bound=nn.Module)


@functools.cache
def fake_device() -> torch.device:
    """The fake GPU; registered with torch by the first call of a process."""
    from torch.utils import backend_registration as backends

    class Module(backends._DummyBackendModule):
        def get_amp_supported_dtype(self) -> list[torch.dtype]:
            return [torch.bfloat16, torch.float16]

        def get_rng_state(self, device: Any = None) -> torch.Tensor:
            return torch.zeros(1)

        def set_rng_state(self, state: torch.Tensor, device: Any = None) -> None:
            pass

    backends._setup_privateuseone_for_python_backend("fakegpu", backend_module=Module())
    return torch.device("fakegpu", 0)


@contextmanager
def fake_gpu() -> Iterator[torch.device]:
    """Inside it new tensors are fake, and real ones may be moved to the fake GPU, which it gives."""
    device = fake_device()
    with FakeTensorMode(allow_non_fake_inputs=True):
        yield device


def there(value: T, device: torch.device) -> T:
    """``value`` (tensors in lists, tuples, dicts and dataclasses) with a fake tensor on ``device`` for every tensor."""

    def move(item: Any) -> Any:
        if isinstance(item, torch.Tensor):
            return torch.empty(item.shape, dtype=item.dtype, device=device)
        if dataclasses.is_dataclass(item) and not isinstance(item, type):
            return dataclasses.replace(
                item,
                **{
                    name: move(v)
                    for name, v in vars(item).items()
                    if name in item.__dataclass_fields__
                },
            )
        if isinstance(item, dict):
            return {name: move(each) for name, each in item.items()}
        if isinstance(item, list | tuple):
            parts = [move(each) for each in item]
            return type(item)(*parts) if hasattr(item, "_fields") else type(item)(parts)
        return item

    return move(value)


def on_fake_gpu(module: M) -> M:
    """``module`` with every weight and buffer replaced by a fake one on the fake GPU; call it inside ``fake_gpu``."""
    device = fake_device()
    for part in module.modules():
        for name, weight in part._parameters.items():
            if weight is not None:
                empty = torch.empty(weight.shape, dtype=weight.dtype, device=device)
                part._parameters[name] = nn.Parameter(empty, requires_grad=weight.requires_grad)
        for name, buffer in part._buffers.items():
            if buffer is not None:
                part._buffers[name] = torch.empty(buffer.shape, dtype=buffer.dtype, device=device)
    return module
