"""The training loop: exact resume, accumulation, held-out clips, checkpoints, guards."""

import copy
import dataclasses
from pathlib import Path
from typing import Any

import pytest
import torch

from dit.checkpoint import load_dit, save_dit
from dit.config import DiTConfig, TrainConfig
from dit.packing import patchify
from dit.paths import vp_scale
from dit.rectified_flow import weighted_loss
from dit.train.data import generator_for, in_layout_order, make_batch
from dit.train.feed import make_ready
from dit.train.heldout import held_out_loss, pack_loss
from dit.train.loop import train, train_step
from dit.train.optim import make_optimizer
from dit.train.rates import learning_rate
from dit.train.run import start_run
from dit.train.training_packs import TrainingPacks
from pipeline.training.ema import ema_decay
from pipeline.training.state import load_state, save_state
from tests.helpers.awake_dit import awake_dit
from tests.helpers.json_lines import json_lines
from tests.helpers.latents import TEXT_DIM, write_folder
from tests.helpers.processes import end_processes, start_processes

MODEL = DiTConfig(
    width=24, depth=1, heads=2, mlp_ratio=2, refiner_depth=1, latent_channels=4, text_dim=TEXT_DIM
)
CONFIG = TrainConfig(
    steps=4, tokens_per_pack=40, packs_per_step=2, precision="fp32", warmup_steps=2,
    checkpoint_every=2, eval_every=2, log_every=1, sample_every=0, condition_share=0.5,
)  # fmt: skip


def packs(
    folder: Path, config: TrainConfig = CONFIG, *, held_out_share: float = 0.15, **options
) -> TrainingPacks:
    return TrainingPacks(
        folder,
        held_out_share=held_out_share,
        token_budget=config.tokens_per_pack,
        packs_per_step=config.packs_per_step,
        seed=config.seed,
        **options,
    )


def logged(out: Path) -> list[dict]:
    rows = json_lines(out / "metrics.jsonl")
    timed = {"elapsed_s", "tokens_per_s", "clips_per_s", "data_wait"}
    return [{name: value for name, value in row.items() if name not in timed} for row in rows]


def flatten(value) -> list[torch.Tensor]:
    if isinstance(value, torch.Tensor):
        return [value]
    items = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return [tensor for item in items for tensor in flatten(item)]


def same_weights(one: Path, other: Path) -> list[dict[str, Any]]:
    """The states of two runs whose weights, averages and moments are the same bits."""
    states = [load_state(out / "state.pt") for out in (one, other)]
    for part in ("model", "optimizer", "ema"):
        pairs = zip(flatten(states[0][part]), flatten(states[1][part]), strict=True)
        assert all(torch.equal(a, b) for a, b in pairs), part
    return states


@pytest.mark.parametrize("optimizer", ["muon", "adamw"])
def test_resume_is_bitwise_equal(folder, tmp_path, optimizer):
    config = dataclasses.replace(CONFIG, optimizer=optimizer)
    train(MODEL, config, packs(folder), tmp_path / "whole")
    train(MODEL, config, packs(folder), tmp_path / "cut", stop_after=3)  # saved at 2, killed at 3
    train(MODEL, config, packs(folder), tmp_path / "cut", resume=True)
    states = same_weights(tmp_path / "whole", tmp_path / "cut")
    assert states[0]["cursor"] == states[1]["cursor"]
    assert [row["step"] for row in logged(tmp_path / "cut")] == [1, 2, 3, 4]
    assert logged(tmp_path / "cut") == logged(tmp_path / "whole")
    names = [(tmp_path / n / "dit.safetensors") for n in ("whole", "cut")]
    assert load_dit(names[0]).id == load_dit(names[1]).id


def test_resume_refuses_other_settings_and_other_latents(folder, tmp_path):
    train(MODEL, CONFIG, packs(folder), tmp_path, stop_after=2)
    with pytest.raises(ValueError, match=r"lr = 0.002 \(now 0.1\).*another --out"):
        train(MODEL, dataclasses.replace(CONFIG, lr=0.1), packs(folder), tmp_path, resume=True)
    with pytest.raises(ValueError, match=r"trained with \w+ = "):
        other = dataclasses.replace(MODEL, depth=2)
        train(other, CONFIG, packs(folder), tmp_path, resume=True)
    foreign = write_folder(tmp_path / "foreign", vae_id="vae1")
    with pytest.raises(ValueError, match="another VAE"):
        train(MODEL, CONFIG, packs(foreign), tmp_path, resume=True)
    changed = write_folder(tmp_path / "changed", seed=1)
    with pytest.raises(ValueError, match="data changed"):
        train(MODEL, CONFIG, packs(changed), tmp_path, resume=True)


