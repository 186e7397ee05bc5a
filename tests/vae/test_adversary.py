"""The adversarial term: silent until it starts, balanced by gradients, resumed bit for bit, the same over processes."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from pipeline.training.state import load_state
from tests.helpers.json_lines import json_lines
from tests.vae.test_train import CONFIG, losses, states_equal
from vae.adversary import Adversary, Discriminator
from vae.config import LossConfig
from vae.data import TrainData
from vae.refusals import gan_share
from vae.train import train

GAN = replace(CONFIG, loss=LossConfig(gan=0.5, gan_start=0.5))


def run(shards, small, out, config=GAN, **kind):
    return train(small, config, TrainData(shards, small, config), out, **kind)


@pytest.fixture(scope="module")
def whole(shards, small, tmp_path_factory) -> Path:
    """A run with the term without an interruption; no test writes into it."""
    out = tmp_path_factory.mktemp("whole")
    run(shards, small, out)
    return out


def test_nothing_changes_before_it_starts_and_something_does_after(shards, small, whole, tmp_path):
    run(shards, small, tmp_path, CONFIG, stop_at=5)
    assert losses(tmp_path)[:3] == losses(whole)[:3]
    plain, rows = (json_lines(out / "metrics.jsonl") for out in (tmp_path, whole))
    assert ["discriminator" in row for row in rows] == [False] * 3 + [True] * 3
    assert rows[3]["l1"] == plain[3]["l1"]  # the same weights, the term only beside it
    assert rows[4]["l1"] != plain[4]["l1"]


def test_a_run_in_parts_is_bitwise_the_whole_one(shards, small, whole, tmp_path):
    run(shards, small, tmp_path, stop_at=2)  # before it starts
    run(shards, small, tmp_path, stop_at=4, resume=True)
    run(shards, small, tmp_path, resume=True)
    states = [load_state(out / "state.pt") for out in (whole, tmp_path)]
    for key in ("model", "ema", "optimizer", "adversary"):
        assert states_equal(states[0][key], states[1][key]), key
    assert losses(whole) == losses(tmp_path)


@pytest.mark.parametrize("shape", [(1, 3, 1, 16, 16), (2, 3, 5, 40, 24)])
def test_images_and_videos_of_any_size_have_patches(shape):
    assert Discriminator(8)(torch.zeros(shape)).shape[:3] == (shape[0], 1, shape[2])


def test_the_balance_is_the_ratio_of_the_two_pulls():
    torch.manual_seed(0)
    adversary = Adversary(lr=1e-3, device="cpu")
    last = torch.randn(3, requires_grad=True)
    recon = torch.ones(1, 3, 1, 16, 16) * last[None, :, None, None, None]
    loss = 7 * last.sum()
    term, balance = adversary.challenge(recon, loss, last, 1)
    pull = torch.autograd.grad(term, last)[0].norm()
    assert balance == pytest.approx(float(7 * 3**0.5 / (pull + 1e-4)), rel=1e-4)
    assert all(p.grad is None for p in adversary.model.parameters())


def test_the_discriminator_learns_to_tell():
    torch.manual_seed(0)
    adversary = Adversary(lr=2e-3, device="cpu")
    real = torch.randn(2, 3, 1, 32, 32)
    blurred = torch.nn.functional.avg_pool3d(real, (1, 3, 3), stride=1, padding=(0, 1, 1))
    found = [adversary.learn(real, blurred, 1) for _ in range(40)]
    assert found[0] == pytest.approx(1, abs=0.1)
    assert found[-1] < 0.5
    before = [p.clone() for p in adversary.model.parameters()]
    adversary.learn(real * float("nan"), blurred, 1)
    assert all(map(torch.equal, before, adversary.model.parameters()))


def test_the_share_rises_over_the_warm_up():
    config = replace(CONFIG, steps=100, warmup_steps=10, loss=LossConfig(gan=0.5, gan_start=0.5))
    assert gan_share(49, 100, config) is None
    assert gan_share(50, 100, config) == pytest.approx(0.1)
    assert gan_share(80, 100, config) == 1
