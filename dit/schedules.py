"""Schedules: which noise levels a solver passes through, from noise (1) to data (0).

torch is imported inside, since options name a schedule long before one is drawn.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, get_args

ScheduleName = Literal["shifted", "uniform", "linear-quadratic"]
SCHEDULES = get_args(ScheduleName)


def uniform(steps: int) -> list[float]:
    """``steps + 1`` levels from exactly 1 to exactly 0, evenly spaced."""
    if steps < 1:
        raise ValueError(f"sampling needs at least one step, not {steps}")
    import torch

    return torch.linspace(1, 0, steps + 1, dtype=torch.float64).tolist()


def shifted(steps: int, shift: float) -> list[float]:
    """Even levels moved towards 1: t' = a t / (1 + (a - 1) t) (Esser et al., arXiv 2403.03206, section 5.3.2)."""
    import torch

    from dit.rectified_flow import shift_time

    return shift_time(torch.tensor(uniform(steps), dtype=torch.float64), shift).tolist()


def linear_quadratic(
    steps: int, threshold: float = 0.025, linear_steps: int | None = None
) -> list[float]:
    """Small even steps near noise, then quadratically larger ones (Movie Gen, arXiv 2410.13720, section 3.4.2).

    The first ``linear_steps`` (default: half of them) go from 1 to 1 - ``threshold``; the rest continues with the
    same slope to 0. The default is half of the steps of an even schedule of 20 per step sampled.
    """
    uniform(steps)  # refuses no steps
    linear = steps // 2 if linear_steps is None else linear_steps
    if not linear:
        return uniform(steps)
    rest = steps - linear
    slope = threshold / linear
    bend = (1 - threshold - slope * rest) / max(1, rest) ** 2
    away = [slope * i for i in range(linear)]
    away += [threshold + slope * i + bend * i**2 for i in range(rest)]
    return [1 - value for value in away] + [0.0]


def schedule(
    steps: int, shift: float = 1.0, first: float = 1.0, name: ScheduleName = "shifted"
) -> list[float]:
    """``steps + 1`` levels of the schedule ``name``, none above ``first``; only ``shifted`` knows ``shift``."""
    if name not in SCHEDULES:
        raise ValueError(f"schedule {name!r} is unknown; use one of {', '.join(SCHEDULES)}")
    if name == "shifted":
        times = shifted(steps, shift)
    else:
        times = uniform(steps) if name == "uniform" else linear_quadratic(steps)
    return [min(t, first) for t in times]


def zero_init(times: Sequence[float], steps: int) -> list[float]:
    """The zero-init of CFG-Zero* (arXiv 2503.18886, section 3.3): the first ``steps`` steps move nothing.

    With a velocity of zero the noise stays as it is, so what is left is to start at a later level with the same noise.
    """
    if not 0 <= steps < len(times) - 1:
        raise ValueError(
            f"{steps} of {len(times) - 1} steps at zero velocity; at least one must be left"
        )
    return list(times[steps:])
