"""The guided velocity of a pack: what is given has level 0, and the two copies differ by the caption alone."""

from dataclasses import replace

import pytest
import torch

from dit.conditioning import Condition, edited_latents, given_latents
from dit.config import DiTConfig, SamplerConfig
from dit.guided import guided_velocity, plan_pack
from dit.model import DiT
from tests.helpers.awake_dit import frozen_dit

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
        conditions=[given_latents(clean, GIVEN), None],
        **options,
    )


def awake() -> DiT:
    return frozen_dit(SMALL, seed=1)


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
    ours = guided_velocity(model, found, SamplerConfig(guidance=1.0, rule=rule))(x, 0.6)
    torch.testing.assert_close(ours, guided_velocity(model, single)(x, 0.6), atol=1e-5, rtol=1e-5)


def test_an_unknown_rule_is_refused():
    with pytest.raises(ValueError, match="use one of cfg, cfg-zero, apg"):
        guided_velocity(awake(), plan(), SamplerConfig(rule="none"))


def sampled(model, found, config=None, **options):
    return guided_velocity(model, found, config, **options)(found.first(0.6), 0.6)


def test_outside_its_interval_a_guided_pack_is_the_unguided_one():
    model, found, single = awake(), plan(), plan(guided=False)
    late = SamplerConfig(guidance=3.0, interval=(0.0, 0.5))
    torch.testing.assert_close(
        sampled(model, found, late, alone=single), sampled(model, single), atol=1e-5, rtol=1e-5
    )
    early = SamplerConfig(guidance=3.0, interval=(0.5, 1.0))
    assert torch.equal(
        sampled(model, found, early, alone=single),
        sampled(model, found, SamplerConfig(guidance=3.0)),
    )


def test_the_copy_without_caption_has_the_clip_s_own_frame_rate():
    """At another rate, guidance would push towards the speed that 8 fps has."""
    found = plan(fps=[24.0, 12.5])
    assert found.layout.fps.tolist() == [24.0, 12.5] * 2
    assert plan(fps=30).layout.fps.tolist() == [30.0] * 4


def test_given_tokens_are_shown_clean_where_guidance_is_off_too():
    model, found, single = awake(), plan(), plan(guided=False)
    late = SamplerConfig(guidance=3.0, interval=(0.0, 0.5))
    velocity = guided_velocity(model, found, late, alone=single)
    for t in (0.6, 0.4):
        x = found.first(t)
        drifted = torch.where(found.given[:, None], x + 5.0, x)
        assert torch.equal(velocity(drifted, t), velocity(x, t))


def test_each_clip_has_the_noise_of_its_own_seed():
    both = plan_pack(SMALL, [(3, 4, 6)] * 2, [None] * 2, guided=False, seeds=[5, 6])
    for number, seed in enumerate((5, 6)):
        alone = plan_pack(SMALL, [(3, 4, 6)], [None], guided=False, seeds=[seed])
        assert torch.equal(both.noise.chunk(2)[number], alone.noise)


def test_every_second_level_runs_the_inner_blocks_where_that_is_asked_for():
    model = frozen_dit(replace(SMALL, depth=4), seed=1)
    found = plan(guided=False)
    calls: list[int] = []
    for number, block in enumerate(model.blocks):
        block.register_forward_hook(lambda *_, number=number: calls.append(number))
    velocity = guided_velocity(model, found, SamplerConfig(guidance=1.0, reuse=2))
    for t in (0.9, 0.8, 0.7):
        velocity(found.first(t), t)
    assert calls == [0, 1, 2, 3, 0, 3, 0, 1, 2, 3]


def test_a_model_of_the_other_path_starts_with_noise_of_unit_variance():
    """Below level 1 a little of the data is in the mix; noise alone would be too weak for the model's first look."""
    shape = [(3, 4, 6)]
    found = plan_pack(SMALL, shape, [None], guided=False)
    t = 0.9937
    torch.testing.assert_close(found.first(t), found.noise * (t**2 + (1 - t) ** 2) ** 0.5)
    half = found.first(0.5)
    torch.testing.assert_close(half, found.noise * 0.5**0.5)


