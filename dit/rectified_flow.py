"""Rectified flow: x_t = (1 - t) x0 + t noise, velocity v = noise - x0; t = 0 is data, t = 1 is noise.

A loss with known zeros: before training (zero prediction) it is E|noise - x0|^2 = 1 + s^2 per number for data of
variance s^2, and for Gaussian data no model gets below ``gaussian_floor``.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor


def shift_for(tokens: int, shift: float, base: int) -> float:
    """Shift for a clip of ``tokens``: ``shift`` up to ``base`` tokens, and growing with the root of them from there on.

    The more numbers a picture or video has, the more noise it takes to hide it: alpha grows as sqrt(m / n) (Esser et
    al. 2024, "Scaling rectified flow transformers", section 5.3.2, arXiv 2403.03206). The default, 1.5 at 1,024 tokens,
    gives the paper's 3 for an image of 4,096.
    """
    return shift * math.sqrt(max(tokens, base) / base)


def shift_time(t: Tensor, shift: float | Tensor) -> Tensor:
    """Move noise levels towards 1: logit t' = logit t + ln(shift). Endpoints stay exactly 0 and 1."""
    return shift * t / (1 + (shift - 1) * t)


def draw_times(n: int, shift: float | Tensor, generator: torch.Generator | None = None) -> Tensor:
    """(n,) float32 noise levels: sigmoid of a standard normal, then shifted. Stratified over the n draws.

    ``shift`` is one for all, or (n,).

    Stratification (one draw from each of n equal-probability intervals, in random order) leaves each level's
    distribution as it is and takes variance out of the loss of a step.
    """
    strata = (torch.randperm(n, generator=generator) + torch.rand(n, generator=generator)) / n
    normal = torch.special.ndtri(strata.double().clamp(1e-6, 1 - 1e-6)).float()
    return shift_time(normal.sigmoid(), shift)


def interpolate(x0: Tensor, noise: Tensor, t: Tensor) -> Tensor:
    """x_t for tokens (N, D) and noise levels (N,)."""
    t = t[:, None]
    return (1 - t) * x0 + t * noise


def target_velocity(x0: Tensor, noise: Tensor) -> Tensor:
    """What the model predicts."""
    return noise - x0


def data_estimate(x_t: Tensor, velocity: Tensor, t: Tensor) -> Tensor:
    """The clean tokens that a velocity implies: x_t - t v."""
    return x_t - t[:, None] * velocity


def zero_loss(std: float) -> float:
    """Loss per number of a model that predicts zero, for centred data of standard deviation ``std``."""
    return 1 + std**2


def gaussian_velocity(x_t: Tensor, t: Tensor, mean: Tensor | float, std: float) -> Tensor:
    """Best velocity for data N(mean, std^2 I): E[noise - x0 | x_t], t broadcast against x_t."""
    variance = (1 - t) ** 2 * std**2 + t**2
    gain = (t - (1 - t) * std**2) / variance
    return gain * (x_t - (1 - t) * mean) - mean


def gaussian_floor_at(t: Tensor, std: float) -> Tensor:
    """Lowest possible loss per number at noise levels t for data N(m, std^2 I): s^2 / ((1-t)^2 s^2 + t^2)."""
    return std**2 / ((1 - t) ** 2 * std**2 + t**2)


def finite_velocity(x_t: Tensor, t: Tensor, means: Tensor, variances: Tensor) -> Tensor:
    """Best velocity for a finite set of clips: E[noise - x0 | x_t] where x0 is one of them, each as likely.

    Clip i is Gaussian, as the VAE's posterior says: ``means`` and ``variances`` (clips, D), 0 for exact clips.
    x_t (B, D), t (B,) above 0. Each clip's own best velocity, weighted by how likely x_t came from it.
    """
    t = t[:, None, None]
    spread = (1 - t).square() * variances + t.square()
    gap = x_t[:, None] - (1 - t) * means
    weight = (-0.5 * (gap.square() / spread + spread.log()).sum(2)).softmax(1)
    own = (t - (1 - t) * variances) / spread * gap - means
    return (weight[:, :, None] * own).sum(1)


def gaussian_floor(std: float) -> float:
    """Mean of ``gaussian_floor_at`` over uniform t: exactly (pi / 2) s."""
    return math.pi / 2 * std


def token_means(values: Tensor, real: Tensor | None = None) -> Tensor:
    """(N,) mean over each token's numbers (N, D); ``real`` (N, D) bool leaves out those that are only edge padding."""
    if real is None:
        return values.mean(1)
    return (values * real).sum(1) / real.sum(1).clamp(min=1)


def token_losses(prediction: Tensor, target: Tensor, real: Tensor | None = None) -> Tensor:
    """(N,) mean squared error over each token's numbers, see ``token_means``."""
    return token_means((prediction - target).square(), real)


def weighted_loss(
    prediction: Tensor, target: Tensor, token_weight: Tensor, real: Tensor | None = None
) -> Tensor:
    """Sum over tokens of ``token_weight`` (N,) times the mean squared error over a token's numbers."""
    return (token_losses(prediction, target, real) * token_weight).sum()
