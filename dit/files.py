"""Where a DiT's file is and what its header says, without torch: what does not fit is refused before it is imported."""

from __future__ import annotations

import json
from pathlib import Path

from dit.config import FORMAT, WEIGHTS_NAME, DiTConfig
from pipeline.store.weights import weights_metadata

EMBEDDED = Path(__file__).parent / "weights" / "dit.safetensors"


def weights_file(path: str | Path = "embedded") -> Path:
    """The file that a path means: itself, the one in a folder of ``train-dit``, or ours; ValueError where none is."""
    file = EMBEDDED if str(path) == "embedded" else Path(path)
    if file.is_dir():
        file = file / WEIGHTS_NAME
    if not file.is_file():
        raise ValueError(
            f"no DiT at {file}; train one with `filmstock train-dit LATENTS --out DIR`"
        )
    return file


def read_metadata(file: Path) -> dict[str, str]:
    """What the header of a DiT's file says of it; ValueError for one that is damaged, or of something else."""
    return weights_metadata(file, FORMAT, "train-dit", "DiT")


def read_config(path: str | Path = "embedded") -> DiTConfig:
    """Shape of the DiT that ``dit.checkpoint.load_dit`` would load, without its weights."""
    return DiTConfig.from_dict(json.loads(read_metadata(weights_file(path))["config"]))
