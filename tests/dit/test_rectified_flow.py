"""Objective, samplers and averaging against closed forms."""

import math
from collections.abc import Callable

import pytest
import torch

from dit.conditioning import given_frames, given_latents
from dit.config import DiTConfig, SamplerConfig, TrainConfig
from dit.model import DiT
from dit.packing import Layout, make_layout, patchify, unpatchify
from dit.rectified_flow import (
    data_estimate,
    draw_times,
    finite_velocity,
    gaussian_floor,
    gaussian_floor_at,
    gaussian_velocity,
    interpolate,
    shift_for,
    shift_time,
    target_velocity,
    token_losses,
    token_means,
    weighted_loss,
    zero_loss,
)
from dit.samplers import generate
from dit.schedules import schedule
from dit.train.optim import make_optimizer, parameter_groups
from dit.train.rates import learning_rate
from pipeline.training.ema import Ema, ema_decay
from tests.helpers.awake_dit import awake_dit

POINTS = DiTConfig(
    width=32, depth=1, heads=2, mlp_ratio=2, refiner_depth=0, latent_channels=4, text_dim=8
)
SMALL = DiTConfig(width=48, depth=1, heads=2, refiner_depth=1, latent_channels=4, text_dim=16)


def test_shift_is_an_offset_in_logit_space_with_exact_endpoints():
    t = torch.linspace(0.05, 0.95, 19)
    torch.testing.assert_close(shift_time(t, 3.0).logit(), t.logit() + math.log(3.0))
    assert shift_time(torch.tensor([0.0, 1.0]), 5.0).tolist() == [0.0, 1.0]
    assert schedule(7, 3.0)[0] == 1.0
    assert schedule(7, 3.0)[-1] == 0.0


def test_drawn_times_are_logit_normal():
    g = torch.Generator().manual_seed(0)
    t = torch.cat([draw_times(32, 2.0, g) for _ in range(200)])
    z = t.logit() - math.log(2.0)
    grid = torch.linspace(-2.5, 2.5, 41)
    gap = (z[:, None] <= grid).float().mean(0) - torch.special.ndtr(grid)
    assert float(gap.abs().max()) < 0.01  # stratified: well inside Kolmogorov's band for 6400 draws
    assert abs(float(z.mean())) < 0.02


def test_levels_do_not_follow_the_order_of_the_clips_in_their_pack():
    """Packs are laid out by size: with rising levels the largest clips would only ever be trained on noise."""
    g = torch.Generator().manual_seed(0)
    drawn = torch.stack([draw_times(8, 1.0, g) for _ in range(400)])
    assert float((drawn.mean(0) - 0.5).abs().max()) < 0.04, "every place sees all levels"
    assert float(drawn.std(0).min()) > 0.15


def test_numbers_that_are_padding_do_not_thin_a_token_s_loss():
    values = torch.tensor([[4.0, 2.0, 9.0, 9.0], [1.0, 3.0, 5.0, 7.0], [9.0, 9.0, 9.0, 9.0]])
    real = torch.tensor([[True, True, False, False], [True] * 4, [False] * 4])
    assert token_means(values, real).tolist() == [3.0, 4.0, 0.0]
    assert token_means(values).tolist() == [6.0, 4.0, 9.0]
    one = torch.tensor([[True, False, False, False]])
    assert token_means(values[:1], one).tolist() == [4.0]


def test_a_loss_is_the_weighted_sum_over_the_numbers_that_are_real():
    prediction = torch.tensor([[1.0, 2.0], [0.0, 3.0]])
    target = torch.tensor([[3.0, -1.0], [4.0, 5.0]])
    weight, real = torch.tensor([0.5, 2.0]), torch.tensor([[True, True], [False, True]])
    assert token_losses(prediction, target).tolist() == [(4 + 9) / 2, (16 + 4) / 2]
    assert token_losses(prediction, target, real).tolist() == [(4 + 9) / 2, 4]
    assert float(weighted_loss(prediction, target, weight)) == 0.5 * 6.5 + 2 * 10
    assert float(weighted_loss(prediction, target, weight, real)) == 0.5 * 6.5 + 2 * 4


def test_zero_prediction_has_loss_one_plus_variance():
    torch.manual_seed(0)
    for std in (0.5, 1.0, 2.0):
        x0, noise = torch.randn(4000, 32) * std, torch.randn(4000, 32)
        loss = (
            weighted_loss(torch.zeros(4000, 32), target_velocity(x0, noise), torch.ones(4000))
            / 4000
        )
        assert float(loss) == pytest.approx(zero_loss(std), rel=0.02)


