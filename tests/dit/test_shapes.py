"""The table of a transformer's weights is that of the model itself, in every variant and size."""

from __future__ import annotations

import pytest
import torch

from dit.config import PRESETS, DiTConfig
from dit.model import DiT
from dit.shapes import weight_shapes

SMALL = {"width": 24, "depth": 2, "heads": 2, "mlp_ratio": 2, "latent_channels": 4, "text_dim": 6}
VARIANTS = {
    "plain": DiTConfig(**SMALL),
    "gated": DiTConfig(**SMALL, head_gate=True),
    "factorised": DiTConfig(**SMALL, attention="factorised"),
    "factorised and gated": DiTConfig(**SMALL, attention="factorised", head_gate=True),
    "references": DiTConfig(**SMALL, references=True),
    "patch over time, deep refiner": DiTConfig(**SMALL, patch=(2, 4, 2), refiner_depth=3),
    "no refiner": DiTConfig(**SMALL, refiner_depth=0),
    **{name: DiTConfig.preset(name) for name in PRESETS},
}


@pytest.mark.parametrize("name", VARIANTS)
def test_the_table_is_the_models(name: str) -> None:
    with torch.device("meta"):
        weights = DiT(VARIANTS[name]).state_dict()
    assert weight_shapes(VARIANTS[name]) == {n: tuple(w.shape) for n, w in weights.items()}
