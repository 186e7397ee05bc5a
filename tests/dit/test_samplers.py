"""What reaches the solver: its levels, the rates of the clips, and what is put back at the end."""

from __future__ import annotations

import math

import pytest
import torch

from dit import samplers
from dit.conditioning import given_latents
from dit.config import DiTConfig, SamplerConfig
from dit.model import DiT
from dit.samplers import generate, level_schedule
from dit.schedules import schedule
from tests.helpers.awake_dit import frozen_dit

SMALL = DiTConfig(width=48, depth=1, heads=2, refiner_depth=0, latent_channels=4, text_dim=16)


@pytest.fixture(scope="module")
def model() -> DiT:
    return frozen_dit(SMALL)


def test_the_shift_grows_with_the_tokens_of_a_video(model: DiT) -> None:
    """With the shift of a small one, a large video keeps its coarse shape from the noise."""
    config = SamplerConfig(steps=4, shift=2.0, shift_tokens=8)
    assert level_schedule(model, config, 8) == schedule(4, 2.0)
    assert level_schedule(model, config, 32) == schedule(4, 4.0)


def test_the_largest_video_of_a_pack_sets_its_levels_and_zero_steps_move_nothing(
    model: DiT, monkeypatch: pytest.MonkeyPatch
) -> None:
    solved = []

    def solve(velocity, plan, times, solver):
        solved.append(times)
        return plan.first(times[0])

    monkeypatch.setattr(samplers, "solve", solve)
    config = SamplerConfig(steps=5, shift=2.0, shift_tokens=4, zero_steps=2, guidance=1.0)
    generate(model, [(1, 4, 4), (2, 6, 4)], [None, None], config)
    tokens = 2 * 3 * 2
    assert solved == [schedule(5, 2.0 * math.sqrt(tokens / 4))[2:]]


def test_a_video_is_sampled_at_the_rate_that_is_asked_for(model: DiT) -> None:
    config = SamplerConfig(steps=2, guidance=3.0)
    texts = [torch.randn(3, 16, generator=torch.Generator().manual_seed(1))]
    slow, fast, usual = (
        generate(model, [(2, 4, 4)], texts, config, fps=fps)[0] for fps in (8.0, 24.0, [8.0])
    )
    assert torch.equal(slow, usual) and not torch.allclose(slow, fast, atol=1e-3)


def test_what_is_given_comes_out_to_the_bit(model: DiT, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever solver is used: one of the user's own may move every token."""
    clean = torch.randn(4, 3, 4, 4, generator=torch.Generator().manual_seed(2))
    given = given_latents(clean, torch.tensor([True, False, True]), keep="noised")
    (out,) = generate(model, [(3, 4, 4)], [None], SamplerConfig(steps=2), conditions=[given])
    assert torch.equal(out[:, [0, 2]], clean[:, [0, 2]])
    monkeypatch.setattr(samplers, "solver_named", lambda name: lambda velocity, x, times: x + 1)
    (out,) = generate(model, [(3, 4, 4)], [None], SamplerConfig(steps=2), conditions=[given])
    assert torch.equal(out[:, [0, 2]], clean[:, [0, 2]])
