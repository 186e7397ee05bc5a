"""Where a VAE's files are and what they say, without torch: names, and the id of a latent space from stored bytes."""

from __future__ import annotations

from pathlib import Path

from pipeline.store.weights import find_weights, stored_id

WEIGHTS_NAME = "vae.safetensors"
"""File of a trained VAE in the folder of its training."""
EMBEDDED = Path(__file__).parent / "weights" / WEIGHTS_NAME
STATE_NAME = "state.pt"
"""File there that a stopped training goes on from."""


def weights_file(path: str | Path = "embedded") -> Path:
    """The file that a path means: itself, the one in a folder of ``train-vae``, or ours; ValueError where none is."""
    missing = "no VAE at {}; train one with `filmstock train-vae SHARDS --out DIR`"
    return find_weights(path, EMBEDDED, missing)


def stored_space_id(file: Path) -> str:
    """``vae.checkpoint.latent_space_id`` of the tensors in a file; ValueError where one is damaged."""
    return stored_id(file, but="decoder.")
