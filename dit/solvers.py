"""Solvers: from noise to data along any velocity, given the noise levels to pass through.

``velocity(x, t)`` is dx/dt at the noise level t of rectified flow (``dit.rectified_flow``): t = 1 is noise, t = 0 data.
``times`` falls from at most 1 to 0 (``dit.schedules``). The multistep solvers work on the data that a velocity implies,
x - t v, in the half log signal-to-noise ratio ln((1 - t) / t), where the linear part of the flow is solved exactly.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Protocol

from torch import Tensor

from pipeline.extensions import named

Velocity = Callable[[Tensor, float], Tensor]
"""(x, t) -> dx/dt at the noise level t."""


class Solver(Protocol):
    """Steps along a velocity from noise to data."""

    def __call__(self, velocity: Velocity, x: Tensor, times: Sequence[float], /) -> Tensor:
        """Data (N, D) of noise ``x`` (N, D); ``times`` are the noise levels, from 1 down to 0."""
        ...


def euler(velocity: Velocity, x: Tensor, times: Sequence[float]) -> Tensor:
    """First-order steps, one evaluation each. On this path the same as DDIM (arXiv 2010.02502, section 4.1)."""
    for now, then in zip(times[:-1], times[1:], strict=True):
        x = x + (then - now) * velocity(x, now)
    return x


def heun(velocity: Velocity, x: Tensor, times: Sequence[float]) -> Tensor:
    """Second-order steps, two evaluations each (Karras et al., arXiv 2206.00364, algorithm 1).

    The last step, to t = 0, is an Euler step.
    """
    for now, then in zip(times[:-1], times[1:], strict=True):
        first = velocity(x, now)
        ahead = x + (then - now) * first
        x = ahead if then == 0 else x + (then - now) * 0.5 * (first + velocity(ahead, then))
    return x


def dpmpp_2m(velocity: Velocity, x: Tensor, times: Sequence[float]) -> Tensor:
    """DPM-Solver++(2M): second order from one evaluation a step (arXiv 2211.01095, algorithm 2).

    The first step and the last one, to t = 0, are of first order.
    """
    before = before_data = None
    for now, then in zip(times[:-1], times[1:], strict=True):
        data = x - now * velocity(x, now)
        x = _predict(x, now, then, data, before_data, before)
        before, before_data = now, data
    return x


def unipc(velocity: Velocity, x: Tensor, times: Sequence[float]) -> Tensor:
    """UniPC of order 2 with B2(h) on data (arXiv 2302.04867, section 3 and algorithm 8), one evaluation a step.

    Each evaluation also corrects the step that led to it (UniC). The first step and the last one are of first order.
    """
    last: tuple[Tensor, float, Tensor, Tensor | None, float | None] | None = None
    before = before_data = None
    for now, then in zip(times[:-1], times[1:], strict=True):
        data = x - now * velocity(x, now)
        if last is not None:
            x = _correct(*last, now, data)
        last = (x, now, data, before_data, before)
        x = _predict(x, now, then, data, before_data, before)
        before, before_data = now, data
    return x


def _half_log_snr(t: float) -> float:
    """ln((1 - t) / t); infinite at the ends."""
    if t <= 0:
        return math.inf
    return -math.inf if t >= 1 else math.log((1 - t) / t)


def _predict(
    x: Tensor,
    now: float,
    then: float,
    data: Tensor,
    before_data: Tensor | None,
    before: float | None,
) -> Tensor:
    """UniP and DPM-Solver++(2M): of second order where the data estimate at the level ``before`` is known."""
    if before is not None and before_data is not None and then > 0:
        step, last = (_half_log_snr(b) - _half_log_snr(a) for a, b in ((now, then), (before, now)))
        data = data + 0.5 * (step / last) * (data - before_data)
    kept = then / now
    return kept * x + (1 - kept) * data


def _correct(
    x: Tensor,
    now: float,
    data: Tensor,
    before_data: Tensor | None,
    before: float | None,
    then: float,
    then_data: Tensor,
) -> Tensor:
    """UniC: the step from ``now`` to ``then`` again, once the data estimate at its end is known."""
    step = _half_log_snr(then) - _half_log_snr(now)
    # phi_2 and 2 phi_3 over B2(h), see equation (8); both are 1/2-like weights of the end of the step
    scale = math.expm1(-step)
    first = -1.0 if math.isinf(step) else scale / -step - 1
    b1 = first / scale
    slope: Tensor | float = 0.0
    weight = 0.5
    if before is not None and before_data is not None:
        ratio = (_half_log_snr(before) - _half_log_snr(now)) / step
        second = -0.5 if math.isinf(step) else first / -step - 0.5
        b2 = 2 * second / scale
        rho = 0.0 if math.isinf(ratio) else (b1 - b2) / (1 - ratio)
        slope = 0.0 if math.isinf(ratio) else rho / ratio * (before_data - data)
        weight = b1 - rho
    kept = then / now
    return kept * x + (1 - kept) * (data + slope + weight * (then_data - data))


SOLVERS: dict[str, Solver] = {"euler": euler, "heun": heun, "dpm++2m": dpmpp_2m, "unipc": unipc}
"""Solvers by name."""


def solver_named(name: str) -> Solver:
    """A solver of ours, or the function that ``module:function`` names. Raises ``ValueError`` for any other name."""
    solver: Solver = named(SOLVERS, name, "solver")
    return solver
