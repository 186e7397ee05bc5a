"""``dit.safetensors`` from the shards of a checkpoint, one tensor after another: no process gathers the model."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from torch import Tensor

from dit.checkpoint import metadata_of, stored_dtype
from dit.config import DiTConfig
from dit.latents import LatentSpec
from dit.model import DiT
from dit.train.sharded.tensors import EMA
from pipeline.store.weights import METADATA, weights_header
from pipeline.store.weights_stream import Entry, write_stream

PLACES = "DCP_SHARDING_INFO"
"""Where torch.distributed.checkpoint tells the first row and column of each tensor of a file of shards."""


def export_folder(
    folder: Path, path: Path, config: DiTConfig, latents: LatentSpec, info: dict[str, Any]
) -> None:
    """Write the averaged weights of the checkpoint in ``folder`` to ``path``, as ``dit.checkpoint.save_dit`` does."""
    pieces = pieces_of(folder)
    with torch.device("meta"):
        model = DiT(config)
    entries = [
        Entry(
            name=name,
            shape=tuple(p.shape),
            dtype=stored_dtype(name, p),
            read=partial(_joined, pieces[f"{EMA}.{name}"], f"{EMA}.{name}", p.shape),
        )
        for name, p in model.named_parameters()
    ]
    write_stream(path, entries, metadata_of(config, latents, info))


def pieces_of(folder: Path) -> dict[str, list[tuple[Path, list[int], list[int]]]]:
    """Of every tensor its pieces: file, first index and size along each dimension."""
    pieces: dict[str, list[tuple[Path, list[int], list[int]]]] = {}
    for file in sorted(folder.glob("*.safetensors")):
        header = weights_header(file)
        places = json.loads(header[METADATA][PLACES])
        for name, entry in header.items():
            if name != METADATA:
                place = places[name]["saved_offsets"]
                pieces.setdefault(name, []).append((file, place, entry["shape"]))
    return pieces


def _joined(
    pieces: list[tuple[Path, list[int], list[int]]], name: str, shape: torch.Size
) -> Tensor:
    whole = torch.empty(shape)
    left = whole.numel()
    for file, place, size in pieces:
        with safe_open(file, "pt") as handle:
            piece = handle.get_tensor(name)
        whole[tuple(slice(a, a + n) for a, n in zip(place, size, strict=True))] = piece
        left -= piece.numel()
    if left:
        raise ValueError(f"{name} has {left} numbers too few or too many among its shards")
    return whole
