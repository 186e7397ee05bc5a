"""Samplers: a schedule of noise levels, a solver over any velocity, and guided generation of packs of clips."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Protocol

import torch
from torch import Tensor

from dit.conditioning import hold
from dit.flow import shift_time
from dit.guided import GUIDANCES as GUIDANCES
from dit.guided import Plan, Velocity, guided_velocity, plan_pack
from dit.model import DiT
from dit.packing import make_layout, split_pack
from dit.paths import first_level
from pipeline.extensions import is_extension, load_extension


def schedule(steps: int, shift: float = 1.0, first: float = 1.0) -> list[float]:
    """``steps + 1`` noise levels from exactly 1 to exactly 0, even before the shift; none above ``first``."""
    if steps < 1:
        raise ValueError(f"sampling needs at least one step, not {steps}")
    even = torch.linspace(1, 0, steps + 1, dtype=torch.float64)
    return shift_time(even, shift).clamp(max=first).tolist()


def euler(velocity: Velocity, x: Tensor, times: Sequence[float]) -> Tensor:
    """First-order steps along the velocity, one evaluation each."""
    for now, then in zip(times[:-1], times[1:], strict=True):
        x = x + (then - now) * velocity(x, now)
    return x


def heun(velocity: Velocity, x: Tensor, times: Sequence[float]) -> Tensor:
    """Second-order steps, two evaluations each; the last one, to t = 0, is an Euler step."""
    for now, then in zip(times[:-1], times[1:], strict=True):
        first = velocity(x, now)
        ahead = x + (then - now) * first
        x = ahead if then == 0 else x + (then - now) * 0.5 * (first + velocity(ahead, then))
    return x


class Solver(Protocol):
    """Steps along a velocity from noise to data."""

    def __call__(self, velocity: Velocity, x: Tensor, times: Sequence[float], /) -> Tensor:
        """Data (N, D) of noise ``x`` (N, D); ``times`` are the noise levels, from 1 down to 0."""
        ...


SOLVERS: dict[str, Solver] = {"euler": euler, "heun": heun}
"""Solvers by name."""


def solver_named(name: str) -> Solver:
    """A solver of ours, or the function that ``module:function`` names. Raises ``ValueError`` for any other name."""
    if is_extension(name):
        solver: Solver = load_extension(name, "solver")
        return solver
    if name not in SOLVERS:
        raise ValueError(
            f"solver {name!r} is unknown; use one of {', '.join(SOLVERS)}, or module:function"
        )
    return SOLVERS[name]


@torch.no_grad()
def generate(
    model: DiT,
    shapes: Sequence[Sequence[int]],
    texts: Sequence[Tensor | None],
    *,
    steps: int = 30,
    guidance: float = 4.0,
    shift: float = 2.0,
    solver: str = "euler",
    rule: str = "cfg",
    seeds: Sequence[int] | None = None,
    fps: Sequence[float] | float = 8.0,
    clean: Sequence[Tensor | None] | None = None,
    given: Sequence[Tensor | None] | None = None,
    cuda_graph: bool = False,
) -> list[Tensor]:
    """Normalised latents (C, T, H, W) of one clip per shape (T, H, W), all in one pack.

    ``texts[i]`` (L, text_dim) or None; ``seeds[i]`` fixes clip i whatever else is in the pack. ``given[i]`` (T,) bool
    marks latent frames taken from ``clean[i]`` (C, T, H, W): image-to-video, extension, both ends.
    ``rule`` as in ``dit.guided.guided_velocity``, ``cuda_graph`` as its ``graph``.
    """
    solver_named(solver)
    plan = plan_pack(
        model.config,
        shapes,
        texts,
        guided=guidance != 1.0,
        seeds=seeds,
        fps=fps,
        clean=clean,
        given=given,
    ).to(next(model.parameters()).device)
    velocity = guided_velocity(model, plan, guidance, rule, graph=cuda_graph)
    first = first_level(model.config.path)
    x = solve(velocity, plan, schedule(steps, shift, first), solver).cpu()
    single = make_layout(
        shapes, [None] * len(shapes), patch=model.config.patch, text_dim=model.config.text_dim
    )
    return split_pack(x, single, model.config.patch)


def solve(velocity: Velocity, plan: Plan, times: Sequence[float], solver: str) -> Tensor:
    """Tokens (N, token_dim) of the pack's clips at ``times[-1]``, from its noise; waits for no device."""
    x = plan.noise * math.hypot(times[0], 1 - times[0])  # unit variance at the level it starts from
    x = solver_named(solver)(velocity, x, times)
    return hold(x, plan.known, plan.given)
