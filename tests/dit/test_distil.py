"""Distillation as functions: targets against flows known in closed form, and what a step learns."""

import math

import pytest
import torch

from dit.distil import mean_velocity, parts_of, step_pairs
from dit.rectified_flow import gaussian_velocity
from dit.schedules import shifted
from dit.solvers import euler, heun

MEAN, STD = 0.7, 0.4


def flow(x: torch.Tensor, t: float) -> torch.Tensor:
    """The best velocity for N(MEAN, STD^2)."""
    return gaussian_velocity(x, torch.tensor(t), MEAN, STD)


def place(first: torch.Tensor, t: float) -> torch.Tensor:
    """Where the exact flow brings noise ``first`` by the level t: every place keeps its number of deviations."""
    return (1 - t) * MEAN + first * math.hypot((1 - t) * STD, t)


def test_levels_of_a_step_start_and_end_exactly() -> None:
    levels = parts_of(0.7, 0.1, 3)
    assert levels[0] == 0.7 and levels[-1] == 0.1
    assert levels == pytest.approx([0.7, 0.5, 0.3, 0.1])


def test_one_part_is_the_teachers_own_velocity() -> None:
    x = torch.randn(6, 3)
    torch.testing.assert_close(mean_velocity(flow, x, 0.8, 0.5, 1), flow(x, 0.8))


def test_a_step_ends_where_the_teachers_parts_end() -> None:
    x = torch.randn(6, 3)
    velocity = mean_velocity(flow, x, 0.8, 0.5, 4)
    torch.testing.assert_close(x + (0.5 - 0.8) * velocity, euler(flow, x, parts_of(0.8, 0.5, 4)))


def test_many_parts_come_to_the_exact_flow() -> None:
    first = torch.randn(50, 2)
    x = place(first, 0.857)
    errors = []
    for parts in (1, 2, 4, 8):
        end = x + (0.4 - 0.857) * mean_velocity(flow, x, 0.857, 0.4, parts)
        errors.append(float((end - place(first, 0.4)).abs().mean()))
    assert all(b < 0.65 * a for a, b in zip(errors[:-1], errors[1:], strict=True)), errors
    end = x + (0.4 - 0.857) * mean_velocity(flow, x, 0.857, 0.4, 8, solver=heun)
    assert float((end - place(first, 0.4)).abs().mean()) < 0.1 * errors[-1]


def test_pairs_follow_the_students_own_way() -> None:
    """The second target starts where the student went, not where the teacher would have gone."""
    x, times = torch.randn(4, 2), [1.0, 0.5, 0.0]

    def still(x: torch.Tensor, t: float) -> torch.Tensor:
        return torch.zeros_like(x)

    pairs = list(step_pairs(lambda: still, flow, x, times, parts=2))
    assert len(pairs) == 2
    torch.testing.assert_close(pairs[1][1], mean_velocity(flow, x, 0.5, 0.0, 2))


def test_a_student_that_predicts_the_targets_arrives_with_the_teacher() -> None:
    x, times = torch.randn(64, 2), shifted(4, 2.0)

    def perfect(x: torch.Tensor, t: float) -> torch.Tensor:
        return mean_velocity(flow, x, t, times[times.index(t) + 1], 3)

    for velocity, target in step_pairs(lambda: perfect, flow, x, times, parts=3):
        torch.testing.assert_close(velocity, target)
    fine = [
        level
        for a, b in zip(times[:-1], times[1:], strict=True)
        for level in parts_of(a, b, 3)[:-1]
    ]
    torch.testing.assert_close(euler(perfect, x, times), euler(flow, x, [*fine, 0.0]))


def test_targets_carry_no_gradient_and_each_step_has_a_graph_of_its_own() -> None:
    gain = torch.nn.Parameter(torch.tensor(0.3))
    x = torch.randn(4, 2)

    def student():
        scaled = gain * 2

        return lambda x, t: scaled * x

    for velocity, target in step_pairs(student, flow, x, [1.0, 0.6, 0.0], parts=2):
        assert velocity.requires_grad and not target.requires_grad
        (velocity - target).square().mean().backward()  # fails where two steps share a graph
    assert gain.grad is not None and float(gain.grad) != 0