def test_skip_layer_guidance_is_its_formula():
    model, found, single = awake(), plan(), plan(guided=False)
    config = SamplerConfig(guidance=3.0, skip_blocks=(1,), skip_scale=0.7)
    guided = sampled(model, found, SamplerConfig(guidance=3.0))
    strong = sampled(model, single)
    model.blocks = model.blocks[:1]
    weak = sampled(model, single)
    ours = sampled(awake(), found, config, alone=single)
    torch.testing.assert_close(ours, guided + 0.7 * (strong - weak), atol=1e-4, rtol=1e-4)


def test_settings_that_do_not_go_together_are_refused():
    with pytest.raises(ValueError, match="skip_scale and skip_blocks come together"):
        SamplerConfig(skip_scale=1.0)
    with pytest.raises(ValueError, match=r"interval goes from 0.8 to 0.2"):
        SamplerConfig(interval=(0.8, 0.2))
    assert SamplerConfig(interval=(0.5, 0.5)).interval == (0.5, 0.5), "one level is an interval"
    with pytest.raises(ValueError, match="zero_steps is 4 of 4 steps"):
        SamplerConfig(steps=4, zero_steps=4)
    with pytest.raises(ValueError, match="no block 7 to skip: the DiT has blocks 0 to 1"):
        sampled(awake(), plan(guided=False), SamplerConfig(skip_blocks=(7,), skip_scale=1.0))


def test_the_level_of_a_token_is_its_start_times_t_and_it_moves_by_so_much_less():
    """A clip that starts at .5 takes the way that one that starts at 1 takes from .5 on."""
    model = awake()
    torch.manual_seed(2)
    clean, shape = torch.randn(4, 3, 4, 6), [(3, 4, 6)]
    half = plan_pack(SMALL, shape, [None], guided=False, conditions=[edited_latents(clean, 0.5)])
    whole = plan_pack(SMALL, shape, [None], guided=False)
    x = half.first(1.0)
    torch.testing.assert_close(x, 0.5 * half.known + 0.5 * half.noise)
    ours = guided_velocity(model, half)(x, 1.0)
    torch.testing.assert_close(ours, 0.5 * guided_velocity(model, whole)(x, 0.5))


def test_given_tokens_that_are_kept_noised_are_shown_at_the_level_of_the_others():
    model = awake()
    torch.manual_seed(2)
    clean, shape = torch.randn(4, 3, 4, 6), [(3, 4, 6)]
    given = given_latents(clean, GIVEN, keep="noised")
    found = plan_pack(SMALL, shape, [None], guided=False, conditions=[given])
    free = plan_pack(SMALL, shape, [None], guided=False)
    shown = torch.where(
        found.given[:, None], 0.3 * found.known + 0.7 * found.noise, found.first(1.0)
    )
    ours = guided_velocity(model, found)(found.first(1.0), 0.7)
    expected = guided_velocity(model, free)(shown, 0.7)
    torch.testing.assert_close(ours, torch.where(found.given[:, None], 0.0, expected))


def test_masks_of_another_size_and_levels_out_of_range_are_named():
    clean = torch.zeros(4, 3, 4, 6)
    with pytest.raises(ValueError, match=r"the mask is \(3, 4, 4\), the latents are \(3, 4, 6\)"):
        Condition(clean=clean, start=torch.ones(3, 4, 4))
    with pytest.raises(ValueError, match="strength 1.5 is out of range"):
        edited_latents(clean, 1.5)
    with pytest.raises(ValueError, match="noise levels from 0 to 2"):
        Condition(clean=clean, start=torch.linspace(0, 2, 72).view(3, 4, 6))
