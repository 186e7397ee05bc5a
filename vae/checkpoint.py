"""VAE files: ``vae.safetensors`` to use, ``state.pt`` to go on training. Both appear whole or not at all."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import torch
from torch import Tensor

from pipeline.store.atomic import write_bytes
from pipeline.store.weights import built_with, digest_tensors, read_tensors, weights_metadata
from pipeline.store.weights_sum import with_sum
from vae.config import FORMAT, VAEConfig
from vae.files import weights_file
from vae.model import VideoVAE


def latent_space_id(tensors: dict[str, Tensor]) -> str:
    """16 hex digits that name a latent space: from the encoder and the latent statistics, in name order.

    The decoder has no part in it, so a decoder trained further still reads latents that were cached before.
    """
    digest = hashlib.blake2b(digest_size=8)
    kept = {name: each for name, each in tensors.items() if not name.startswith("decoder.")}
    digest_tensors(digest, kept)
    return digest.hexdigest()


def save_vae(
    vae: VideoVAE, path: str | Path, *, dtype: torch.dtype = torch.float16, info: dict | None = None
) -> str:
    """Write weights as ``dtype`` (latent statistics stay float32) and return the id of its latent space."""
    from safetensors.torch import save

    tensors = {
        name: tensor.detach().cpu().contiguous().to(torch.float32 if "latent_" in name else dtype)
        for name, tensor in vae.state_dict().items()
    }
    metadata = {
        "format": FORMAT,
        "config": json.dumps(vae.config.to_dict(), sort_keys=True),
        "latent_mean": json.dumps(vae.latent_mean.tolist()),
        "latent_std": json.dumps(vae.latent_std.tolist()),
        "info": json.dumps(info or {}, sort_keys=True),
    }
    write_bytes(Path(path), with_sum(save(tensors, metadata)))
    return latent_space_id(tensors)


def load_vae(path: str | Path = "embedded") -> VideoVAE:
    """The VAE of a file, a folder that holds ``vae.safetensors``, or ``"embedded"``; fp32, eval mode."""
    file = weights_file(path)
    metadata = weights_metadata(file, FORMAT, "train-vae", "VAE")
    tensors = read_tensors(file)
    config = VAEConfig.from_dict(json.loads(metadata["config"]))
    vae = built_with(lambda: VideoVAE(config), tensors, file)
    vae.id = latent_space_id(tensors)
    return vae.eval().requires_grad_(False)