def test_a_step_is_what_its_parts_come_to(folder):
    """Written out: gradients over the weight of all packs, clipped, stepped at the step's rate, then averaged."""
    config = dataclasses.replace(
        CONFIG, optimizer="adamw", grad_clip=0.05, lr=0.01, loss_unit="clip"
    )
    config = config.settled(MODEL)
    data = packs(folder, config)
    run = start_run(MODEL, config, data)
    for step in range(2):
        twin, average = copy.deepcopy(run.model), copy.deepcopy(run.ema.model)
        optimizer = make_optimizer(twin, config)
        optimizer.load_state_dict(copy.deepcopy(run.optimizer.state_dict()))
        ready = make_ready(data, MODEL, config, run.cursor, step)
        total = sum(batch.total for batch in ready.batches)
        loss = sum(pack_loss(twin, batch) for batch in ready.batches) / total
        loss.backward()
        norm = torch.nn.utils.clip_grad_norm_(twin.parameters(), config.grad_clip)
        rate = learning_rate(step / config.steps, step, config)
        optimizer.step(rate)
        row = train_step(run, config, data)
        assert row["loss"] == pytest.approx(float(loss.detach()), rel=1e-6)
        assert row["grad_norm"] == pytest.approx(float(norm), rel=1e-5)
        assert float(norm) > config.grad_clip, "it was clipped"
        assert row["lr"] == rate
        floor = sum(float((b.floor * b.weight).sum()) for b in ready.batches) / total
        assert row["floor"] == pytest.approx(floor) and row["excess"] == pytest.approx(
            row["loss"] - floor
        )
        tokens = sum(len(batch.x_t) for batch in ready.batches)
        slots = config.tokens_per_pack * config.packs_per_step
        assert (row["tokens"], row["waste"]) == (tokens, pytest.approx(1 - tokens / slots))
        assert row["clips"] == sum(batch.layout.n_clips for batch in ready.batches)
        kept = ema_decay(step, config.ema_decay)
        for mine, theirs, old, new in zip(
            run.model.parameters(), twin.parameters(), average.parameters(),
            run.ema.model.parameters(), strict=True,
        ):  # fmt: skip
            torch.testing.assert_close(mine, theirs, atol=1e-6, rtol=1e-5)
            torch.testing.assert_close(new, kept * old + (1 - kept) * mine, atol=1e-6, rtol=1e-5)
        assert (run.step, run.cursor, run.ema.updates) == (step + 1, ready.step.state, step + 1)


def test_accumulated_packs_equal_one_pack(folder):
    """Gradients of two packs over their joint weight are those of one pack with all clips, for both loss units."""
    data = packs(folder)
    clips = [clip for unit in data.at(data.state).units for clip in unit]
    model = awake_dit(MODEL, std=0.1)
    for unit in ("token", "clip"):
        config = dataclasses.replace(CONFIG, loss_unit=unit, condition_share=0)
        grads = []
        for groups in ([clips], [clips[:3], clips[3:]]):
            model.zero_grad()
            batches = [_fixed(group, data, config) for group in groups]
            total = sum(float(b.weight.sum()) for b in batches)
            assert total == pytest.approx(len(clips) if unit == "clip" else len_tokens(batches))
            for batch in batches:
                (pack_loss(model, batch) / total).backward()
            used = [p for p in model.parameters() if p.grad is not None]
            grads.append(torch.cat([p.grad.flatten() for p in used]))
        torch.testing.assert_close(grads[0], grads[1], atol=1e-6, rtol=1e-4)


def len_tokens(batches) -> int:
    return sum(len(b.x_t) for b in batches)


def _fixed(clips, data, config):
    """A batch whose randomness belongs to each clip, so that grouping cannot change it."""
    from dataclasses import replace

    parts = [
        make_batch([clip], data.spec(), MODEL, config, generator_for(int(clip["clip_id"][4:])),
                   times=torch.tensor([0.4]))
        for clip in sorted(clips, key=lambda c: (c["latent_mean"].shape, len(c["text_features"])))
    ]  # fmt: skip
    whole = make_batch(
        clips, data.spec(), MODEL, config, generator_for(0), times=torch.full((len(clips),), 0.4)
    )
    x_t, target = torch.cat([p.x_t for p in parts]), torch.cat([p.target for p in parts])
    return replace(whole, x_t=x_t, target=target)


