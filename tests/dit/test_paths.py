"""The variance-preserving path against DDPM's own formulas, and its models as velocities."""

import dataclasses

import pytest
import torch

from dit.conditioning import given_latents
from dit.config import DiTConfig, SamplerConfig
from dit.model import DiT
from dit.paths import draw_levels, first_level, known_floor, noised, seen, velocity_of, vp_levels
from dit.rectified_flow import draw_times, gaussian_velocity, interpolate, target_velocity
from dit.samplers import generate
from dit.schedules import schedule
from dit.solvers import euler

SMALL = DiTConfig(width=48, depth=1, heads=2, refiner_depth=0, latent_channels=4, text_dim=16)


def ddpm_abar() -> torch.Tensor:
    """By the recursion of the paper, step by step."""
    kept, out = 1.0, []
    for step in range(1000):
        kept *= 1 - (1e-4 + (0.02 - 1e-4) * step / 999)
        out.append(kept)
    return torch.tensor(out, dtype=torch.float64)


def test_noised_tokens_are_those_of_ddpm_at_every_step():
    torch.manual_seed(0)
    x0, noise = torch.randn(1000, 3), torch.randn(1000, 3)
    abar = ddpm_abar().float()[:, None]
    x_t, target = noised("vp", x0, noise, vp_levels())
    torch.testing.assert_close(x_t, abar.sqrt() * x0 + (1 - abar).sqrt() * noise, atol=2e-4, rtol=0)
    assert torch.equal(target, noise)
    assert first_level("vp") == float(vp_levels()[-1]) == pytest.approx(0.9937, abs=1e-4)


def test_every_step_is_drawn_equally_often():
    drawn = draw_levels("vp", 5000, 3.0, torch.Generator().manual_seed(0))
    counts = torch.bincount(torch.searchsorted(vp_levels(), drawn), minlength=1000)
    assert counts.tolist() == [5] * 1000


@pytest.mark.parametrize("path", ["flow", "vp"])
def test_levels_hang_on_the_generator_alone(path):
    """A training that goes on after a kill draws the levels that it would have drawn."""
    drawn = []
    for seed in (0, 0, 1):
        torch.manual_seed(len(drawn))
        drawn.append(draw_levels(path, 64, 3.0, torch.Generator().manual_seed(seed)))
    assert torch.equal(drawn[0], drawn[1]) and not torch.equal(drawn[0], drawn[2])
    assert drawn[0].shape == (64,) and drawn[0].dtype == torch.float32


def test_levels_of_the_flow_are_its_shifted_times():
    """Each size of video has a shift of its own; a level drawn by another is a model trained on other noise."""
    shift = torch.linspace(1, 6, 32)
    for each in (3.0, shift):
        want = draw_times(32, each, torch.Generator().manual_seed(5))
        assert torch.equal(draw_levels("flow", 32, each, torch.Generator().manual_seed(5)), want)
    assert first_level("flow") == 1.0


def test_a_draw_that_rounds_up_to_the_end_is_the_last_step(monkeypatch):
    """One draw of many millions; it would end a training of days."""
    almost = 1 - 2**-24
    monkeypatch.setattr(torch, "rand", lambda n, generator=None: torch.full((n,), almost))
    assert float(draw_levels("vp", 5000, 3.0).max()) == float(vp_levels()[-1])


def test_the_floor_of_a_known_clip_is_its_posterior_s_own_noise():
    """By drawing: what is left to guess of v, and of the noise, when the mean of the clip is known."""
    g = torch.Generator().manual_seed(0)
    variance = torch.tensor([0.25, 1.0, 0.04])
    for t in (0.2, 0.5, 0.9):
        x0 = variance.sqrt() * torch.randn(400_000, 3, generator=g)
        noise = torch.randn(400_000, 3, generator=g)
        x = (1 - t) * x0 + t * noise
        for path, target in (("flow", noise - x0), ("vp", noise)):
            gain = (x * target).mean(0) / x.square().mean(0)
            left = (target - gain * x).square().mean(0)
            floor = known_floor(path, variance[None], torch.tensor([t]))[0]
            torch.testing.assert_close(floor, left, rtol=0.02, atol=1e-3)


def test_flow_is_untouched():
    torch.manual_seed(0)
    x0, noise, t = torch.randn(7, 3), torch.randn(7, 3), torch.rand(7)
    x_t, target = noised("flow", x0, noise, t)
    assert torch.equal(x_t, interpolate(x0, noise, t))
    assert torch.equal(target, target_velocity(x0, noise))
    assert torch.equal(seen("flow", x_t, t), x_t)
    assert torch.equal(velocity_of("flow", target, x_t, t), target)


def test_the_best_noise_estimate_is_the_best_velocity():
    """For Gaussian data both have closed forms; one must turn into the other at every level."""
    torch.manual_seed(0)
    mean, std = 0.4, 0.6
    t = vp_levels()[::50]
    x_t = torch.randn(len(t), 8)
    shown = seen("vp", x_t, t)
    abar = ddpm_abar().float()[::50][:, None]
    variance = abar * std**2 + 1 - abar
    best_noise = (1 - abar).sqrt() * (shown - abar.sqrt() * mean) / variance
    ours = velocity_of("vp", best_noise, x_t, t)
    torch.testing.assert_close(
        ours, gaussian_velocity(x_t, t[:, None], mean, std), atol=2e-2, rtol=2e-3
    )


def test_sampling_along_the_converted_velocity_makes_the_data():
    mean, std = 0.4, 0.6
    first = first_level("vp")
    noise = torch.randn(4096, 1, generator=torch.Generator().manual_seed(0))
    x = noise * (first**2 + (1 - first) ** 2) ** 0.5

    def velocity(x, t):
        level = torch.full((len(x),), t)
        abar = 1 / (1 + (t / (1 - t)) ** 2)
        shown = seen("vp", x, level)
        best = (1 - abar) ** 0.5 * (shown - abar**0.5 * mean) / (abar * std**2 + 1 - abar)
        return velocity_of("vp", best, x, level)

    out = euler(velocity, x, schedule(200, 1.0, first))
    assert float(out.mean()) == pytest.approx(mean, abs=0.03)
    assert float(out.std()) == pytest.approx(std, abs=0.03)


def test_a_vp_model_samples_through_the_same_call():
    torch.manual_seed(0)
    model = DiT(dataclasses.replace(SMALL, path="vp"))
    mask, clean = torch.tensor([True, False]), torch.randn(4, 2, 4, 4)
    (out,) = generate(
        model, [(2, 4, 4)], [None], SamplerConfig(steps=3), conditions=[given_latents(clean, mask)]
    )
    assert torch.equal(out[:, 0], clean[:, 0])
    assert bool(out.isfinite().all())


def test_an_unknown_path_is_refused():
    with pytest.raises(ValueError, match="path is 'cosine'; it must be one of flow, vp"):
        dataclasses.replace(SMALL, path="cosine")
    with pytest.raises(
        ValueError, match="attention is 'axial'; it must be one of full, factorised"
    ):
        dataclasses.replace(SMALL, attention="axial")
