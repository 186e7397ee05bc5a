"""Weights drawn one tensor at a time are those that the constructor draws."""

import dataclasses

import pytest
import torch

from dit.model import DiT
from dit.train.sharded.initial import drawn_weights
from tests.dit.train.test_loop import MODEL


@pytest.mark.parametrize(
    "changes",
    [{}, {"attention": "factorised", "head_gate": True, "refiner_depth": 2, "depth": 3}],
)
def test_drawn_weights_are_those_of_the_constructor(changes):
    config = dataclasses.replace(MODEL, **changes)
    torch.manual_seed(7)
    whole = dict(DiT(config).named_parameters())
    drawn = dict(drawn_weights(config, 7))
    assert drawn.keys() == whole.keys()
    assert all(torch.equal(drawn[name], whole[name]) for name in whole)