def test_an_untrained_model_starts_at_the_zero_loss():
    torch.manual_seed(0)
    layout = make_layout([(2, 8, 8)] * 16, [None] * 16, patch=SMALL.patch, text_dim=16)
    x0, noise = torch.randn(len(layout.coords), 16), torch.randn(len(layout.coords), 16)
    t = torch.rand(16)[layout.clip]
    velocity = DiT(SMALL)(interpolate(x0, noise, t), t, layout)
    loss = (velocity - target_velocity(x0, noise)).square().mean()
    assert float(loss.detach()) == pytest.approx(2.0, rel=0.05)


def test_the_best_velocity_reaches_the_floor_and_nothing_less():
    torch.manual_seed(0)
    for std, mean in ((0.25, 0.0), (1.0, 0.7)):
        t = torch.rand(200_000)
        x0, noise = mean + std * torch.randn(200_000), torch.randn(200_000)
        x_t = (1 - t) * x0 + t * noise
        error = gaussian_velocity(x_t, t, mean, std) - (noise - x0)
        assert float(error.square().mean()) == pytest.approx(gaussian_floor(std), rel=0.015)
        assert float(gaussian_floor_at(t, std).mean()) == pytest.approx(
            gaussian_floor(std), rel=0.01
        )


def layout_of_points(clips: int) -> Layout:
    """A pack of clips of one token each, without captions."""
    return make_layout([(1, 2, 2)] * clips, [None] * clips, patch=POINTS.patch, text_dim=8)


def learn(model: DiT, layout: Layout, draw: Callable[[], tuple[torch.Tensor, ...]], *, steps: int):
    """Train on (x_t, target velocity, level) of ``draw``."""
    settings = TrainConfig(
        steps=steps, lr=8e-3, warmup_steps=20, decay_share=0.6, optimizer="adamw"
    )
    optimizer = make_optimizer(model, settings)
    for step in range(steps):
        x_t, target, t = draw()
        (model(x_t, t, layout) - target).square().mean().backward()
        optimizer.step(learning_rate(step / steps, step, settings))


def test_the_model_learns_gaussian_data_to_its_floor():
    """The whole objective (model, target, loss, optimiser) ends within 2 % above (pi/2) s, never below."""
    torch.manual_seed(0)
    std, clips = 0.5, 128
    model, layout = DiT(POINTS), layout_of_points(clips)

    def draw():
        level = (torch.randperm(clips) + torch.rand(clips)) / clips
        x0, noise = std * torch.randn(clips, 16), torch.randn(clips, 16)
        return interpolate(x0, noise, level), target_velocity(x0, noise), level

    learn(model, layout, draw, steps=150)
    with torch.no_grad():
        excess = []
        for _ in range(40):
            x_t, target, t = draw()
            best = gaussian_velocity(x_t, t[:, None], 0.0, std)
            gap = (model(x_t, t, layout) - target).square() - (best - target).square()
            excess.append(float(gap.mean()))
    share = sum(excess) / len(excess) / gaussian_floor(std)
    assert -0.002 < share < 0.02, share


def test_the_finite_set_optimum_is_the_gaussian_one_for_one_clip_and_the_conditional_mean_for_many():
    g = torch.Generator().manual_seed(0)
    x_t, t = torch.randn(64, 6, generator=g), 0.02 + 0.98 * torch.rand(64, generator=g)
    mean = torch.randn(1, 6, generator=g)
    for std in (0.0, 0.4):
        best = gaussian_velocity(x_t, t[:, None], mean, std)
        one = finite_velocity(x_t, t, mean, torch.full((1, 6), std**2))
        torch.testing.assert_close(one, best, atol=1e-4, rtol=1e-4)
    # E[v | x_t] by brute force: the mean of v over draws of (clip, noise) that land near one point.
    means, variances = torch.tensor([[-1.0], [1.5]]), torch.tensor([[0.04], [0.25]])
    clip = torch.randint(0, 2, (2_000_000,), generator=g)
    x0 = means[clip, 0] + variances[clip, 0].sqrt() * torch.randn(len(clip), generator=g)
    noise, level = torch.randn(len(clip), generator=g), 0.6
    near = ((1 - level) * x0 + level * noise - 0.3).abs() < 0.02
    found = float((noise - x0)[near].mean())
    (best,) = finite_velocity(torch.tensor([[0.3]]), torch.tensor([level]), means, variances)
    assert float(best) == pytest.approx(found, abs=0.03)


