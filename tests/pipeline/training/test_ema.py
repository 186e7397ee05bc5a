"""The trailing average of weights against its formula, written out for one number."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from pipeline.training.ema import Ema, ema_decay


def test_the_decay_rises_to_its_limit() -> None:
    assert [ema_decay(step, 0.9) for step in (0, 1, 8)] == pytest.approx([0.1, 2 / 11, 0.5])
    assert ema_decay(80, 0.9) == ema_decay(10**6, 0.9) == 0.9


def test_it_trails_the_weights_and_leaves_what_is_not_trained() -> None:
    """Shares the wrong way round, or no rise, and the samples come from the first steps, or from the last alone."""
    model = nn.Linear(1, 1)
    model.bias.requires_grad_(False)
    with torch.no_grad():
        model.weight.fill_(1.0)
        model.bias.fill_(1.0)
    ema = Ema(model.train(), 0.25)
    assert not ema.model.training
    assert not any(weight.requires_grad for weight in ema.model.parameters())
    average = 1.0
    for step, weight in enumerate((3.0, 5.0, 7.0, 9.0)):
        with torch.no_grad():
            model.weight.fill_(weight)
        ema.update(model)
        decay = min(0.25, (1 + step) / (10 + step))
        average = decay * average + (1 - decay) * weight
        assert float(ema.model.weight.detach()) == pytest.approx(average, rel=1e-6)
    assert ema.updates == 4 and float(model.weight.detach()) == 9.0
    assert float(ema.model.bias) == 1.0


def test_a_model_that_cannot_be_copied_brings_its_own_second_one() -> None:
    """A sharded model is no copy of itself: the average is kept in a second one, which is sharded as well."""
    model, second = nn.Linear(2, 1), nn.Linear(2, 1)
    ema = Ema(model, 0.25, second)
    assert ema.model is second and not second.training
    ema.update(model)
    with pytest.raises(ValueError, match="longer"):
        ema.update(nn.Sequential(model, nn.Linear(1, 1)))
