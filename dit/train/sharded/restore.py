"""Read a sharded checkpoint into a run, whatever the number of processes that wrote it and that now read it."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import torch.distributed as dist
from torch.distributed.checkpoint import HuggingFaceStorageReader, load

from dit.train.sharded.tensors import (
    EMA,
    MODEL,
    OPTIMIZER,
    give_moments,
    named_weights,
    room_for_moments,
)
from pipeline.training.ema import Ema
from pipeline.training.optim import Optimizer


def load_tensors(
    folder: Path, model: Any, ema: Ema, optimizer: Optimizer, groups: list[list[dict[str, Any]]]
) -> None:
    """Fill weights, averages and moments from ``folder``; each process reads its own rows alone.

    ``groups`` are the optimizer's ``param_groups``, part by part. The files are safetensors, so nothing in them can
    run code. ValueError where something is missing or of another shape.
    """
    reader = HuggingFaceStorageReader(str(folder))
    try:
        stored = reader.read_metadata().state_dict_metadata
        shapes = {name: (each.size, each.properties.dtype) for name, each in stored.items()}
        room = room_for_moments(optimizer, shapes)
        targets = {**named_weights(MODEL, model), **named_weights(EMA, ema.model), **room}
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "torch.distributed is disabled")
            load(targets, storage_reader=reader, no_dist=not dist.is_initialized())
    except Exception as error:  # of many kinds, from threads and other processes
        raise ValueError(f"{folder} is not a readable checkpoint: {error}") from error
    moments = {name: each for name, each in targets.items() if name.startswith(OPTIMIZER)}
    give_moments(optimizer, moments, groups)
