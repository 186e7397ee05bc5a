"""What is trained, where LoRA goes, and that what comes out is a model like any other."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from captioner.ask.frames import from_pixels
from captioner.ask.model_note import ModelNote
from captioner.backends.base import Request
from captioner.backends.transformers import load_model, prompt_inputs
from captioner.train.tuned_model import (
    check_targets,
    choose_trained,
    export,
    trained,
    training_mode,
    vision_tower,
)
from pipeline.openclip.torchvision_compat import prepare_torchvision
from tests.helpers.tiny_vlms import BUILDERS, fast_vlm

NOTE = ModelNote(prompts={"dense": "What?"}, kind="dense", frames=4)


@pytest.fixture(scope="module", params=list(BUILDERS))
def folder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> str:
    prepare_torchvision()
    import torch

    torch.manual_seed(3)
    return BUILDERS[request.param](tmp_path_factory.mktemp("vlm") / "m")


def choose(model: Any, **changes: Any) -> Any:
    settings: dict[str, Any] = dict(lora=0, targets=(), train_vision=False, seed=0)
    return choose_trained(model, **{**settings, **changes})


def logits(processor: Any, model: Any) -> Any:
    import torch

    images = np.random.default_rng(0).integers(0, 256, (2, 36, 48, 3), np.uint8)
    request = Request(
        clip_id="a", kind="dense", frames=from_pixels(images, 1.0), prompt="What moves?"
    )
    with torch.no_grad():
        return model.eval()(**prompt_inputs(processor, [request])).logits


def test_the_vision_tower_is_frozen_unless_asked_for(folder: str) -> None:
    _, model = load_model(folder)
    tower = {id(p) for p in vision_tower(model).parameters()}
    every = {id(p) for p in model.parameters()}
    assert tower and tower < every
    assert {id(p) for p in trained(choose(model)).values()} == every - tower
    assert {id(p) for p in trained(choose(model, train_vision=True)).values()} == every


def test_lora_begins_at_the_base_and_trains_its_own_matrices_alone(folder: str) -> None:
    processor, model = load_model(folder)
    before = logits(processor, model)
    tuned = choose(model, lora=4)
    assert np.allclose(logits(processor, tuned), before, atol=1e-6)
    names = list(trained(tuned))
    assert names and all("lora_" in name for name in names)
    tower = {id(p) for p in vision_tower(tuned.get_base_model()).parameters()}
    assert not {id(p) for p in trained(tuned).values()} & tower
    assert any("q_proj" in name for name in names) and not any("lm_head" in n for n in names)


def test_lora_goes_where_it_is_told_and_the_same_seed_gives_the_same(folder: str) -> None:
    import torch

    told = dict(lora=2, targets=("q_proj", "v_proj"), seed=5)
    torch.manual_seed(1)
    first = trained(choose(load_model(folder)[1], **told))
    torch.manual_seed(2)
    again = trained(choose(load_model(folder)[1], **told))
    assert {name.split(".lora_")[0].rpartition(".")[2] for name in first} == {"q_proj", "v_proj"}
    assert all(torch.equal(first[name], again[name]) for name in first)


def test_a_target_that_no_layer_is_called_is_one_line_with_those_there_are(folder: str) -> None:
    said = "is called .?Wqkv.?; LoRA can be put on .*q_proj"
    with pytest.raises(ValueError, match=said):
        choose(load_model(folder)[1], lora=4, targets=("q_proj", "Wqkv"))
    with pytest.raises(ValueError, match=said):  # from headers, before a model is loaded
        check_targets(Path(folder), ("q_proj", "Wqkv"))
    check_targets(Path(folder), ("q_proj", "v_proj"))
    check_targets(Path(folder), ())


def test_lora_without_peft_says_what_to_install(folder: str, monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "peft", None)
    with pytest.raises(ValueError, match=r"pip install 'filmstock\[lora\]'"):
        choose(load_model(folder)[1], lora=4)


def test_weights_hold_what_the_adapter_adds(folder: str, tmp_path: Path) -> None:
    """The merged folder, and base plus adapter through peft, say what the trained model said."""
    import torch
    from peft import PeftModel

    processor, model = load_model(folder)
    tuned = choose(model, lora=4)
    torch.manual_seed(0)
    with torch.no_grad():
        for parameter in trained(tuned).values():
            parameter.normal_(0, 0.2)
    said = logits(processor, tuned)
    export(tuned, processor, tmp_path, NOTE, None)
    assert np.allclose(logits(*load_model(str(tmp_path / "weights"))), said, rtol=1e-3, atol=1e-3)
    _, base = load_model(folder)
    assert not np.allclose(logits(processor, base), said, atol=1e-2)
    adapted = PeftModel.from_pretrained(base, tmp_path / "adapter")
    assert np.allclose(logits(processor, adapted), said, rtol=1e-3, atol=1e-3)
    assert not list(tmp_path.glob(".*.tmp"))


def test_weights_keep_the_number_format_of_the_base(tmp_path: Path) -> None:
    prepare_torchvision()
    import torch
    from safetensors import safe_open

    processor, model = load_model(fast_vlm(tmp_path / "base"))
    export(choose(model), processor, tmp_path, NOTE, torch.bfloat16)
    with safe_open(tmp_path / "weights" / "model.safetensors", "pt") as file:
        assert {file.get_tensor(k).dtype for k in file.keys() if k.endswith("proj.weight")} == {  # noqa: SIM118
            torch.bfloat16
        }


def test_batch_statistics_stay_those_of_the_base(tmp_path: Path) -> None:
    prepare_torchvision()
    import torch

    _, model = load_model(fast_vlm(tmp_path / "base"))
    tuned = choose(model, train_vision=True)
    norms = [m for m in tuned.modules() if isinstance(m, torch.nn.BatchNorm2d)]
    training_mode(tuned)
    assert norms and not any(norm.training for norm in norms)
    assert tuned.model.language_model.training