def test_the_model_learns_a_finite_set_to_its_floor_and_what_leaks_falls_below_it():
    """Excess over perfect memorisation of 4 clips: small once trained, below zero only for a model that cheats."""
    torch.manual_seed(0)
    clips, batch = 4, 128
    means, variances = 0.4 * torch.randn(clips, 16), torch.full((clips, 16), 0.3**2)
    model, layout = DiT(POINTS), layout_of_points(batch)

    def draw():
        t = (torch.randperm(batch) + torch.rand(batch)) / batch
        which = torch.randint(0, clips, (batch,))
        x0 = means[which] + variances[which].sqrt() * torch.randn(batch, 16)
        noise = torch.randn(batch, 16)
        return interpolate(x0, noise, t), target_velocity(x0, noise), t

    learn(model, layout, draw, steps=250)
    losses = {"floor": 0.0, "model": 0.0, "blind": 0.0, "leak": 0.0}
    with torch.no_grad():
        for _ in range(50):
            x_t, target, t = draw()
            guesses = {
                "floor": finite_velocity(x_t, t, means, variances),
                "model": model(x_t, t, layout),
                "blind": gaussian_velocity(x_t, t[:, None], means.mean(0), 0.5),
                "leak": 0.5 * (finite_velocity(x_t, t, means, variances) + target),
            }
            for name, guess in guesses.items():
                losses[name] += float((guess - target).square().mean()) / 50
    assert losses["floor"] * 0.998 < losses["model"] < 1.05 * losses["floor"], losses
    assert losses["blind"] > 1.05 * losses["floor"], losses  # knowing the set is worth something
    assert losses["leak"] < 0.9 * losses["floor"], losses


def test_data_estimate_inverts_the_interpolation():
    torch.manual_seed(0)
    x0, noise, t = torch.randn(7, 3), torch.randn(7, 3), torch.rand(7)
    x_t = interpolate(x0, noise, t)
    torch.testing.assert_close(data_estimate(x_t, target_velocity(x0, noise), t), x0)


def test_ema_equals_its_closed_form():
    model = torch.nn.Linear(2, 2)
    ema = Ema(model, 0.9)
    expected = model.weight.detach().clone()
    for step in range(30):
        with torch.no_grad():
            model.weight.add_(1.0)
        decay = ema_decay(step, 0.9)
        assert decay == min(0.9, (1 + step) / (10 + step))
        expected = decay * expected + (1 - decay) * model.weight.detach()
        ema.update(model)
    torch.testing.assert_close(ema.model.weight.detach(), expected)


def test_generate_any_shapes_and_each_clip_from_its_own_seed():
    model = awake_dit(SMALL, std=0.05)
    shapes = [(3, 4, 6), (1, 5, 7), (3, 4, 6)]
    texts = [torch.randn(4, 16), None, torch.randn(9, 16)]
    out = generate(model, shapes, texts, SamplerConfig(steps=3), seeds=[5, 6, 7])
    assert [tuple(z.shape) for z in out] == [(4, *shape) for shape in shapes]
    assert all(bool(z.isfinite().all()) for z in out)
    (alone,) = generate(model, shapes[2:], texts[2:], SamplerConfig(steps=3), seeds=[7])
    torch.testing.assert_close(alone, out[2], atol=1e-5, rtol=1e-5)
    plain = generate(model, shapes, texts, SamplerConfig(steps=3, guidance=1.0), seeds=[5, 6, 7])
    assert not torch.allclose(plain[0], out[0])
    torch.testing.assert_close(
        plain[1], out[1], atol=1e-5, rtol=1e-5
    )  # null caption: nothing to guide
    with pytest.raises(ValueError, match="cfg, cfg-zero, apg"):
        generate(model, shapes[:1], texts[:1], SamplerConfig(rule="none"))


def by_hand(model, shape, text, *, seed, steps, scale, shift, rule, solver):
    """Guided sampling of one clip, written out: two passes of the model at each level, the rule's formula, the step."""
    noise = torch.randn((4, *shape), generator=torch.Generator().manual_seed(seed))
    x = patchify(noise, SMALL.patch)
    layouts = [
        make_layout([shape], [words], patch=SMALL.patch, text_dim=SMALL.text_dim)
        for words in (text, None)
    ]

    def velocity(x, t):
        c, u = (model(x, torch.full((len(x),), t), layout) for layout in layouts)
        if rule == "cfg":
            return u + scale * (c - u)
        if rule == "cfg-zero":
            u = (c * u).sum() / (u * u).sum() * u
            return u + scale * (c - u)
        c, u = x - t * c, x - t * u  # what each says of the data
        difference = c - u
        across = difference - (difference * c).sum() / (c * c).sum() * c
        return (x - (c + (scale - 1) * across)) / t

    even = [1 - i / steps for i in range(steps + 1)]
    times = [shift * t / (1 + (shift - 1) * t) for t in even]
    for now, then in zip(times, times[1:], strict=False):
        v = velocity(x, now)
        ahead = x + (then - now) * v
        if solver == "heun" and then > 0:
            ahead = x + (then - now) * (v + velocity(ahead, then)) / 2
        x = ahead
    return unpatchify(x, shape, SMALL.patch)


