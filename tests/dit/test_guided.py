"""The guided velocity of a pack: what is given has level 0, and the two copies differ by the caption alone."""

import pytest
import torch

from dit.config import DiTConfig
from dit.guided import guided_velocity, plan_pack
from dit.model import DiT

SMALL = DiTConfig(width=48, depth=2, heads=2, refiner_depth=1, latent_channels=4, text_dim=16)
SHAPES = [(3, 4, 6), (1, 8, 8)]
GIVEN = torch.tensor([True, False, False])


def plan(**options):
    torch.manual_seed(0)
    clean = torch.randn(4, 3, 4, 6)
    return plan_pack(
        SMALL,
        SHAPES,
        [torch.randn(7, 16), None],
        clean=[clean, None],
        given=[GIVEN, None],
        **options,
    )


def awake() -> DiT:
    torch.manual_seed(1)
    model = DiT(SMALL)
    for parameter in model.parameters():
        if not parameter.any():
            torch.nn.init.normal_(parameter, std=0.2)
    return model.eval().requires_grad_(False)


def test_given_tokens_are_at_level_zero_in_both_copies():
    found = plan()
    tokens = found.given.repeat(2)
    assert found.given.sum() == 2 * 3
    assert torch.equal(
        found.levels.at(found.levels.value * 0.4).of_tokens(), torch.where(tokens, 0.0, 0.4)
    )


@pytest.mark.parametrize("rule", ["cfg", "cfg-zero", "apg"])
def test_a_scale_of_one_is_the_conditional_velocity(rule):
    model, found, single = awake(), plan(), plan(guided=False)
    x = found.noise
    ours = guided_velocity(model, found, 1.0, rule)(x, 0.6)
    torch.testing.assert_close(
        ours, guided_velocity(model, single, 1.0)(x, 0.6), atol=1e-5, rtol=1e-5
    )


def test_an_unknown_rule_is_refused():
    with pytest.raises(ValueError, match="use one of cfg, cfg-zero, apg"):
        guided_velocity(awake(), plan(), 2.0, "none")