def _two(rank: int, world: int, folder: str, out: str) -> None:
    train(MODEL, CONFIG, packs(Path(folder), rank=rank, world=world), Path(out) / "two")
    budget = dataclasses.replace(CONFIG, eval_seconds=1e-6, steps=2)
    many = packs(Path(folder), held_out_share=0.5, rank=rank, world=world)
    run = train(MODEL, budget, many, Path(out) / "budget")
    save_state(Path(out) / f"looked-{rank}.pt", {"packs": run.eval_packs, **run.held_out})


@pytest.fixture(scope="module")
def in_two(folder, tmp_path_factory) -> Path:
    """Folder of the same run by one process and by two, and of one whose held-out loss has no time."""
    root = tmp_path_factory.mktemp("runs")
    workers = start_processes(2, _two, str(folder), str(root))
    train(MODEL, CONFIG, packs(folder), root / "one")
    end_processes(workers)
    return root


def tensors(folder: Path) -> dict[str, list[torch.Tensor]]:
    state = load_state(folder / "state.pt")
    return {part: flatten(state[part]) for part in ("model", "optimizer", "ema")}


def test_two_processes_train_the_model_of_one(in_two):
    """Bit for bit: with two packs a step there is one sum of two gradients, whoever adds them.

    So are the held-out losses, of which each process measured its share of the packs.
    """
    one, two = tensors(in_two / "one"), tensors(in_two / "two")
    for part, values in one.items():
        assert all(torch.equal(a, b) for a, b in zip(values, two[part], strict=True)), part
    assert logged(in_two / "one") == logged(in_two / "two")
    assert any("held_out" in row for row in logged(in_two / "one"))


def test_without_time_each_process_looks_at_one_held_out_pack(in_two, folder):
    """All with the same result: that of the first packs, measured by one process."""
    looked = [load_state(in_two / f"looked-{rank}.pt") for rank in range(2)]
    assert looked[0] == looked[1]
    data = packs(folder, held_out_share=0.5)
    assert looked[0]["packs"] == 2 < len(data.held_out_packs())
    averaged = load_dit(in_two / "budget").model
    few = held_out_loss(averaged, data.held_out_packs(), data, CONFIG, most=2)
    assert looked[0]["held_out"] == pytest.approx(few["held_out"], rel=1e-2)  # stored in bf16
    assert looked[0]["held_out_floor"] == few["held_out_floor"]


def test_sharded_weights_need_as_many_packs_everywhere(folder, tmp_path, monkeypatch):
    monkeypatch.setattr("dit.train.loop.rank_and_world", lambda: (0, 2))
    config = dataclasses.replace(CONFIG, packs_per_step=3, fsdp=True)
    with pytest.raises(ValueError, match="packs_per_step 3 is no multiple of 2"):
        train(MODEL, config, packs(folder, config), tmp_path)


def test_held_out_clips_are_never_trained_on(folder):
    data = packs(folder)
    held = {data.clip_ids[i] for i in data.held_out}
    assert held == {data.clip_ids[i] for i in range(24) if data.held[i]}
    assert 0 < len(held) < 24
    seen = {i for epoch in range(3) for pack in data.steps.plan(epoch) for i in pack}
    assert {data.clip_ids[i] for i in seen} == set(data.clip_ids) - held
    measured = [clip["clip_id"] for pack in data.held_out_packs() for clip in pack]
    assert sorted(measured) == sorted(held)


def test_held_out_loss_is_repeatable_and_per_level(folder, tmp_path):
    data = packs(folder)
    run = train(MODEL, CONFIG, data, tmp_path)
    first = held_out_loss(run.ema.model, data.held_out_packs(), data, CONFIG)
    assert first == held_out_loss(run.ema.model, data.held_out_packs(), data, CONFIG)
    levels = [first[f"t{t}"] for t in (0.1, 0.3, 0.5, 0.7, 0.9)]
    assert first["held_out"] == pytest.approx(sum(levels) / 5)
    assert 0 < first["held_out_floor"] < first["held_out"]
    shapes = first["held_out_shapes"]
    held = [data.store.clip(i) for i in data.held_out]
    sizes = ["x".join(map(str, row["latent_shape"][1:])) for row in held]
    assert set(shapes) == set(sizes)
    tokens = dict.fromkeys(shapes, 0)
    for size, i in zip(sizes, data.held_out, strict=True):
        tokens[size] += data.lengths[i]
    mean = sum(shapes[size] * tokens[size] for size in shapes) / sum(tokens.values())
    assert mean == pytest.approx(first["held_out"])


