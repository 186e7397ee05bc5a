"""The two ways from data to noise that a DiT can be trained on, behind one noise level.

``flow``: rectified flow, see ``dit.rectified_flow``; the model predicts the velocity. ``vp``: the variance-preserving
path of DDPM (arXiv 2006.11239) with its 1,000 linear betas from 1e-4 to 0.02; the model predicts the noise.

Both mix data and noise, so a DDPM step is a rectified level: sqrt(1 - abar) / (sqrt(abar) + sqrt(1 - abar)). Everything
outside this file speaks of that level t in [0, 1]; a model of either path turns into a velocity over it, so solvers,
guidance, given frames and the levels of the held-out loss are the same for both.
"""

from __future__ import annotations

import functools

import torch
from torch import Tensor

from dit.rectified_flow import draw_times, interpolate, target_velocity

VP_STEPS, VP_BETAS = 1000, (1e-4, 0.02)
"""Steps and first and last beta of the variance-preserving path (DDPM, section 4)."""


@functools.cache
def vp_levels() -> Tensor:
    """(1000,) float32: the rectified level of every DDPM step, rising from 0.0099 to 0.9937."""
    betas = torch.linspace(*VP_BETAS, VP_STEPS, dtype=torch.float64)
    kept = torch.cumprod(1 - betas, 0)
    signal, noise = kept.sqrt(), (1 - kept).sqrt()
    return (noise / (signal + noise)).float()


def draw_levels(
    path: str, n: int, shift: float | Tensor, generator: torch.Generator | None = None
) -> Tensor:
    """(n,) float32 noise levels to train on: logit-normal and shifted, or a DDPM step each, all steps equally likely.

    Both are stratified over the n draws.
    """
    if path == "flow":
        return draw_times(n, shift, generator)
    strata = (torch.randperm(n, generator=generator) + torch.rand(n, generator=generator)) / n
    return vp_levels()[(strata * VP_STEPS).long().clamp(max=VP_STEPS - 1)]


def noised(path: str, x0: Tensor, noise: Tensor, t: Tensor) -> tuple[Tensor, Tensor]:
    """What the model sees and what it is to predict, for tokens (N, D) at levels t (N,)."""
    x_t = interpolate(x0, noise, t)
    if path == "flow":
        return x_t, target_velocity(x0, noise)
    return x_t * vp_scale(t)[:, None], noise


def known_floor(path: str, variance: Tensor, t: Tensor) -> Tensor:
    """Lowest loss per number (N, D) at levels t (N,) even for a model that knew each clip by heart.

    What is left is the posterior's own noise: ``variance`` (N, D) of the normalised latents around their mean. With it
    v has the variance s^2 / ((1 - t)^2 s^2 + t^2), see ``gaussian_floor_at``, and the noise that times (1 - t)^2.
    """
    signal, noise = (1 - t).square()[:, None], t.square()[:, None]
    floor = variance / (signal * variance + noise).clamp(min=1e-12)
    return floor if path == "flow" else signal * floor


def vp_scale(t: Tensor) -> Tensor:
    """Factor from a rectified mix (1 - t) x0 + t noise to the mix of unit variance that DDPM makes of the same two."""
    return ((1 - t).square() + t.square()).rsqrt()


def seen(path: str, x_t: Tensor, t: Tensor) -> Tensor:
    """What the model of a path is shown of rectified tokens x_t (N, D) at levels t (N,)."""
    return x_t if path == "flow" else x_t * vp_scale(t)[:, None]


def velocity_of(path: str, predicted: Tensor, x_t: Tensor, t: Tensor) -> Tensor:
    """Velocity noise - x0 from a model's prediction at rectified tokens x_t (N, D) and levels t (N,) below 1."""
    if path == "flow":
        return predicted
    return (predicted - x_t) / (1 - t)[:, None]


def first_level(path: str) -> float:
    """Level at which sampling starts: 1, or that of DDPM's last step, which keeps a little of the data."""
    return 1.0 if path == "flow" else float(vp_levels()[-1])
