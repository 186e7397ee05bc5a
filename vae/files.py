"""Where a VAE's files are and what they say, without torch: names, and the id of a latent space from stored bytes."""

from __future__ import annotations

from pathlib import Path

from pipeline.store.weights import stored_id

EMBEDDED = Path(__file__).parent / "weights" / "vae.safetensors"
WEIGHTS_NAME = "vae.safetensors"
"""File of a trained VAE in the folder of its training."""
STATE_NAME = "state.pt"
"""File there that a stopped training goes on from."""


def stored_space_id(file: Path) -> str:
    """``vae.checkpoint.latent_space_id`` of the tensors in a file; ValueError where one is damaged."""
    return stored_id(file, but="decoder.")