@pytest.mark.parametrize("path", ["flow", "vp"])
def test_no_model_gets_below_the_floor_of_a_pack_unless_it_cheats(folder, path):
    """One that knows every clip by heart gets just there: what is left is the noise of the VAE's posterior."""
    data, model = packs(folder), dataclasses.replace(MODEL, path=path)
    (clips, *_) = data.at(data.state).units
    latents = {c["clip_id"]: data.spec().normalise(c["latent_mean"]) for c in clips}
    loss = floor = 0.0
    for number in range(300):
        batch = make_batch(clips, data.spec(), model, CONFIG, generator_for(number))
        order = in_layout_order(clips)
        means = torch.cat([patchify(latents[c["clip_id"]], model.patch) for c in order])
        spread = [data.spec().scale((0.5 * c["latent_logvar"]).exp()).square() for c in order]
        variance = torch.cat([patchify(v, model.patch) for v in spread])
        t = batch.levels.of_tokens()[:, None].clamp(min=1e-4)
        x_t = (
            batch.x_t if path == "flow" else batch.x_t / vp_scale(batch.levels.of_tokens())[:, None]
        )
        gain = (1 - t) * variance / ((1 - t).square() * variance + t.square())
        best_x0 = means + gain * (x_t - (1 - t) * means)
        best_noise = (x_t - (1 - t) * best_x0) / t
        best = best_noise - best_x0 if path == "flow" else best_noise
        loss += float(weighted_loss(best, batch.target, batch.weight, batch.real))
        floor += float((batch.floor * batch.weight).sum())
        assert not batch.weight[batch.given].any()
    assert loss == pytest.approx(floor, rel=0.03)


def test_a_model_that_sees_what_it_should_predict_is_called_out(folder, tmp_path, caplog):
    import dit.train.heldout as module

    short = dataclasses.replace(CONFIG, steps=1)
    train(MODEL, short, packs(folder), tmp_path / "honest")
    assert "below its floor" not in caplog.text
    real = module.token_losses
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "token_losses", lambda *_: 0.01 * real(*_))
        train(MODEL, short, packs(folder), tmp_path / "leaks")
    assert "below its floor" in caplog.text


def test_a_bad_gradient_is_skipped_and_counted(folder, tmp_path, monkeypatch):
    import dit.train.objective as module

    real, calls = module.pack_loss, [0]

    def poisoned(model, batch):
        calls[0] += 1
        return real(model, batch) * (float("nan") if calls[0] == 3 else 1.0)

    monkeypatch.setattr(module, "pack_loss", poisoned)
    run = train(MODEL, dataclasses.replace(CONFIG, steps=2), packs(folder), tmp_path)
    assert run.skipped == 1
    assert all(bool(p.isfinite().all()) for p in run.model.parameters())


def test_training_lowers_the_loss(folder, tmp_path):
    config = dataclasses.replace(
        CONFIG, steps=40, lr=5e-3, packs_per_step=1, checkpoint_every=100, eval_every=100
    )
    train(MODEL, config, packs(folder, config), tmp_path)
    losses = [row["loss"] for row in logged(tmp_path)]
    assert losses[0] == pytest.approx(2.0, rel=0.3)
    assert sum(losses[-10:]) / 10 < 0.7 * sum(losses[:5]) / 5


def test_a_file_is_refused_unless_ours(tmp_path):
    with pytest.raises(ValueError, match="no DiT at"):
        load_dit(tmp_path)
    (tmp_path / "dit.safetensors").write_bytes(b"nonsense")
    with pytest.raises(ValueError, match="not a readable"):
        load_dit(tmp_path)


def test_saved_weights_come_back(folder, tmp_path):
    from dit.model import DiT

    spec = packs(folder).spec()
    model = DiT(MODEL)
    name = save_dit(model, spec, tmp_path / "a.safetensors", info={"steps": 3}, dtype=torch.float32)
    loaded = load_dit(tmp_path / "a.safetensors")
    assert (loaded.id, loaded.latents, loaded.info) == (name, spec, {"steps": 3})
    for key, value in model.state_dict().items():
        assert torch.equal(value, loaded.model.state_dict()[key])
    z = torch.randn(4, 2, 3, 3)
    torch.testing.assert_close(spec.denormalise(spec.normalise(z)), z)
