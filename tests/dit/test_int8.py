"""int8 weights: small, close, for sampling; what is sensitive keeps its format."""

from importlib.util import find_spec

import pytest
import torch

from dit.config import DiTConfig, SamplerConfig
from dit.int8 import in_blocks, int8_weights, weight_bytes
from dit.model import DiT
from dit.samplers import generate
from tests.helpers.awake_dit import frozen_dit

SHAPE = DiTConfig(width=64, depth=2, heads=2, mlp_ratio=2, latent_channels=4, text_dim=16)
TEXT = torch.randn(5, 16, generator=torch.Generator().manual_seed(1))
torchao = pytest.mark.skipif(find_spec("torchao") is None, reason="extra quant is not installed")


def awake() -> DiT:
    return frozen_dit(SHAPE, seed=1, std=0.1)


def test_matrices_of_blocks_and_of_the_refiner_are_meant_and_nothing_else() -> None:
    meant = {name for name, module in awake().named_modules() if in_blocks(module, name)}
    assert {"blocks.0.attention.qkv", "blocks.1.mlp.down", "text.blocks.0.mlp.up"} <= meant
    assert not any(
        name.startswith(("modulation", "time", "last", "inp", "place")) for name in meant
    )


def test_without_torchao_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "torchao", None)
    monkeypatch.setitem(sys.modules, "torchao.quantization", None)
    with pytest.raises(ValueError, match=r"pip install 'filmstock\[quant\]'"):
        int8_weights(awake())


@torchao
@pytest.mark.parametrize("compute", [torch.float32, torch.bfloat16])
def test_samples_stay_close_and_weights_are_small(compute: torch.dtype) -> None:
    model = awake().set_compute(compute)
    exact = generate(model, [(3, 4, 4)], [TEXT], SamplerConfig(steps=3))[0]
    names = [name for name, module in model.named_modules() if in_blocks(module, name)]
    matrices = sum(model.get_submodule(name).weight.numel() for name in names)
    before = weight_bytes(model)
    small = generate(int8_weights(model), [(3, 4, 4)], [TEXT], SamplerConfig(steps=3))[0]
    saved = before - weight_bytes(model)
    assert 0.7 * 4 * matrices < saved <= 3 * matrices  # a byte and a share of a scale are left of 4
    away = float((small - exact).norm() / exact.norm())
    assert 0 < away < 0.05
