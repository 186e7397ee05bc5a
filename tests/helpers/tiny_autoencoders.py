"""Tiny random instances of the video VAEs of diffusers, in their true classes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from pipeline.openclip.torchvision_compat import prepare_torchvision


def make_tiny(name: str, **changed: Any) -> Any:
    """A model of class ``name`` with random weights and settings that its real ones have, much smaller."""
    prepare_torchvision()
    diffusers = pytest.importorskip("diffusers")
    torch.manual_seed(0)
    settings: dict[str, dict[str, Any]] = {
        "AutoencoderKLWan": {
            "base_dim": 4,
            "z_dim": 4,
            "dim_mult": [1, 1, 1, 1],
            "num_res_blocks": 1,
            "latents_mean": [0.1, -0.2, 0.3, 0.0],
            "latents_std": [2.0, 1.5, 0.5, 1.0],
        },
        "AutoencoderKLCogVideoX": {
            "block_out_channels": (8, 8, 8, 8),
            "latent_channels": 4,
            "layers_per_block": 1,
            "norm_num_groups": 2,
            "down_block_types": ("CogVideoXDownBlock3D",) * 4,
            "up_block_types": ("CogVideoXUpBlock3D",) * 4,
            "scaling_factor": 0.7,
        },
        "AutoencoderKLLTX2Video": {
            "latent_channels": 8,
            "block_out_channels": (8, 8, 8, 8),
            "decoder_block_out_channels": (8, 16, 32),
            "layers_per_block": (1, 1, 1, 1, 1),
            "decoder_layers_per_block": (1, 1, 1, 1),
        },
        "AutoencoderKLHunyuanVideo15": {
            "latent_channels": 4,
            "block_out_channels": (32, 32, 32, 32, 32),
            "layers_per_block": 1,
        },
    }
    return getattr(diffusers, name)(**settings[name] | changed).eval()


def write_tiny(folder: Path, name: str) -> Path:
    """``make_tiny`` as ``save_pretrained`` leaves it."""
    make_tiny(name).save_pretrained(folder)
    return folder
