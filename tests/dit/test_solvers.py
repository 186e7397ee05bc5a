"""Solvers against closed forms, and against diffusers' schedulers for rectified flow."""

from __future__ import annotations

import math

import pytest
import torch

from dit.rectified_flow import finite_velocity, gaussian_velocity
from dit.schedules import schedule
from dit.solvers import SOLVERS, dpmpp_2m, euler, heun, unipc

MEAN, STD = 0.5, 0.3
NOISE = torch.randn(128, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(0))


def affine(x, t):
    """Data N(m, s^2): the flow maps noise x to m + s x exactly, which gives a solver's error."""
    return gaussian_velocity(x, torch.tensor(t, dtype=torch.float64), MEAN, STD)


def mixture(x, t):
    """Two clips with some spread: a velocity that bends."""
    means = torch.tensor([[-1.0, 0.5], [1.5, -0.3]], dtype=torch.float64)
    return finite_velocity(
        x, torch.full((len(x),), t, dtype=torch.float64), means, torch.full((2, 2), 0.09)
    )


@pytest.fixture(scope="module")
def at_five_hundredths():
    """The mixture's flow from t = .95 to .05, as good as exact."""
    return heun(mixture, NOISE, [0.95 - 0.9 * i / 3000 for i in range(3001)])


@pytest.mark.parametrize(
    ("solver", "low", "high"), [(euler, 0.9, 1.1), (heun, 1.9, 2.1), (dpmpp_2m, 1.8, 2.2), (unipc, 2.7, 3.1)]
)  # fmt: skip
def test_the_order_of_a_solver_on_a_velocity_that_bends(solver, low, high, at_five_hundredths):
    """The corrector of UniPC adds one to the order of its predictor (its paper's theorem 3.1)."""
    errors = []
    for steps in (40, 80, 160):
        times = [0.95 - 0.9 * i / steps for i in range(steps + 1)]
        errors.append(float((solver(mixture, NOISE, times) - at_five_hundredths).abs().mean()))
    orders = [math.log2(a / b) for a, b in zip(errors, errors[1:], strict=False)]
    assert all(low < order < high for order in orders), orders


@pytest.mark.parametrize("name", SOLVERS)
def test_noise_goes_to_the_gaussian_that_it_should(name):
    """The whole way, from pure noise to data, where the half log SNR is infinite at both ends."""
    errors = [
        float((SOLVERS[name](affine, NOISE, schedule(n)) - (MEAN + STD * NOISE)).abs().mean())
        for n in (40, 160)
    ]
    assert errors[0] < 0.02
    assert errors[1] < errors[0] / 3.5, "halving the steps twice must show"


def test_multistep_solvers_beat_euler_at_the_same_number_of_evaluations():
    errors = {
        name: float((solver(affine, NOISE, schedule(20)) - (MEAN + STD * NOISE)).abs().mean())
        for name, solver in SOLVERS.items()
    }
    assert max(errors["dpm++2m"], errors["unipc"]) < errors["euler"] / 5, errors


@pytest.mark.parametrize("solver", SOLVERS.values())
def test_one_step_is_the_data_estimate_of_the_first_level(solver):
    torch.testing.assert_close(solver(mixture, NOISE, [1.0, 0.0]), NOISE - mixture(NOISE, 1.0))


@pytest.mark.parametrize("shift", [1.0, 3.0])
@pytest.mark.parametrize("name", ["euler", "dpm++2m", "unipc"])
def test_the_same_as_diffusers(name, shift):
    diffusers = pytest.importorskip("diffusers")
    flow = {"prediction_type": "flow_prediction", "use_flow_sigmas": True, "flow_shift": shift}
    made = {
        "euler": lambda: diffusers.FlowMatchEulerDiscreteScheduler(shift=shift),
        "dpm++2m": lambda: diffusers.DPMSolverMultistepScheduler(
            algorithm_type="dpmsolver++", solver_order=2, **flow
        ),
        "unipc": lambda: diffusers.UniPCMultistepScheduler(
            solver_order=2, solver_type="bh2", **flow
        ),
    }
    scheduler = made[name]()
    scheduler.set_timesteps(12)
    x = NOISE.clone()
    for level, step in zip(scheduler.sigmas.tolist(), scheduler.timesteps, strict=False):
        x = scheduler.step(mixture(x, level), step, x).prev_sample
    ours = SOLVERS[name](mixture, NOISE, scheduler.sigmas.tolist())
    torch.testing.assert_close(ours, x, atol=2e-5, rtol=0)  # its levels are float32
