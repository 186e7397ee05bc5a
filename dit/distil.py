"""Distillation of a guided sampler of many steps into a model of few: pure functions over any velocity callable.

The flow from noise to data is deterministic, so a step of the student has one right end: where the teacher, guided as
it is sampled, arrives with several smaller steps from the same place. The student learns the mean velocity of that way;
then an Euler step takes it there. That is progressive distillation (Salimans and Ho, arXiv 2202.00512, section 3), in
one stage in place of several halvings, with guidance in the same network (Meng et al., arXiv 2210.03142, section 3).
Places are those that the student itself comes to, so that it learns to mend its own errors (as DAgger does, arXiv
1011.0686).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import torch
from torch import Tensor

from dit.solvers import Solver, Velocity, euler


def parts_of(now: float, then: float, parts: int) -> list[float]:
    """``parts + 1`` levels from ``now`` to ``then``, both exact, evenly spaced between them."""
    return [now + (then - now) * i / parts for i in range(parts)] + [then]


def mean_velocity(
    teacher: Velocity, x: Tensor, now: float, then: float, parts: int, solver: Solver = euler
) -> Tensor:
    """Velocity (N, D) whose one Euler step from ``x`` at ``now`` ends where the teacher's ``parts`` steps end.

    With one part, or for a flow along straight lines, this is the teacher's own velocity.
    """
    end = solver(teacher, x, parts_of(now, then, parts))
    return (end - x) / (then - now)


Pairs = Iterator[tuple[Tensor, Tensor]]
"""(velocity of the student with its gradient, that of the teacher) of one step after the other, both (N, D)."""


def step_pairs(
    student: Callable[[], Velocity],
    teacher: Velocity,
    x: Tensor,
    times: Sequence[float],
    parts: int,
) -> Pairs:
    """What the student predicts at each of its steps along its own way from ``x``, and what it should.

    Args:
        student: Makes its velocity callable anew for each step, so that each has a graph of its own.
        teacher: The guided velocity to follow.
        x: (N, D) where sampling starts.
        times: Levels of the student's steps, from noise to data.
        parts: Steps of the teacher to each of them.
    """
    for now, then in zip(times[:-1], times[1:], strict=True):
        with torch.no_grad():
            target = mean_velocity(teacher, x, now, then, parts)
        velocity = student()(x, now)
        x = x + (then - now) * velocity.detach()
        yield velocity, target