@pytest.mark.parametrize("solver", ["euler", "heun"])
@pytest.mark.parametrize("rule", ["cfg", "cfg-zero", "apg"])
@torch.no_grad()
def test_every_rule_and_solver_is_what_its_formula_says(rule, solver):
    """A rule that does not reach the sampler, or a solver that is another, gives samples that look right."""
    model = awake_dit(SMALL)
    shapes, texts = [(3, 4, 6), (1, 5, 7)], [torch.randn(4, 16), torch.randn(9, 16)]
    config = SamplerConfig(steps=3, guidance=3.0, shift=1.5, rule=rule, solver=solver)
    made = generate(model, shapes, texts, config, seeds=[5, 6])
    for clip, shape, text, seed in zip(made, shapes, texts, (5, 6), strict=True):
        options = {"seed": seed, "steps": 3, "scale": 3.0, "shift": 1.5}
        expected = by_hand(model, shape, text, rule=rule, solver=solver, **options)
        torch.testing.assert_close(clip, expected, atol=2e-4, rtol=2e-4)
        for other in {"cfg", "cfg-zero", "apg"} - {rule}:
            wrong = by_hand(model, shape, text, rule=other, solver=solver, **options)
            assert float((clip - wrong).abs().max()) > 0.01, (
                "the rules differ by more than rounding"
            )
        other = "heun" if solver == "euler" else "euler"
        wrong = by_hand(model, shape, text, rule=rule, solver=other, **options)
        assert float((clip - wrong).abs().max()) > 0.001


def test_given_frames_come_out_as_they_went_in():
    torch.manual_seed(0)
    model = DiT(SMALL)
    clean = torch.randn(4, 3, 4, 4)
    mask = given_frames(3, "ends")
    (out,) = generate(
        model, [(3, 4, 4)], [None], SamplerConfig(steps=2), conditions=[given_latents(clean, mask)]
    )
    assert torch.equal(out[:, mask], clean[:, mask])
    assert not torch.allclose(out[:, ~mask], clean[:, ~mask])


def test_learning_rate_warms_up_holds_and_decays():
    config = TrainConfig(lr=1.0, warmup_steps=10, decay_share=0.25)
    assert learning_rate(0.0, 0, config) == pytest.approx(0.1)
    assert learning_rate(0.05, 1, config) == pytest.approx(0.5)  # a run of 20 steps warms up in two
    assert learning_rate(0.5, 50, config) == 1.0
    falling = TrainConfig(lr=1.0, warmup_steps=10, decay_share=1.0)
    assert learning_rate(0.05, 0, falling) == pytest.approx(0.5), "the lower of the two, not both"
    assert learning_rate(0.2, 20, falling) == pytest.approx(0.8)
    assert learning_rate(0.875, 80, config) == pytest.approx(0.5)
    assert learning_rate(1.0, 100, config) == 0.0


def test_matrices_of_blocks_go_to_muon_and_vectors_do_not_decay():
    """A table of biases that is made orthogonal, or gains that decay, train without an error and worse."""
    model = DiT(SMALL)
    hidden, matrices, vectors = parameter_groups(model)
    names = {id(p): name for name, p in model.named_parameters()}
    assert all(names[id(p)].endswith("weight") and "blocks." in names[id(p)] for p in hidden)
    assert all(names[id(p)].endswith("weight") for p in matrices)
    tables = {names[id(p)] for p in vectors if p.ndim == 2}
    assert "blocks.0.bias" in tables
    config = TrainConfig(weight_decay=0.1, optimizer="adamw")
    groups = [g for part in make_optimizer(model, config).parts for g in part.param_groups]
    decays = {id(p): g["weight_decay"] for g in groups for p in g["params"]}
    assert {decays[id(p)] for p in (*hidden, *matrices)} == {0.1}
    assert {decays[id(p)] for p in vectors} == {0.0}


def test_the_shift_grows_with_the_root_of_the_tokens():
    assert shift_for(80, 1.5, 1024) == shift_for(1024, 1.5, 1024) == 1.5
    assert shift_for(4096, 1.5, 1024) == 3.0, "of an image of 1024 x 1024, as published"
    assert shift_for(32_760, 1.5, 1024) == pytest.approx(1.5 * (32_760 / 1024) ** 0.5)


def test_each_clip_of_a_draw_has_a_shift_of_its_own():
    shifts = torch.tensor([1.0, 3.0, 9.0, 1.5])
    plain = draw_times(4, 1.0, torch.Generator().manual_seed(1))
    own = draw_times(4, shifts, torch.Generator().manual_seed(1))
    torch.testing.assert_close(own.logit(), plain.logit() + shifts.log())
