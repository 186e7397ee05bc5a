"""The loss of DiffusionNFT as pure functions (Zheng et al. 2025, arXiv 2509.16117): reward through the forward process.

Videos are drawn by the old policy, whose velocity is ``v_old``, and scored. Each is noised as in training, and the new
velocity is regressed on it twice: once as it is, weighted by how good the video is, and once mirrored at ``v_old``,
weighted by how bad. No likelihood and no path of the sampler takes part, so any solver may draw.
"""

from __future__ import annotations

import torch
from torch import Tensor


def optimality(rewards: Tensor, group: Tensor, groups: int) -> Tensor:
    """Rewards (N,) -> how likely each video is one of the good ones (N,), in [0, 1] (section 3.3).

    ``1/2 + clip((reward - mean of the group) / Z, -1, 1) / 2``, where Z is the deviation of the differences over all
    groups. ``group`` (N,) int64 names the group of each video, which are those of one prompt. Where all rewards of
    every group are equal nothing is better than anything: all 1/2.
    """
    gaps = centred(rewards, group, groups)
    spread = gaps.square().mean().sqrt()
    if spread < 1e-6:
        return torch.full_like(gaps, 0.5)
    return 0.5 + 0.5 * (gaps / spread).clamp(-1, 1)


def centred(rewards: Tensor, group: Tensor, groups: int) -> Tensor:
    """Rewards (N,) less the mean of their group (N,)."""
    counts = torch.bincount(group, minlength=groups).clamp(min=1)
    sums = torch.zeros(groups, dtype=rewards.dtype).index_add(0, group, rewards)
    return rewards - (sums / counts)[group]


def contrast(velocity: Tensor, old: Tensor, target: Tensor, good: Tensor, beta: float) -> Tensor:
    """Squared errors (N, D) of the two implicit policies, weighted (section 3.2, theorem 3.2).

    ``good |v+ - target|^2 + (1 - good) |v- - target|^2`` with ``v+ = (1 - beta) old + beta velocity`` and ``v- =
    (1 + beta) old - beta velocity``. Its minimum over ``velocity`` at a noisy point is ``old + E[(2 good - 1) (target -
    old)] / beta``, the mean over the videos that lead there; for videos of the policy ``old`` that is ``old +
    (2 / beta) E[good] (v_good - old)``, with ``v_good`` the velocity of the distribution tilted by ``good``. Where
    ``good`` is 1/2 for all it is ``old``, whatever drew the videos.

    Args:
        velocity: (N, D) the new policy's velocity; gradients flow through it.
        old: (N, D) that of the policy that drew the videos.
        target: (N, D) noise - data of each video.
        good: (N, 1) optimality of each token's video.
        beta: strength of the mixture; lower takes larger steps.
    """
    positive = (1 - beta) * old + beta * velocity
    negative = (1 + beta) * old - beta * velocity
    return good * (positive - target).square() + (1 - good) * (negative - target).square()


def diversity(latents: Tensor) -> float:
    """Root mean square distance of one prompt's latents (G, ...) from each other, over sqrt 2.

    0 for copies, about 1 for unrelated latents of unit variance. ``G`` is 2 or more.
    """
    flat = latents.flatten(1).double()
    return float((flat - flat.mean(0)).square().sum(0).div(len(flat) - 1).mean().sqrt())
