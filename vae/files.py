"""Where a VAE's files are and what they say, without torch: names, and the id of a latent space from stored bytes."""

from __future__ import annotations

import hashlib
from pathlib import Path

from pipeline.store.weights import METADATA, weights_header

EMBEDDED = Path(__file__).parent / "weights" / "vae.safetensors"
WEIGHTS_NAME = "vae.safetensors"
"""File of a trained VAE in the folder of its training."""
STATE_NAME = "state.pt"
"""File there that a stopped training goes on from."""
DTYPES = {
    "F64": "torch.float64",
    "F32": "torch.float32",
    "F16": "torch.float16",
    "BF16": "torch.bfloat16",
}
"""Number format in a header -> torch's name of it."""


def stored_space_id(file: Path) -> str | None:
    """``vae.checkpoint.latent_space_id`` of the tensors in a file; None where a number format is a strange one."""
    header = weights_header(file)
    digest = hashlib.blake2b(digest_size=8)
    with file.open("rb") as handle:
        base = 8 + int.from_bytes(handle.read(8), "little")
        for name in sorted(header):
            if name == METADATA or name.startswith("decoder."):
                continue
            entry = header[name]
            if entry["dtype"] not in DTYPES:
                return None
            shape = tuple(entry["shape"])
            digest.update(f"{name} {shape} {DTYPES[entry['dtype']]}\n".encode())
            first, stop = entry["data_offsets"]
            handle.seek(base + first)
            digest.update(handle.read(stop - first) if shape else b"")
    return digest.hexdigest()
