"""A watched sampling tells its steps and guesses, ends when told to, and makes the same latents as an unwatched one."""

from __future__ import annotations

import pytest
import torch

from dit.config import SamplerConfig
from dit.samplers import generate
from dit.watch import Seen, watching
from tests.helpers.served import tiny_models


def sampled(solver: str = "euler") -> torch.Tensor:
    config = SamplerConfig(steps=4, guidance=2.0, solver=solver)
    model = tiny_models().dit.model
    return generate(model, [(2, 2, 2)], [None], config, seeds=[3])[0]


@pytest.mark.parametrize("solver", ["euler", "heun"])
def test_steps_and_guesses_are_told_and_change_nothing(solver: str) -> None:
    seen: list[tuple[int, int]] = []
    guesses: list[torch.Tensor] = []

    def watcher(told: Seen) -> None:
        seen.append((told.step, told.steps))
        guesses.append(told.guess()[0])

    with watching(watcher):
        watched = sampled(solver)
    assert torch.equal(watched, sampled(solver))
    assert sorted({step for step, _ in seen}) == [0, 1, 2, 3] and {n for _, n in seen} == {4}
    assert [step for step, _ in seen] == sorted(step for step, _ in seen)
    assert guesses[0].shape == watched.shape
    if solver == "euler":
        assert torch.allclose(guesses[-1], watched, atol=1e-5), "the last guess is the result"
    assert len(guesses) == len(seen) and (count := len(seen))
    sampled(solver)
    assert len(seen) == count, "nobody watches after the block"


def test_what_the_watcher_raises_ends_the_sampling() -> None:
    def stop(told: Seen) -> None:
        if told.step == 2:
            raise KeyError("stop")

    with pytest.raises(KeyError), watching(stop):
        sampled()
