"""Training: resumes bitwise, survives NaN, learns."""

from __future__ import annotations

import os
import signal
from dataclasses import replace
from pathlib import Path

import pytest
import torch

import vae.train as training
from pipeline.training.state import load_state
from tests.helpers.json_lines import json_lines
from vae.config import TrainConfig
from vae.data import TrainData
from vae.model import VideoVAE
from vae.refusals import learning_rate
from vae.train import step_noise, train

CONFIG = TrainConfig(
    steps=6,
    batch=4,
    lr=3e-3,
    warmup_steps=2,
    max_frames=5,
    checkpoint_every=3,
    log_every=1,
    precision="fp32",
    image_share=0.3,
)


def states_equal(a, b) -> bool:
    if isinstance(a, torch.Tensor):
        return torch.equal(a, b)
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(states_equal(a[k], b[k]) for k in a)
    if isinstance(a, (list, tuple)):
        return len(a) == len(b) and all(map(states_equal, a, b))
    return a == b


def run(shards, small, out, **kind):
    return train(small, CONFIG, TrainData(shards, small, CONFIG), out, **kind)


@pytest.fixture(scope="module")
def whole(shards, small, tmp_path_factory) -> Path:
    """A run of ``CONFIG`` without an interruption; no test writes into it."""
    out = tmp_path_factory.mktemp("whole")
    run(shards, small, out)
    return out


def losses(out) -> list[tuple[int, float]]:
    rows = json_lines(out / "metrics.jsonl")
    return [(row["step"], row["loss"]) for row in rows]


def test_resumed_run_is_bitwise_the_undisturbed_one(shards, small, whole, tmp_path):
    run(shards, small, tmp_path / "parts", stop_at=3)
    with open(tmp_path / "parts" / "metrics.jsonl", "a") as file:
        file.write('{"step": 4, "loss": 9.0}\n{"step": 5, "lo')  # a killed run got a little further
    run(shards, small, tmp_path / "parts", stop_at=5, resume=True)
    run(shards, small, tmp_path / "parts", resume=True)
    states = [load_state(out / "state.pt") for out in (whole, tmp_path / "parts")]
    for key in ("model", "ema", "optimizer", "step", "data", "skipped"):
        assert states_equal(states[0][key], states[1][key]), key
    assert losses(whole) == losses(tmp_path / "parts")
    assert [step for step, _ in losses(whole)] == list(range(1, 7))


def test_other_settings_or_presets_are_not_resumed(shards, small, tmp_path):
    run(shards, small, tmp_path, stop_at=1)
    other = replace(CONFIG, lr=1.0)
    with pytest.raises(
        ValueError, match=r"lr = 0.003 \(now 1.0\); give the same, or another --out"
    ):
        train(small, other, TrainData(shards, small, other), tmp_path, resume=True)
    wide = replace(small, widths=(16, 32))
    with pytest.raises(ValueError, match=r"widths = "):
        train(wide, CONFIG, TrainData(shards, wide, CONFIG), tmp_path, resume=True)
    (tmp_path / "state.pt").write_bytes(b"half a file")
    with pytest.raises(ValueError, match="not a readable training state"):
        run(shards, small, tmp_path, resume=True)


def test_noise_is_of_the_seed_and_of_the_step(small):
    """One noise for every seed, and two runs tell nothing of the scatter; one for every step is learned by heart."""
    config = replace(CONFIG, latent_noise=0.5)
    shape = (4, 1, *VideoVAE(small).latent_shape(5, 8, 8))
    first, *others = (
        step_noise(shape, replace(config, seed=seed), step)
        for seed, step in ((3, 7), (3, 7), (4, 7), (3, 8))
    )
    same = [
        torch.equal(first[0], noise) and torch.equal(first[1], extra) for noise, extra in others
    ]
    assert same == [True, False, False]
    assert not any(torch.equal(first[0], noise) for noise, _ in others[1:])


