"""Solvers and guidance rules by name: ours, and functions of a module of one's own."""

from __future__ import annotations

import sys

import pytest
import torch

from dit.guidance import RULES, guidance_named
from dit.schedules import schedule
from dit.solvers import SOLVERS, solver_named

MODULE = """
def twice(conditional, unconditional, scale, clip, clips):
    return 2 * conditional

def one_step(velocity, x, times):
    return x + (times[-1] - times[0]) * velocity(x, times[0])
"""


def test_functions_of_a_module_are_found_by_name(tmp_path, monkeypatch):
    (tmp_path / "samplers_of_a_test.py").write_text(MODULE)
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    x = torch.ones(3, 2)
    rule = guidance_named("samplers_of_a_test:twice")
    assert torch.equal(rule(x, x, 4.0, torch.zeros(3, dtype=torch.int64), 1), 2 * x)
    solve = solver_named("samplers_of_a_test:one_step")
    assert torch.equal(solve(lambda x, t: x, x, schedule(4)), torch.zeros(3, 2))


def test_names_of_ours_and_names_of_nothing():
    x, y = torch.ones(2, 2), torch.zeros(2, 2)
    clip = torch.tensor([0, 1])
    for name in RULES:
        assert torch.isfinite(guidance_named(name)(x, y, 2.0, clip, 2)).all()
    assert torch.equal(guidance_named("cfg")(x, y, 3.0, clip, 2), 3 * x)
    assert [solver_named(name) for name in SOLVERS] == list(SOLVERS.values())
    with pytest.raises(ValueError, match="rule 'none' is unknown; use one of cfg"):
        guidance_named("none")
    with pytest.raises(ValueError, match="solver 'rk9' is unknown; use one of euler"):
        solver_named("rk9")
