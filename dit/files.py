"""Where a DiT's file is and what its header says, without torch: what does not fit is refused before it is imported."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dit.config import FORMAT, WEIGHTS_NAME, DiTConfig
from dit.latents import LatentSpec
from dit.shapes import weight_shapes
from pipeline.store.weights import (
    StoredTensors,
    check_shapes,
    find_weights,
    stored_id,
    weights_metadata,
)

EMBEDDED = Path(__file__).parent / "weights" / WEIGHTS_NAME


def weights_file(path: str | Path = "embedded") -> Path:
    """The file that a path means: itself, the one in a folder of ``train-dit``, or ours; ValueError where none is."""
    missing = "no DiT at {}; train one with `filmstock train-dit LATENTS --out DIR`"
    return find_weights(path, EMBEDDED, missing)


def read_metadata(file: Path) -> dict[str, str]:
    """What the header of a DiT's file says of it; ValueError for one that is damaged, or of something else."""
    return weights_metadata(file, FORMAT, "train-dit", "DiT")


def read_config(path: str | Path = "embedded") -> DiTConfig:
    """Shape of the DiT that ``dit.checkpoint.load_dit`` would load, without its weights."""
    return DiTConfig.from_dict(json.loads(read_metadata(weights_file(path))["config"]))


def read_latents(path: str | Path = "embedded") -> LatentSpec:
    """Which latents the DiT makes that ``dit.checkpoint.load_dit`` would load."""
    return LatentSpec.from_dict(json.loads(read_metadata(weights_file(path))["latents"]))


@dataclass(frozen=True, kw_only=True)
class Opened:
    """A DiT's file, its weights unread."""

    config: DiTConfig
    """Shape of the model."""
    weights: StoredTensors
    """The weights by name, as they are stored, each read when it is asked for."""
    latents: LatentSpec
    """Which latents it makes."""
    id: str
    """Content id of the weights."""
    info: dict[str, Any]
    """How it was trained."""


def open_dit(path: str | Path = "embedded") -> Opened:
    """What ``dit.checkpoint.load_dit`` would load, with its weights left in the file.

    They are read once, a tensor at a time, for the id. Raises ValueError for a file that is damaged or something else,
    for weights that do not fit their config, and for numbers that are not finite.
    """
    file = weights_file(path)
    metadata, tensors = read_metadata(file), StoredTensors(file)
    config = DiTConfig.from_dict(json.loads(metadata["config"]))
    check_shapes(weight_shapes(config), tensors.shapes, file)
    return Opened(
        config=config,
        weights=tensors,
        latents=LatentSpec.from_dict(json.loads(metadata["latents"])),
        id=stored_id(file),
        info=json.loads(metadata.get("info", "{}")),
    )