def test_nan_step_is_skipped_logged_and_survived(shards, small, tmp_path, monkeypatch):
    real, calls, seen = training.vae_loss, [], []

    def poisoned(*args):
        loss, parts = real(*args)
        calls.append(1)
        return (loss * float("nan") if len(calls) == 4 else loss), parts

    monkeypatch.setattr(training, "vae_loss", poisoned)
    original = training.train_step

    def watched(state, *args, **kind):
        before = [p.detach().clone() for p in state.vae.parameters()]
        row = original(state, *args, **kind)
        seen.append((row["skipped"], all(map(torch.equal, before, state.vae.parameters()))))
        return row

    monkeypatch.setattr(training, "train_step", watched)
    state = run(shards, small, tmp_path)
    assert state.step == 6
    assert state.skipped == 1
    assert [i for i, (skipped, same) in enumerate(seen) if skipped and same] == [3]
    assert not any(same for skipped, same in seen if not skipped)
    assert all(torch.isfinite(p).all() for p in state.ema.model.parameters())
    rows = json_lines(tmp_path / "metrics.jsonl")
    assert [row["step"] for row in rows if row.get("skipped")] == [4]


def test_start_is_pca_and_training_improves_on_it(shards, small, tmp_path):
    from vae.baseline_pca import fit_pca, pca_psnr
    from vae.data import sample_clips, train_view
    from vae.evaluate import clip_psnrs
    from vae.state import fresh_state, start_from_pca

    clips = sample_clips(shards, train_view(small, CONFIG), 24)
    state = fresh_state(small, CONFIG)
    start_from_pca(state.vae, clips)
    start = sum(clip_psnrs(state.vae.eval(), clips)) / len(clips)
    assert abs(start - pca_psnr(fit_pca(clips, components=4), clips)) < 1.5  # one code against two
    config = replace(
        CONFIG, steps=60, lr=1e-2, image_share=0.0, ema_decay=0.9, checkpoint_every=1000
    )
    trained = train(small, config, TrainData(shards, small, config), tmp_path).ema.model
    assert sum(clip_psnrs(trained, clips)) / len(clips) > start + 0.3


def test_rate_rises_holds_and_falls():
    config = TrainConfig(steps=100, warmup_steps=10, decay_share=0.5, lr=1.0)
    assert learning_rate(0, 100, config) == pytest.approx(0.1)
    assert learning_rate(30, 100, config) == 1.0
    assert learning_rate(75, 100, config) == pytest.approx(0.5)
    assert learning_rate(99, 100, config) == pytest.approx(0.02)


def test_more_steps_go_on_while_the_rate_of_the_steps_done_is_the_same(shards, small, tmp_path):
    """A run that decays anew from a decayed state is no run of its settings: it is refused by name."""
    longer = replace(CONFIG, steps=10, warmup_steps=0)
    data = TrainData(shards, small, longer)
    train(small, replace(longer, steps=8), data, tmp_path / "a", stop_at=4)  # before the fall
    train(small, longer, TrainData(shards, small, longer), tmp_path / "a", resume=True)
    train(small, longer, TrainData(shards, small, longer), tmp_path / "whole")
    whole, parts = (load_state(tmp_path / name / "state.pt") for name in ("whole", "a"))
    assert states_equal(whole["model"], parts["model"]) and parts["step"] == 10
    before = (tmp_path / "whole" / "state.pt").read_bytes()
    longest = replace(longer, steps=20)
    with pytest.raises(ValueError, match=r"steps = 10 \(now 20\).*another learning rate"):
        train(small, longest, TrainData(shards, small, longest), tmp_path / "whole", resume=True)
    with pytest.raises(ValueError, match="10 steps done, more than steps = 9"):
        shorter = replace(longer, steps=9)
        train(small, shorter, TrainData(shards, small, shorter), tmp_path / "whole", resume=True)
    assert (tmp_path / "whole" / "state.pt").read_bytes() == before


def test_ctrl_c_finishes_the_step_and_loses_none(shards, small, whole, tmp_path, monkeypatch):
    original = training.train_step

    def interrupted(state, *args, **kind):
        row = original(state, *args, **kind)
        if state.step == 5:
            os.kill(os.getpid(), signal.SIGINT)
        return row

    monkeypatch.setattr(training, "train_step", interrupted)
    with pytest.raises(KeyboardInterrupt):
        run(shards, small, tmp_path / "cut")
    assert load_state(tmp_path / "cut" / "state.pt")["step"] == 5
    monkeypatch.setattr(training, "train_step", original)
    parts = run(shards, small, tmp_path / "cut", resume=True)
    assert states_equal(load_state(whole / "state.pt")["model"], dict(parts.vae.state_dict()))
    assert losses(whole) == losses(tmp_path / "cut")
