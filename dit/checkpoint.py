"""DiT files: ``dit.safetensors`` to sample with, ``state.pt`` to go on training. Both appear whole or not at all."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from dit.config import FORMAT, DiTConfig
from dit.files import read_metadata, weights_file
from dit.latents import LatentSpec
from dit.model import DiT
from pipeline.store.atomic import write_bytes
from pipeline.store.weights import built_with, digest_tensors, read_tensors
from pipeline.store.weights_sum import with_sum


@dataclass(frozen=True, kw_only=True)
class Loaded:
    """A DiT read from a file, with what it needs beside its weights."""

    model: DiT
    """Weights in float32, evaluation mode."""
    latents: LatentSpec
    """Which latents it makes."""
    id: str
    """Content id of the weights."""
    info: dict[str, Any]
    """How it was trained."""


def content_id(tensors: Mapping[str, Tensor]) -> str:
    """16 hex digits from names, shapes, dtypes and bytes of the tensors, in name order: ``stored_id`` of their file."""
    digest = hashlib.blake2b(digest_size=8)
    digest_tensors(digest, tensors)
    return digest.hexdigest()


def save_dit(
    model: DiT,
    latents: LatentSpec,
    path: str | Path,
    *,
    info: dict[str, Any] | None = None,
    dtype: torch.dtype = torch.bfloat16,
) -> str:
    """Write matrices as ``dtype`` and vectors as float32; returns the content id."""
    from safetensors.torch import save

    tensors = {
        name: tensor.detach().cpu().to(stored_dtype(name, tensor, dtype)).contiguous()
        for name, tensor in model.state_dict().items()
    }
    data = save(tensors, metadata_of(model.config, latents, info))
    write_bytes(Path(path), with_sum(data))
    return content_id(tensors)


def stored_dtype(name: str, tensor: Tensor, dtype: torch.dtype = torch.bfloat16) -> torch.dtype:
    """Number format of a weight in a file: matrices ``dtype``, vectors float32."""
    return dtype if name.endswith("weight") and tensor.ndim == 2 else torch.float32


def metadata_of(
    config: DiTConfig, latents: LatentSpec, info: dict[str, Any] | None
) -> dict[str, str]:
    """What a file says of itself in its header."""
    return {
        "format": FORMAT,
        "config": json.dumps(config.to_dict(), sort_keys=True),
        "latents": json.dumps(latents.to_dict(), sort_keys=True),
        "info": json.dumps(info or {}, sort_keys=True),
    }


def load_dit(path: str | Path = "embedded") -> Loaded:
    """The DiT of a file, of a folder that holds ``dit.safetensors``, or ``"embedded"``."""
    file = weights_file(path)
    metadata, tensors = read_metadata(file), read_tensors(file)
    config = DiTConfig.from_dict(json.loads(metadata["config"]))
    model = built_with(lambda: DiT(config), tensors, file)
    return Loaded(
        model=model.eval().requires_grad_(False),
        latents=LatentSpec.from_dict(json.loads(metadata["latents"])),
        id=content_id(tensors),
        info=json.loads(metadata.get("info", "{}")),
    )
