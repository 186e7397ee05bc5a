"""The table of a VAE's weights is that of the model itself, in every variant and size."""

from __future__ import annotations

import pytest
import torch

from vae.config import PRESETS, VAEConfig
from vae.model import VideoVAE
from vae.shapes import weight_shapes

VARIANTS = {
    **PRESETS,
    "one stage, no linear path": VAEConfig(
        widths=(8,), strides=(), encoder_blocks=(1,), decoder_blocks=(2,), linear_path=False
    ),
    "three stages, stride over time": VAEConfig(
        latent_channels=3,
        patch=(2, 1),
        widths=(8, 12, 16),
        decoder_widths=(10, 14, 18),
        strides=((2, 2), (1, 4)),
        encoder_blocks=(0, 1, 2),
        decoder_blocks=(1, 0, 3),
        time_kernel=4,
    ),
    "whole patches": VAEConfig(patch=(4, 8), widths=(8, 8)),
}


@pytest.mark.parametrize("name", VARIANTS)
def test_the_table_is_the_models(name: str) -> None:
    with torch.device("meta"):
        weights = VideoVAE(VARIANTS[name]).state_dict()
    assert weight_shapes(VARIANTS[name]) == {n: tuple(w.shape) for n, w in weights.items()}
