"""Adapters: they begin as nothing, alone are trained, are small on the disk, resume bit for bit and merge."""

import copy
import dataclasses
import importlib
import itertools
import sys
from importlib.util import find_spec

import pytest
import torch

import dit.train
from dit.checkpoint import content_id, load_dit, save_dit
from dit.config import PRESETS, TrainConfig, usual_rate
from dit.model import DiT
from dit.train.loop import train
from dit.train.lora import add_lora, merged
from pipeline.training.state import load_state
from tests.dit.test_model import VARIANTS, awake, pack
from tests.dit.train.test_loop import CONFIG, MODEL, logged, packs
from tests.helpers.latents import write_folder

needs_peft = pytest.mark.skipif(find_spec("peft") is None, reason="peft is not installed")
LORA = dataclasses.replace(CONFIG, lora_rank=2, optimizer="adamw", condition_share=0.0)


def test_adapters_train_at_the_size_s_own_rate_and_weights_that_go_on_at_a_tenth():
    own = TrainConfig().settled(MODEL).peak_lr
    assert own == usual_rate(MODEL.width)
    assert TrainConfig().settled(MODEL, started=True).peak_lr == pytest.approx(own / 10)
    adapters = TrainConfig(lora_rank=4).settled(MODEL, started=True)
    assert adapters.peak_lr == own and adapters.optimizer == "adamw"
    assert TrainConfig(lr=0.5, lora_rank=4).settled(MODEL, started=True).peak_lr == 0.5


def test_the_nearest_size_is_so_by_ratio():
    widths = sorted(preset["width"] for preset in PRESETS.values())
    for low, high in itertools.pairwise(widths):
        middle = (low * high) ** 0.5
        between = round((middle + (low + high) / 2) / 2)  # nearer to the lower one by difference
        if middle < between < (low + high) / 2:
            assert usual_rate(between) == usual_rate(high)


@needs_peft
@pytest.mark.parametrize("variant", VARIANTS)
def test_new_adapters_change_nothing_and_merged_ones_compute_the_same(variant):
    plain = awake(VARIANTS[variant])
    model = add_lora(copy.deepcopy(plain), 4, 8)
    _, _, tokens, t, layout = pack()
    inputs = (tokens, t[layout.clip], layout)
    assert torch.equal(model(*inputs), plain(*inputs))
    trained = [name for name, p in model.named_parameters() if p.requires_grad]
    assert trained and all("lora_" in name and "blocks." in name for name in trained)
    for name, parameter in model.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(parameter, std=0.1)
    whole = merged(model)
    assert set(whole.state_dict()) == set(plain.state_dict())
    assert (model(*inputs) - plain(*inputs)).norm() > 0.01 * plain(*inputs).norm()
    torch.testing.assert_close(whole(*inputs), model(*inputs), atol=2e-5, rtol=2e-5)
    assert merged(plain) is plain
    assert any("lora_" in name for name, _ in model.named_parameters())  # it is a copy


@needs_peft
def test_adapters_alone_move_and_resume_bit_for_bit(tmp_path):
    data = lambda: packs(write_folder(tmp_path / "latents"), LORA)  # noqa: E731
    torch.manual_seed(5)
    base = awake(MODEL)
    save_dit(base, data().spec(), tmp_path / "base.safetensors")
    loaded = load_dit(tmp_path / "base.safetensors")
    weights = loaded.model.state_dict()
    begin = {"initial": weights, "started_from": loaded.id}
    run = train(MODEL, LORA, data(), tmp_path / "whole", **begin)
    train(MODEL, LORA, data(), tmp_path / "cut", **begin, stop_after=3)
    train(MODEL, LORA, data(), tmp_path / "cut", **begin, resume=True)
    assert load_dit(tmp_path / "whole").id == load_dit(tmp_path / "cut").id != loaded.id
    assert logged(tmp_path / "whole") == logged(tmp_path / "cut")
    base_now = {
        name.replace(".base_layer", ""): value
        for name, value in run.model.state_dict().items()
        if "lora_" not in name
    }
    assert content_id(base_now) == content_id(weights)
    state = load_state(tmp_path / "whole" / "state.pt")
    assert state["model"] and all("lora_" in name for name in state["model"])
    assert set(state["ema"]["weights"]) == set(state["model"])
    with pytest.raises(ValueError, match="was started from DiT .*, this run from random weights"):
        train(MODEL, LORA, data(), tmp_path / "cut", resume=True, initial=weights)


@needs_peft
def test_a_checkpoint_of_adapters_is_small(tmp_path):
    model = dataclasses.replace(MODEL, width=96, depth=2, heads=4)
    config = dataclasses.replace(LORA, steps=1)
    data = packs(write_folder(tmp_path / "latents"), config)
    sizes = []
    for rank in (0, 2):
        settings = dataclasses.replace(config, lora_rank=rank)
        train(model, settings, data, tmp_path / str(rank), initial=DiT(model).state_dict())
        sizes.append((tmp_path / str(rank) / "state.pt").stat().st_size)
    assert sizes[1] < sizes[0] / 8


def test_without_peft_training_works_and_adapters_are_refused_in_one_line(monkeypatch):
    """All of ``dit.train`` is imported once more, as by a Python that has no peft."""
    monkeypatch.setattr(dit, "train", dit.train)  # put back afterwards, as the modules are
    for name in [n for n in sys.modules if n.split(".")[0] == "peft" or n.startswith("dit.train")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "peft", None)
    importlib.import_module("dit.train.loop")
    again = importlib.import_module("dit.train.lora")
    assert again.add_lora is not add_lora
    with pytest.raises(ValueError, match="adapters need peft"):
        again.add_lora(DiT(MODEL), 2, 4)
