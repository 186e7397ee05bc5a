"""Write a file of weights (safetensors) one tensor after another, so that no process holds them all."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.store.atomic import atomic_path
from pipeline.store.weights import METADATA
from pipeline.store.weights_sum import SUM, UNKNOWN, header_bytes, put_sum

if TYPE_CHECKING:
    import torch
    from torch import Tensor


@dataclass(frozen=True, kw_only=True)
class Entry:
    """A tensor that is yet to be read."""

    name: str
    """Its name in the file."""
    shape: tuple[int, ...]
    """Its shape."""
    dtype: torch.dtype
    """Number format in the file."""
    read: Callable[[], Tensor]
    """The tensor, on the CPU, in any format."""


def write_stream(path: Path, entries: Sequence[Entry], metadata: Mapping[str, str]) -> None:
    """Write the file atomically; in memory is one tensor at a time. ValueError for one of another shape."""
    import torch
    import xxhash

    letters = {torch.float32: "F32", torch.bfloat16: "BF16", torch.float16: "F16"}
    entries = sorted(entries, key=lambda e: (-e.dtype.itemsize, e.name))  # keeps them aligned
    header: dict[str, object] = {METADATA: {**metadata, SUM: UNKNOWN}}
    offset = 0
    for entry in entries:
        size = entry.dtype.itemsize * torch.Size(entry.shape).numel()
        header[entry.name] = {
            "dtype": letters[entry.dtype],
            "shape": list(entry.shape),
            "data_offsets": [offset, offset + size],
        }
        offset += size
    start, digest = header_bytes(header), xxhash.xxh3_64()
    with atomic_path(path, sole=True) as temporary, temporary.open("wb") as file:
        file.write(start)
        for entry in entries:
            tensor = entry.read().to(entry.dtype).contiguous()
            if tuple(tensor.shape) != entry.shape:
                raise ValueError(f"{entry.name} has shape {tuple(tensor.shape)}, not {entry.shape}")
            data = tensor.reshape(-1).view(torch.uint8).numpy()
            digest.update(data)
            file.write(data)
        put_sum(file, start, digest.hexdigest())
