"""Steps made ahead are the steps that would have been made in their turn, and their errors come at theirs."""

from dataclasses import replace
from typing import Any

import pytest
import torch

from benchmarks.gpu_checks import SMALL, packs
from dit.config import TrainConfig
from dit.train import feed as feeding
from dit.train.feed import Feed, make_ready

CONFIG = TrainConfig(condition_share=0.5)


def feed(data: Any, ahead: int) -> Feed:
    return Feed(data, SMALL, CONFIG, torch.device("cpu"), ahead=ahead)


def walk(data: Any, ahead: int, steps: int) -> list:
    source, cursor, found = feed(data, ahead), data.state, []
    for number in range(steps):
        ready = source.take(cursor, number)
        cursor = ready.step.state
        found.append(ready)
    source.close()
    return found


@pytest.mark.parametrize("ahead", [1, 3])
def test_what_is_made_ahead_is_what_is_made_in_turn(ahead):
    for ours, theirs in zip(walk(packs(SMALL), ahead, 7), walk(packs(SMALL), 0, 7), strict=True):
        assert (ours.number, ours.step.step) == (theirs.number, theirs.step.step)
        for one, two in zip(ours.batches, theirs.batches, strict=True):
            assert torch.equal(one.x_t, two.x_t) and torch.equal(one.target, two.target)


def test_boxes_are_trained_on_where_asked_and_change_no_noise_where_not():
    data = packs(SMALL)
    plain = make_ready(data, SMALL, TrainConfig(condition_share=0.0), data.state, 3).batches[0]
    boxed = make_ready(
        data, SMALL, TrainConfig(condition_share=0.0, around_share=1.0), data.state, 3
    ).batches[0]
    assert not plain.given.any()
    assert torch.equal(boxed.target, plain.target), "noise is drawn before masks are"
    assert torch.equal(boxed.x_t[~boxed.given], plain.x_t[~boxed.given])
    assert not boxed.weight[boxed.given].any()
    for clip in range(boxed.layout.n_clips):
        of_clip = boxed.given[boxed.layout.clip == clip]
        assert not of_clip.all(), "some token of every clip is left to make, of an image, too"
    assert boxed.given.any()


def test_the_same_clips_are_noised_anew_in_every_epoch():
    """Noise by the place in the epoch would be seen again and again, and learned."""
    data = packs(SMALL)
    one, other = (make_ready(data, SMALL, CONFIG, data.state, number) for number in (3, 7))
    assert not torch.equal(one.batches[0].x_t, other.batches[0].x_t)
    assert torch.equal(
        one.batches[0].x_t, make_ready(data, SMALL, CONFIG, data.state, 3).batches[0].x_t
    )


def test_a_jump_is_followed():
    data = packs(SMALL)
    source = feed(data, 2)
    first = source.take(data.state, 0)
    again = source.take(data.state, 5)
    direct = make_ready(data, SMALL, CONFIG, data.state, 5)
    assert torch.equal(again.batches[0].x_t, direct.batches[0].x_t)
    assert not torch.equal(again.batches[0].x_t, first.batches[0].x_t)
    source.close()


def test_an_error_comes_at_its_own_step():
    data = packs(SMALL)
    read = data.at

    def broken(state):
        if state.step == 2:
            raise ValueError("clip 7 is gone")
        return read(state)

    data.at = broken
    source, cursor = feed(data, 3), data.state
    for number in range(2):
        cursor = source.take(cursor, number).step.state
    with pytest.raises(ValueError, match="clip 7"):
        source.take(cursor, 2)
    source.close()


def test_each_pack_of_a_step_has_noise_of_its_own_whoever_draws_it(monkeypatch):
    """With one noise for all, a step of many packs sees the levels and the noise of one."""
    data = packs(SMALL)
    pack, step = data.at(data.state).units[0], data.at(data.state)

    def noised(rank: int, world: int, count: int) -> list[torch.Tensor]:
        monkeypatch.setattr(data, "at", lambda _: replace(step, units=[pack] * count))
        monkeypatch.setattr(feeding, "data_place", lambda *_: (rank, world))
        return [batch.x_t for batch in make_ready(data, SMALL, CONFIG, data.state, 3).batches]

    alone = noised(0, 1, 4)
    assert not any(torch.equal(alone[0], other) for other in alone[1:])
    for rank in (0, 1):
        for mine, its in zip(noised(rank, 2, 2), alone[rank::2], strict=True):
            assert torch.equal(mine, its), "two processes draw what one does"
