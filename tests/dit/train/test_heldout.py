"""What the held-out loss is of: the averaged weights, told which tokens are given, at the clip's own frame rate."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
import torch

from dit.model import DiT
from dit.train.data import generator_for, make_batch
from dit.train.heldout import (
    EVAL_TIMES,
    held_out_loss,
    held_out_losses,
    pack_loss,
    packs_within,
)
from dit.train.loop import evaluate, train
from dit.train.objective import PathObjective
from dit.train.run import start_run
from pipeline import schema as s
from tests.dit.train.test_loop import CONFIG, MODEL, packs
from tests.helpers.json_lines import json_lines
from tests.helpers.latents import write_folder


def awake(model: DiT) -> DiT:
    """A new model predicts zero whatever it sees; with drawn weights every input matters."""
    generator = torch.Generator().manual_seed(5)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.2 * torch.randn(parameter.shape, generator=generator))
    return model.requires_grad_(False)


def test_held_out_losses_are_of_the_averaged_weights(folder: Path, tmp_path: Path) -> None:
    """The averaged weights are what is exported: the raw ones' loss would choose another checkpoint."""
    config = dataclasses.replace(CONFIG, lr=0.02, ema_decay=0.9, steps=6, eval_every=6)
    data = packs(folder)
    run = train(MODEL, config, data, tmp_path)
    held = data.held_out_packs()
    averaged = held_out_loss(run.ema.model, held, data, config)["held_out"]
    raw = held_out_loss(run.model, held, data, config)["held_out"]
    logged = json_lines(tmp_path / "metrics.jsonl")[-1]["held_out"]
    assert logged == pytest.approx(averaged, rel=1e-6)
    assert abs(raw - averaged) > 1e-4


def test_the_model_is_told_which_tokens_are_given(folder: Path) -> None:
    """Untold, image-to-video trains on clean frames that look like noise of some level."""
    data = packs(folder)
    config = dataclasses.replace(CONFIG, condition_share=1.0)
    run = start_run(MODEL, config.settled(MODEL), data)
    model = awake(run.model)
    pack = [data.store.item(rows["dense"]) for rows in data.clips[:8]]
    batch = make_batch(pack, data.spec(), MODEL, config, generator_for(1))
    assert batch.given.any() and not batch.given.all()
    told = float(pack_loss(model, batch))
    untold = float(
        pack_loss(model, dataclasses.replace(batch, given=torch.zeros_like(batch.given)))
    )
    assert abs(told - untold) > 1e-3 * told
    measured = float((held_out_losses(model, batch) * batch.weight).sum())
    assert measured == pytest.approx(told, rel=1e-5), "the held-out loss is of the same question"


def test_every_clip_has_its_own_frame_rate(tmp_path: Path) -> None:
    """With all clips at 8 fps the model cannot tell a slow movement from a slow camera."""
    folder = write_folder(tmp_path / "mixed", rates=(8.0, 24.0, 4.0))
    data = packs(folder)
    pack = [data.store.item(rows["dense"]) for rows in data.clips[:6]]
    batch = make_batch(pack, data.spec(), MODEL, CONFIG, generator_for(1))
    rates = sorted(batch.layout.fps.tolist())
    assert rates == sorted(float(clip[s.FPS]) for clip in pack) == [4, 4, 8, 8, 24, 24]
    run = start_run(MODEL, CONFIG.settled(MODEL), data)
    model = awake(run.model)
    same = [{**clip, s.FPS: 8.0} for clip in pack]
    other = make_batch(same, data.spec(), MODEL, CONFIG, generator_for(1))
    assert torch.equal(batch.x_t, other.x_t)
    assert float(pack_loss(model, batch)) != pytest.approx(float(pack_loss(model, other)), rel=1e-4)


