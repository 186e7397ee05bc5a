"""Untrained models of the real classes, small enough to build in a test."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any


def tiny_clip(folder: Path, seed: int = 0) -> Path:
    """An open_clip folder (default BPE tokenizer, 24-wide text tower)."""
    from pipeline.openclip.torchvision_compat import prepare_torchvision

    prepare_torchvision()
    import open_clip
    import torch
    from safetensors.torch import save_file

    vision = {"image_size": 32, "layers": 1, "width": 32, "head_width": 16, "patch_size": 16}
    text = {"context_length": 77, "vocab_size": 49408, "width": 24, "heads": 2, "layers": 1}
    config = {"embed_dim": 16, "vision_cfg": vision, "text_cfg": text}
    preprocess = {"mean": [0.5] * 3, "std": [0.5] * 3}
    folder.mkdir(parents=True, exist_ok=True)
    body = json.dumps({"model_cfg": config, "preprocess_cfg": preprocess})
    (folder / "open_clip_config.json").write_text(body)
    torch.manual_seed(seed)
    weights = open_clip.model.CLIP(**config).state_dict()
    weights = {name: tensor.contiguous() for name, tensor in weights.items()}
    save_file(weights, folder / "open_clip_model.safetensors")
    return folder


def thin_preset() -> Any:
    """The tiny preset of the VAE with fewer and narrower layers."""
    from dataclasses import replace

    from vae.config import VAEConfig

    thin = {"widths": (16, 32), "decoder_widths": None, "reach": 1}
    few = {"encoder_blocks": (1, 1), "decoder_blocks": (1, 1)}
    return replace(VAEConfig.preset("tiny"), **thin, **few)


def tiny_vae(path: Path, seed: int = 0) -> Path:
    """An untrained checkpoint of ``thin_preset``."""
    import torch

    from vae.checkpoint import save_vae
    from vae.model import VideoVAE

    torch.manual_seed(seed)
    save_vae(VideoVAE(thin_preset()), path)
    return path
