"""Checkpoints of runs with sharded weights."""

from __future__ import annotations

from pathlib import Path

import torch
from torch.distributed.checkpoint import HuggingFaceStorageReader, load


def stored_tensors(path: Path) -> dict[str, torch.Tensor]:
    """All tensors of a checkpoint that is a folder, whole; ValueError where it is torn."""
    reader = HuggingFaceStorageReader(str(path))
    stored = reader.read_metadata().state_dict_metadata
    found = {k: torch.empty(each.size, dtype=each.properties.dtype) for k, each in stored.items()}
    load(found, storage_reader=reader, no_dist=True)
    return found
