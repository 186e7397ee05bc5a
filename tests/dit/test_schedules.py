"""Schedules: exact ends, the formulas' values, and diffusers' linear-quadratic one."""

from __future__ import annotations

import ast
import importlib.util
from pathlib import Path

import pytest

from dit.schedules import SCHEDULES, linear_quadratic, schedule, shifted, uniform, zero_init
from dit.solvers import euler


@pytest.mark.parametrize("name", SCHEDULES)
@pytest.mark.parametrize("steps", [1, 2, 3, 30])
def test_levels_fall_from_exactly_one_to_exactly_zero(name, steps):
    times = schedule(steps, 3.0, name=name)
    assert len(times) == steps + 1
    assert (times[0], times[-1]) == (1.0, 0.0)
    assert all(a > b for a, b in zip(times, times[1:], strict=False))
    assert max(schedule(steps, 3.0, 0.97, name)) == 0.97


def test_the_shift_of_half_way():
    assert uniform(2)[1] == 0.5
    assert shifted(2, 3.0)[1] == pytest.approx(0.75)


def test_linear_quadratic_is_the_one_of_diffusers():
    if importlib.util.find_spec("diffusers") is None:
        pytest.skip("diffusers is not installed")
    spec = importlib.util.find_spec("diffusers")
    assert spec and spec.origin
    source = Path(spec.origin).parent / "pipelines" / "mochi" / "pipeline_mochi.py"
    tree = ast.parse(source.read_text())  # the module itself imports models we do not need
    node = next(n for n in tree.body if getattr(n, "name", "") == "linear_quadratic_schedule")
    names: dict = {}
    exec(compile(ast.Module([node], []), str(source), "exec"), names)
    for steps, threshold in ((30, 0.025), (9, 0.1), (50, 0.01)):
        theirs = names["linear_quadratic_schedule"](steps, threshold)
        assert linear_quadratic(steps, threshold)[:-1] == pytest.approx(theirs, abs=1e-12)


def test_zero_init_is_a_velocity_of_zero_in_the_first_steps():
    import torch

    x, times = torch.randn(3, 2), uniform(5)
    still = euler(lambda x, t: torch.where(torch.tensor(t > 0.7), 0.0, x + t), x, times)
    assert torch.equal(euler(lambda x, t: x + t, x, zero_init(times, 2)), still)
    with pytest.raises(ValueError, match="5 of 5 steps at zero velocity"):
        zero_init(times, 5)


def test_bad_arguments_are_named():
    with pytest.raises(ValueError, match="at least one step, not 0"):
        schedule(0)
    with pytest.raises(ValueError, match="use one of shifted, uniform, linear-quadratic"):
        schedule(3, name="cosine")  # type: ignore[arg-type]
