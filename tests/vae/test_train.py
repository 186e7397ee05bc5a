"""Training: resumes bitwise, survives NaN, learns."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
import torch

import vae.train as training
from pipeline.training.state import load_state
from vae.config import TrainConfig
from vae.data import TrainData
from vae.train import learning_rate, train

CONFIG = TrainConfig(
    steps=8,
    batch=4,
    lr=3e-3,
    warmup=2,
    max_frames=5,
    save_every=3,
    log_every=1,
    bf16=False,
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


def losses(out) -> list[tuple[int, float]]:
    rows = [json.loads(line) for line in (out / "metrics.jsonl").read_text().splitlines()]
    return [(row["step"], row["loss"]) for row in rows]


def test_resumed_run_is_bitwise_the_undisturbed_one(shards, small, tmp_path):
    run(shards, small, tmp_path / "whole")
    run(shards, small, tmp_path / "parts", stop_at=3)
    with open(tmp_path / "parts" / "metrics.jsonl", "a") as file:
        file.write('{"step": 4, "loss": 9.0}\n{"step": 5, "lo')  # a killed run got a little further
    run(shards, small, tmp_path / "parts", stop_at=5, resume=True)
    run(shards, small, tmp_path / "parts", resume=True)
    whole, parts = (load_state(tmp_path / name / "state.pt") for name in ("whole", "parts"))
    for key in ("vae", "ema", "optimiser", "step", "data", "skipped"):
        assert states_equal(whole[key], parts[key]), key
    assert losses(tmp_path / "whole") == losses(tmp_path / "parts")
    assert [step for step, _ in losses(tmp_path / "whole")] == list(range(1, 9))


def test_other_settings_or_presets_are_not_resumed(shards, small, tmp_path):
    run(shards, small, tmp_path, stop_at=1)
    other = replace(CONFIG, lr=1.0)
    with pytest.raises(ValueError, match="other settings of lr"):
        train(small, other, TrainData(shards, small, other), tmp_path, resume=True)
    wide = replace(small, widths=(16, 32))
    with pytest.raises(ValueError, match="another VAE preset"):
        train(wide, CONFIG, TrainData(shards, wide, CONFIG), tmp_path, resume=True)
    (tmp_path / "state.pt").write_bytes(b"half a file")
    with pytest.raises(ValueError, match="not a readable training state"):
        run(shards, small, tmp_path, resume=True)


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
    assert state.step == 8
    assert state.skipped == 1
    assert [i for i, (skipped, same) in enumerate(seen) if skipped and same] == [3]
    assert not any(same for skipped, same in seen if not skipped)
    assert all(torch.isfinite(p).all() for p in state.ema.parameters())
    rows = [json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text().splitlines()]
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
    config = replace(CONFIG, steps=100, lr=1e-2, image_share=0.0, ema=0.9, save_every=1000)
    trained = train(small, config, TrainData(shards, small, config), tmp_path).ema
    assert sum(clip_psnrs(trained, clips)) / len(clips) > start + 0.3


def test_rate_rises_holds_and_falls():
    config = TrainConfig(steps=100, warmup=10, decay_share=0.5, lr=1.0)
    assert learning_rate(0, config) == pytest.approx(0.1)
    assert learning_rate(30, config) == 1.0
    assert learning_rate(75, config) == pytest.approx(0.5)
    assert learning_rate(99, config) == pytest.approx(0.02)
