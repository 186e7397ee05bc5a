"""The loss of fine-tuning by reward against closed forms: two clips, and a Gaussian, tilted by their rewards."""

import pytest
import torch

from dit.guidance import cfg
from dit.rectified_flow import finite_velocity, gaussian_velocity
from dit.reward.objective import centred, contrast, diversity, optimality


def test_optimality_is_a_half_at_the_mean_of_a_group_and_clips_at_one_deviation():
    rewards = torch.tensor([0.2, 0.4, 0.6, 0.9, 0.9, 0.9], dtype=torch.float64)
    group = torch.tensor([0, 0, 0, 1, 1, 1])
    good = optimality(rewards, group, 2)
    spread = (2 * 0.04 / 6) ** 0.5
    assert torch.allclose(good[:3], torch.tensor([0.0, 0.5, 1.0]).double())
    assert torch.equal(good[3:], torch.full((3,), 0.5).double())  # a group that agrees says nothing
    mild = optimality(torch.tensor([0.0, 1.0, 0.45, 0.55]), torch.tensor([0, 0, 1, 1]), 2)
    spread = ((2 * 0.25 + 2 * 0.0025) / 4) ** 0.5
    assert float(mild[3]) == pytest.approx(0.5 + 0.5 * 0.05 / spread)


def test_equal_rewards_prefer_nothing():
    assert torch.equal(
        optimality(torch.ones(4), torch.tensor([0, 0, 1, 1]), 2), torch.full((4,), 0.5)
    )
    assert torch.equal(
        centred(torch.tensor([1.0, 3.0]), torch.tensor([0, 0]), 1), torch.tensor([-1.0, 1.0])
    )


def least(old, targets, good, weights, beta):
    """The velocity (D,) that makes the weighted contrast least, by Newton's step: it is quadratic."""
    velocity = torch.zeros_like(old, requires_grad=True)

    def loss(v):
        rows = contrast(v[None], old[None], targets, good[:, None], beta)
        return (rows * weights[:, None]).sum()

    (gradient,) = torch.autograd.grad(loss(velocity), velocity)
    curvature = 2 * beta**2 * weights.sum()
    found = (velocity - gradient / curvature).detach().requires_grad_()
    assert torch.autograd.grad(loss(found), found)[0].abs().max() < 1e-12
    return found.detach()


@pytest.mark.parametrize("beta", [0.5, 1.0, 2.0])
@pytest.mark.parametrize("t", [0.3, 0.8])
def test_least_velocity_leads_to_the_tilted_distribution(beta, t):
    """Two clips, the old policy draws each half of the time; the tilted one draws them by their optimality."""
    clips = torch.tensor([[1.0, -0.5], [-0.7, 0.4]], dtype=torch.float64)
    good = torch.tensor([0.9, 0.3], dtype=torch.float64)
    level = torch.tensor([t], dtype=torch.float64)
    x = torch.tensor([[0.2, 0.1]], dtype=torch.float64)
    none = torch.zeros_like(clips)
    old = finite_velocity(x, level, clips, none + 1e-12)[0]
    weights = (-0.5 * ((x - (1 - t) * clips) / t).square().sum(1)).softmax(0)
    targets = (x - clips) / t  # noise - data, given the clip
    found = least(old, targets, good, weights, beta)

    tilted = weights * good / (weights * good).sum()
    expected = old + 2 / beta * (weights @ good) * (tilted @ targets - old)
    assert torch.allclose(found, expected, atol=1e-6)
    nearer = (found - targets[0]).norm() < (old - targets[0]).norm()
    assert nearer  # it moves to the better clip


def test_a_gaussian_tilted_by_a_linear_reward():
    """Data N(0, 1), optimality 1/2 + a x0: what the loss asks for is known at every noisy point."""
    t, a, beta, n = 0.5, 0.05, 1.0, 400_000
    generator = torch.Generator().manual_seed(0)
    data, noise = (torch.randn(n, generator=generator, dtype=torch.float64) for _ in range(2))
    x, good, target = (1 - t) * data + t * noise, 0.5 + a * data, noise - data
    old = gaussian_velocity(x, torch.tensor(t), 0.0, 1.0)
    # E[(2 good - 1)(target - old) | x] = 2a cov(data, noise - data | x) = -2a var(data | x) / t
    variance = t**2 / ((1 - t) ** 2 + t**2)
    shift = -2 * a * variance / t / beta
    moved = (old + shift).requires_grad_()
    loss = contrast(moved[:, None], old[:, None], target[:, None], good[:, None], beta).mean()
    gradient = torch.autograd.grad(loss, moved)[0] * n
    for low, high in ((-1.5, -0.5), (-0.5, 0.5), (0.5, 1.5)):
        assert abs(float(gradient[(x > low) & (x < high)].mean())) < 0.01
    assert abs(shift) > 0.04


def test_videos_of_another_policy_move_nothing_where_all_are_alike():
    old, targets = torch.randn(3).double(), torch.randn(5, 3).double()
    found = least(old, targets, torch.full((5,), 0.5).double(), torch.ones(5).double() / 5, 1.0)
    assert torch.allclose(found, old, atol=1e-12)


def test_guided_velocities_tilt_as_others_do():
    """With guidance w the caption's velocity moves by 1 / w of what the guided one should."""
    bare, old, targets = (torch.randn(n, 3).double() for n in (1, 1, 6))
    bare, old = bare[0], old[0]
    good, weights, scale = torch.rand(6).double(), torch.ones(6).double() / 6, 4.0
    guided = least(cfg(old, bare, scale), targets, good, weights, 1.0)
    own = old + (guided - cfg(old, bare, scale)) / scale
    own.requires_grad_()
    rows = contrast(
        cfg(own, bare, scale)[None], cfg(old, bare, scale)[None], targets, good[:, None], 1.0
    )
    assert torch.autograd.grad((rows * weights[:, None]).sum(), own)[0].abs().max() < 1e-12


def test_diversity_is_none_for_copies_and_one_for_noise():
    one = torch.randn(8, 3, 4, 4)
    assert diversity(one[:1].repeat(6, 1, 1, 1)) == 0
    assert diversity(torch.randn(400, 8, 4, 4)) == pytest.approx(1, abs=0.02)
