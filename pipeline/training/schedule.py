"""Learning rate over a run, as a factor of its peak: linear warm-up, then one of two ways down."""

from __future__ import annotations

import math

WARMUP_SHARE = 0.1
"""A warm-up takes at most this share of the run, so that a short run also reaches its peak."""


def warmup(step: int, progress: float, warmup_steps: int) -> float:
    """Linear rise to 1 over ``warmup_steps``, or over a tenth of the run if that is shorter.

    Args:
        step: optimizer steps done.
        progress: share of the run that is done, 0 to 1.
        warmup_steps: length of the rise in steps; 0 for none.
    """
    return min(1.0, max((step + 1) / max(1, warmup_steps), progress / WARMUP_SHARE))


def constant_then_linear(progress: float, decay_share: float) -> float:
    """1, then a linear fall to 0 over the last ``decay_share`` of the run (Hägele et al. 2024, section 3)."""
    left = 1.0 - progress
    return 1.0 if left >= decay_share else max(0.0, left / decay_share)


def cosine(progress: float, last: float = 0.0) -> float:
    """Half a cosine from 1 down to ``last`` (Loshchilov and Hutter 2017, equation 5 without restarts)."""
    return last + (1.0 - last) * 0.5 * (1.0 + math.cos(math.pi * min(1.0, progress)))