def test_odd_sides_are_padded_and_the_padding_carries_no_loss(tmp_path: Path) -> None:
    """A latent of 5 x 7 cells fills tokens of 2 x 2 only in part."""
    folder = write_folder(tmp_path / "odd", shapes=((4, 3, 5, 7), (4, 2, 3, 4)))
    data = packs(folder)
    pack = [data.store.item(rows["dense"]) for rows in data.clips[:2]]
    batch = make_batch(pack, data.spec(), MODEL, CONFIG, generator_for(1))
    tokens = {(3, 5, 7): 3 * 3 * 4, (2, 3, 4): 2 * 2 * 2}
    assert len(batch.x_t) == sum(tokens[tuple(shape)] for shape in batch.layout.shapes)
    assert batch.real is not None
    numbers = sum(4 * t * h * w for t, h, w in tokens)
    assert int(batch.real.sum()) == numbers
    run = start_run(MODEL, CONFIG.settled(MODEL), data)
    model = awake(run.model)
    spoiled = torch.where(batch.real, batch.target, torch.full_like(batch.target, 1e6))
    before, after = (
        float(pack_loss(model, b)) for b in (batch, dataclasses.replace(batch, target=spoiled))
    )
    assert before == pytest.approx(after)
    losses = [
        held_out_losses(model, dataclasses.replace(batch, target=t))
        for t in (batch.target, spoiled)
    ]
    torch.testing.assert_close(*losses)


def test_each_number_has_its_own_posterior_deviation(tmp_path: Path) -> None:
    """One deviation for all would add noise where the encoder is sure."""
    folder = write_folder(tmp_path / "own", logvars=(-8.0, 0.0))
    data = packs(folder)
    clip = data.store.item(data.clips[0]["dense"])
    draws = []
    for key in range(200):
        batch = make_batch(
            [clip], data.spec(), MODEL, CONFIG, generator_for(key), times=torch.zeros(1)
        )
        draws.append(batch.x_t)
    spread = torch.stack(draws).std(0)
    std = torch.tensor(data.store.channel_std).repeat_interleave(
        4
    )  # a token is channels x 1 x 2 x 2
    deviations = (spread * std).flatten()
    sure, unsure = deviations[deviations < 0.2], deviations[deviations > 0.5]
    assert len(sure) + len(unsure) == len(deviations) and len(sure) and len(unsure)
    assert sure.mean() == pytest.approx(float(torch.tensor(-4.0).exp()), rel=0.1)
    assert unsure.mean() == pytest.approx(1.0, rel=0.1)


def test_as_many_packs_are_looked_at_as_the_seconds_allow(folder: Path, tmp_path: Path) -> None:
    assert packs_within(120, 1.0, 50, 1) == 50
    assert packs_within(10, 1.0, 50, 2) == 20
    assert packs_within(10, 0.5, 50, 1) == 20 and packs_within(10, 4.0, 50, 1) == 2
    assert packs_within(0.1, 1.0, 50, 4) == 4, "each process one"
    config = dataclasses.replace(CONFIG, eval_seconds=1e-6)
    data = packs(folder)
    held = data.held_out_packs()
    run = start_run(MODEL, config.settled(MODEL), data)
    evaluate(run, held, data, config, PathObjective("flow"))
    assert run.eval_packs == 1
    assert run.held_out == held_out_loss(run.ema.model, held, data, config, most=1)


def test_held_out_packs_are_read_when_they_are_asked_for(folder: Path) -> None:
    data = packs(folder)
    asked: list[int] = []
    real = data._sample
    data._sample = lambda index, epoch: asked.append(index) or real(index, epoch)  # type: ignore[func-returns-value,method-assign]
    held = data.held_out_packs()
    assert len(held) and not asked
    held[0]
    assert 0 < len(asked) <= len(data.held_out)


def test_each_held_out_pack_has_noise_of_its_own_and_of_the_run_s_seed(folder: Path) -> None:
    """One noise for all packs would make the mean as uncertain as that of a single one."""
    data = packs(folder)
    config = CONFIG.settled(MODEL)
    model = awake(start_run(MODEL, config, data).model)
    pack = data.held_out_packs()[0]
    once = held_out_loss(model, [pack], data, config)["t0.5"]
    twice = held_out_loss(model, [pack, pack], data, config)["t0.5"]
    assert twice != pytest.approx(once, rel=1e-4)
    other = dataclasses.replace(config, seed=config.seed + 1)
    assert held_out_loss(model, [pack], data, other)["t0.5"] != pytest.approx(once, rel=1e-4)


