"""Costs: the memory of the measured runs, speed where it was measured, and wider bounds where it was not."""

from __future__ import annotations

import pytest

from dit.config import DiTConfig, TrainConfig
from dit.costs import MEASURED, flops_of, memory_of, parameters_of, speed_of
from dit.model import DiT


@pytest.mark.parametrize(
    ("preset", "tokens", "recompute", "measured"),
    [("XL", 32_760, False, 73.9), ("B", 99_981, True, 11.2)],
)
def test_memory_is_that_of_the_measured_runs(
    preset: str, tokens: int, recompute: bool, measured: float
) -> None:
    """GB on an H100, of the table in docs/log/gpu.md; two narrow models are probed for each."""
    config = DiTConfig.preset(preset, latent_channels=16, text_dim=4096)
    train = TrainConfig(
        tokens_per_pack=tokens, precision="bf16", optimizer="adamw", recompute=recompute
    )
    found = memory_of(config, train, clip_tokens=tokens, words=256)
    assert found.total / 1e9 == pytest.approx(measured, rel=0.08)
    spread = memory_of(config, train, clip_tokens=tokens, words=256, shards=8)
    assert spread.weights == found.weights / 8 and spread.gathered > 0


def test_parameters_are_counted_without_building_the_model() -> None:
    config = DiTConfig(width=64, depth=3, heads=2, latent_channels=4, text_dim=16)
    assert parameters_of(config) == DiT(config).n_parameters()
    assert parameters_of(DiTConfig.preset("14B")) > 14e9


def test_speed_is_what_was_measured_and_surer_the_nearer_it_is() -> None:
    for each in MEASURED:
        near = min(("S", "B", "L", "XL"), key=lambda n: abs(DiTConfig.preset(n).width - each.width))
        found = speed_of(DiTConfig.preset(near), each.tokens, "H100")
        assert found.likely == each.tflops and found.low < each.tflops < found.high
    exact = speed_of(DiTConfig.preset("XL"), 32_760, "H100")
    far = speed_of(DiTConfig.preset("14B"), 32_760, "H100")
    other = speed_of(DiTConfig.preset("XL"), 32_760, "A100")
    for found in (far, other):
        assert found.low / found.likely < exact.low / exact.likely
    with pytest.raises(ValueError, match="GPU 'TPU' is not known"):
        speed_of(DiTConfig.preset("B"), 1000, "TPU")


def test_attention_is_the_square_of_a_clip() -> None:
    config = DiTConfig.preset("B")
    one, two = (flops_of(config, 8000, clips=n, words=0) for n in (1, 2))
    assert one - two == pytest.approx(12 * config.depth * config.width * 8000 * 4000)
