"""Fine-tuning: it learns what it is shown, resumes bit for bit, and what is wrong costs a clip or one line."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from captioner.ask.prompts import prompt_set
from captioner.backends.base import Request
from captioner.backends.open import open_backend
from captioner.config import CaptionConfig
from captioner.train.examples import TrainingExample, examples_of, shard_texts
from captioner.train.finetune import STATE_NAME, TuneConfig, finetune, learning_rate
from pipeline import schema as s
from pipeline.openclip.torchvision_compat import prepare_torchvision
from pipeline.shards.read import open_manifest
from tests.helpers.json_lines import json_lines
from tests.helpers.shard_media import flip_byte, make_rows, make_shards
from tests.helpers.tiny_vlms import fast_vlm, smolvlm


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> str:
    prepare_torchvision()
    import torch

    torch.manual_seed(4)
    return fast_vlm(tmp_path_factory.mktemp("vlm") / "m")


@pytest.fixture(scope="module")
def examples(tmp_path_factory: pytest.TempPathFactory) -> list[TrainingExample]:
    return make_examples(tmp_path_factory.mktemp("shards"), 8)


def make_examples(folder: Path, count: int) -> list[TrainingExample]:
    manifest = open_manifest(make_shards(folder, make_rows(count)))
    texts = shard_texts(manifest, "dense")
    return examples_of(
        manifest.table.select(list(s.READ_COLUMNS)).to_pylist(), texts, lambda row: manifest.root
    )


def config(base: str, **changes: Any) -> TuneConfig:
    settings: dict[str, Any] = dict(
        model=base, steps=4, batch=2, micro_batch=2, frames=2, lr=1e-3, held_out_share=0.0
    )
    return TuneConfig(**{**settings, "log_every": 1, "checkpoint_every": 2, **changes})


@pytest.fixture(scope="module")
def once(
    base: str, examples: list[TrainingExample], tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """A run of ``config(base, log_every=3)``, from its beginning to its end."""
    folder: Path = tmp_path_factory.mktemp("once")
    finetune(config(base, log_every=3), examples, folder)
    return folder


def weights(out: Path) -> dict[str, Any]:
    from safetensors.torch import load_file

    return load_file(out / "weights" / "model.safetensors")


def same(a: dict[str, Any], b: dict[str, Any]) -> bool:
    return a.keys() == b.keys() and all((a[name] == b[name]).all() for name in a)


@pytest.mark.parametrize("lora", [0, 2])
def test_a_killed_run_goes_on_and_ends_in_the_same_bits(
    base, examples, once, tmp_path, lora
) -> None:
    run = config(base, lora_rank=lora, log_every=3)
    if lora:
        finetune(run, examples, tmp_path / "once")
    else:
        shutil.copytree(once, tmp_path / "once")
    assert finetune(run, examples, tmp_path / "twice", stop_after=3) == {}  # one step is lost
    assert not (tmp_path / "twice" / "weights").exists()
    assert finetune(run, examples, tmp_path / "twice", resume=True)["steps"] == 4
    assert same(weights(tmp_path / "once"), weights(tmp_path / "twice"))
    once, twice = (json_lines(tmp_path / name / "metrics.jsonl") for name in ("once", "twice"))
    assert [row["step"] for row in twice] == [0, 3, 4]
    assert [row.get("loss") for row in twice] == [row.get("loss") for row in once], (
        "a line is of all its steps, of those before the kill as well"
    )
    assert (tmp_path / "once" / "adapter").exists() == bool(lora)


def test_killed_after_its_last_step_a_run_still_writes_its_weights(
    base, examples, once, tmp_path
) -> None:
    shutil.copytree(once, tmp_path, dirs_exist_ok=True)
    shutil.rmtree(tmp_path / "weights")
    finetune(config(base, log_every=3), examples, tmp_path, resume=True)
    assert same(weights(tmp_path), weights(once))


def test_another_seed_is_another_order(base, examples, once, tmp_path) -> None:
    finetune(config(base, seed=1), examples, tmp_path)
    assert not same(weights(once), weights(tmp_path))


def test_micro_batches_change_memory_and_not_the_result(base, examples, tmp_path):
    """Rows of unequal length: a mean of means would weigh their tokens unequally."""
    examples = [replace(x, text=x.text * (1 + i % 3)) for i, x in enumerate(examples)]
    for micro in (1, 3, 4):
        run = config(base, steps=1, batch=4, micro_batch=micro, precision="fp32")
        finetune(run, examples, tmp_path / str(micro))
    rows = [json_lines(tmp_path / str(m) / "metrics.jsonl")[-1] for m in (1, 3, 4)]
    assert rows[0]["loss"] == pytest.approx(rows[1]["loss"], rel=1e-5)
    assert rows[0]["grad_norm"] == pytest.approx(rows[2]["grad_norm"], rel=1e-4)


def test_it_learns_and_its_folder_is_a_caption_model(base, examples, tmp_path) -> None:
    """Two clips learned by heart; ``[caption] model = FOLDER`` asks the question they were learned with."""
    run = config(
        base, steps=40, lr=1e-2, prompt="What drifts in {frames} frames?", checkpoint_every=40
    )
    finetune(run, examples[:2], tmp_path)
    rows = json_lines(tmp_path / "metrics.jsonl")
    losses = [row["loss"] for row in rows if "loss" in row]
    assert losses[-1] < 0.1 * losses[0]
    model = str(tmp_path / "weights")
    assert prompt_set(model)["dense"] == run.prompt
    backend = open_backend(CaptionConfig(model=model, frames=2, max_new_tokens=40))
    backend.model.generation_config.suppress_tokens = None  # the tiny base's, for its own tests
    for example in examples[:2]:
        frames = example.frames(2, 384)
        request = Request(
            clip_id=example.clip_id,
            kind="dense",
            frames=frames,
            prompt=f"What drifts in {len(frames)} frames?",
        )
        (reply,) = backend.caption([request])
        assert (reply.text, reply.finish) == (example.text, "stop")


def test_held_out_clips_are_measured_with_and_without_pixels(base, examples, tmp_path) -> None:
    figures = finetune(config(base, steps=1, held_out_share=0.5), examples, tmp_path)
    assert 0 < figures["held_out"] < 20 and 0 < figures["held_out_blind"] < 20
    assert figures["held_out"] != figures["held_out_blind"]
    assert figures["clips"] < len(examples)


def test_another_class_trains_as_well(examples, tmp_path) -> None:
    prepare_torchvision()
    run = config(smolvlm(tmp_path / "m"), steps=2, lora_rank=2, recompute=True)
    assert finetune(run, examples, tmp_path / "out")["steps"] == 2
    assert open_backend(CaptionConfig(model=str(tmp_path / "out" / "weights")))


def test_a_bad_clip_is_put_in_quarantine_and_training_goes_on(base, tmp_path) -> None:
    examples = make_examples(tmp_path / "shards", 6)
    flip_byte(tmp_path / "shards", examples[1].row)
    examples[2] = replace(examples[2], text="a <image> b")
    assert finetune(config(base, steps=6), examples, tmp_path / "out")["skipped"] == 0
    lines = (tmp_path / "out" / "quarantine.jsonl").read_text().splitlines()
    bad = {json.loads(line)[s.CLIP_ID]: json.loads(line)["error"] for line in lines}
    assert bad.keys() == {examples[1].clip_id, examples[2].clip_id}
    assert "special token" in bad[examples[2].clip_id]
    spoilt = [replace(example, text="<image>") for example in examples]
    with pytest.raises(ValueError, match="6 of 6 clips are unreadable"):
        finetune(config(base), spoilt, tmp_path / "none")


def test_a_run_is_resumed_with_its_own_data_base_and_settings_only(
    base, examples, tmp_path
) -> None:
    run = config(base)
    finetune(run, examples, tmp_path, stop_after=2)
    prepare_torchvision()
    for changed, data, says in (
        (replace(run, lr=2e-3), examples, r"trained with lr = 0.001 \(now 0.002\); give the same"),
        (run, examples[1:], "trained on other clips or captions"),
        (replace(run, model=fast_vlm(tmp_path / "other")), examples, "this run with other@"),
    ):
        with pytest.raises(ValueError, match=says):
            finetune(changed, data, tmp_path, resume=True)
    with pytest.raises(ValueError, match=r"steps = 4 \(now 5\)"):  # the cosine would differ
        finetune(replace(run, steps=5), examples, tmp_path, resume=True)
    assert finetune(run, examples, tmp_path, resume=True)["steps"] == 4
    (tmp_path / STATE_NAME).write_bytes(b"half")
    with pytest.raises(ValueError, match="is not a readable training state"):
        finetune(run, examples, tmp_path, resume=True)


def test_settings_that_cannot_be_are_refused() -> None:
    for changes, says in (
        ({"batch": 0}, "batch is 0"),
        ({"lora_targets": ("q_proj",)}, "lora_rank is 0; give a rank"),
        ({"held_out_share": 1.0}, "at least 0 and below 1"),
    ):
        with pytest.raises(ValueError, match=says):
            TuneConfig(**changes)
    with pytest.raises(ValueError, match="no dense caption to learn from"):
        finetune(TuneConfig(), [], Path("nowhere"))


def test_the_rate_warms_up_and_falls_to_a_tenth() -> None:
    run = TuneConfig(steps=1000, lr=1.0, warmup_steps=30)
    assert learning_rate(run, 0) < 0.05 < 0.9 < learning_rate(run, 30)
    assert learning_rate(run, 999) == pytest.approx(0.1, rel=0.01)


def test_the_usual_rate_hangs_on_what_is_trained() -> None:
    assert TuneConfig().settled().lr == 1e-5
    assert TuneConfig(lora_rank=16).settled().lr == 2e-4
    assert TuneConfig(lora_rank=16, lr=3e-4).settled().lr == 3e-4