def test_no_more_packs_are_read_than_asked_for(folder: Path) -> None:
    data = packs(folder)
    config = CONFIG.settled(MODEL)
    model = awake(start_run(MODEL, config, data).model)
    held = data.held_out_packs()
    read: list[int] = []

    class Packs(list):  # type: ignore[type-arg]
        def __getitem__(self, number):  # type: ignore[no-untyped-def]
            read.append(number)
            return held[0]

    held_out_loss(model, Packs([None] * 5), data, config, most=2)
    assert set(read) == {0, 1}, "a loss that takes an hour is one that nobody asked for"


def test_the_floor_counts_tokens_as_the_loss_does(folder: Path) -> None:
    data = packs(folder, held_out_share=0.5)
    config = dataclasses.replace(CONFIG, loss_unit="clip").settled(MODEL)
    model = awake(start_run(MODEL, config, data).model)
    pack = max(data.held_out_packs(), key=len)
    assert len({tuple(clip[s.LATENT_MEAN].shape) for clip in pack}) > 1
    found = held_out_loss(model, [pack], data, config)
    floors = []
    for t in EVAL_TIMES:
        noise = generator_for(config.seed, -1, 0)
        times = torch.full((len(pack),), t)
        batch = make_batch(pack, data.spec(), MODEL, config, noise, times=times)
        assert not batch.given.any(), "nothing is given at fixed levels"
        floors.append(float((batch.floor.double() * batch.weight).sum() / batch.weight.sum()))
    assert found["held_out_floor"] == pytest.approx(sum(floors) / len(floors), rel=1e-5)


def test_padding_is_no_part_of_the_floor(tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "odd", shapes=((4, 1, 3, 3),), logvars=(-1.0, -5.0))
    data = packs(folder)
    clip = data.store.item(data.clips[0]["dense"])
    times = torch.ones(1)
    batch = make_batch([clip], data.spec(), MODEL, CONFIG, generator_for(1), times=times)
    std = torch.tensor(data.store.channel_std).view(-1, 1, 1, 1)
    # at level 1 the floor of v is the variance of the latents: the mean over the cells that are there
    variance = clip[s.LATENT_LOGVAR].exp() / std.square()
    corner = variance[:, 0, 2:, 2:].mean()
    assert float(batch.floor[-1]) == pytest.approx(float(corner), rel=1e-5)
    edge = variance[:, 0, :2, 2:].mean()
    assert float(batch.floor[1]) == pytest.approx(float(edge), rel=1e-5)


def test_held_out_numbers_are_those_of_fixed_levels_and_noise(folder: Path) -> None:
    """Of other noise than at the step before, a curve of losses shows the draw and not the training."""
    data = packs(folder)
    config = CONFIG.settled(MODEL)
    run = start_run(MODEL, config, data)
    model = awake(run.model)
    pack = data.held_out_packs()[0]
    found = held_out_loss(model, [pack], data, config)
    floors = []
    for t in EVAL_TIMES:
        times = torch.full((len(pack),), t)
        noise = generator_for(config.seed, -1, 0)  # no training step has this number
        batch = make_batch(pack, data.spec(), MODEL, config, noise, times=times)
        share = batch.weight.double() / batch.weight.double().sum()
        want = float((held_out_losses(model, batch).double() * share).sum())
        assert found[f"t{t}"] == pytest.approx(want, rel=1e-5)
        floors.append(float((batch.floor.double() * share).sum()))
    assert found["held_out_floor"] == pytest.approx(sum(floors) / len(floors), rel=1e-5)
    mean = sum(found[f"t{t}"] for t in EVAL_TIMES) / len(EVAL_TIMES)
    assert found["held_out"] == pytest.approx(mean, rel=1e-6)
