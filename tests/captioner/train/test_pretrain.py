"""The training loop's shortcuts against the code that serves: same pixels, same tokens, same loss; and it learns."""

from __future__ import annotations

import functools
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from captioner.ask.prompts import WORLD_PROMPTS, fill
from captioner.backends import embedded
from captioner.backends.embedded import export
from captioner.train.pretrain import TrainConfig, learning_rate, phase_of, train
from captioner.train.reply_loss import (
    caption_loss,
    pixel_values,
    prefix_ids,
    tokenizer_texts,
    visual_tokens,
)
from captioner.train.world_data import SIZES, augment, render_example, squash
from pipeline.world.scene import random_scene


@functools.cache
def texts() -> list[str]:
    return tokenizer_texts()


@pytest.fixture(scope="module")
def parts():
    import torch

    torch.manual_seed(0)
    tokenizer = embedded.build_tokenizer(texts())
    model = embedded.build_model(
        tokenizer, channels=(8, 16, 32), depths=(1, 1, 1), text_width=48, text_layers=2
    )
    return tokenizer, embedded.build_processor(tokenizer), model.eval()


def ask(processor, images, kind: str, seconds: float):
    question = fill(WORLD_PROMPTS[kind], frames=len(images), seconds=seconds)
    content = [{"type": "image"}] * len(images) + [{"type": "text", "text": question}]
    text = processor.apply_chat_template(
        [[{"role": "user", "content": content}]], add_generation_prompt=True
    )
    return processor(text=text, images=[list(images)], return_tensors="pt")


@pytest.mark.parametrize("size", sorted({*SIZES, (100, 37), (37, 100), (320, 180)}))
@pytest.mark.parametrize("count", [1, 8])
def test_training_sees_what_the_processor_makes(parts, size, count) -> None:
    tokenizer, processor, _ = parts
    width, height = size
    images = np.random.default_rng(0).integers(0, 256, (count, height, width, 3), np.uint8)
    inputs = ask(processor, images, "dense", 2.34)
    ours = pixel_values(squash(images))
    assert np.abs(inputs["pixel_values"].numpy() - ours.numpy()).max() < 1e-6
    assert inputs["input_ids"][0].tolist() == prefix_ids(tokenizer, "dense", count, 2.34)


def test_caption_loss_is_the_models_own_loss_on_reply_tokens(parts) -> None:
    import torch

    tokenizer, processor, model = parts
    examples = [render_example(0), render_example(1)]
    kinds = ["dense", "short"]
    with torch.no_grad():
        tokens = [visual_tokens(model, e.images) for e in examples]
        ours, states = caption_loss(model, tokenizer, examples, kinds, tokens)
        total, count = 0.0, 0
        for example, kind in zip(examples, kinds, strict=True):
            inputs = ask(processor, example.images, kind, example.seconds)
            reply = [*tokenizer(example.text(kind))["input_ids"], tokenizer.eos_token_id]
            ids = torch.cat([inputs["input_ids"], torch.tensor([reply])], 1)
            labels = torch.full_like(ids, -100)
            labels[:, -len(reply) :] = torch.tensor(reply)
            out = model(input_ids=ids, pixel_values=inputs["pixel_values"], labels=labels)
            total, count = total + out.loss.item() * len(reply), count + len(reply)
    assert abs(ours.item() - total / count) < 1e-4
    assert states.shape[:2] == (2, 8)


def test_the_tokenizer_loses_nothing_and_knows_the_world(parts) -> None:
    tokenizer = parts[0]
    assert len(tokenizer) <= 1024 + len(embedded.SPECIALS)
    odd = 'Ünïcödé "quotes" \u72d7 {json: [1, 2]}\n\ttabs'
    assert tokenizer.decode(tokenizer(odd)["input_ids"]) == odd
    text = "A small purple triangle moves quickly upward."
    assert len(tokenizer(text)["input_ids"]) == 8


def test_augmented_scenes_still_describe_their_frames() -> None:
    """The coloured object is where the changed scene says, in the first and in the last frame."""
    from pipeline.world.scene import COLOURS, position

    errors = []
    for seed in range(60):
        example = render_example(seed, size=(64, 64))
        rng = np.random.default_rng(seed)
        turned = augment(example, rng)
        obj = turned.scene.objects[0]
        for frame in (0, -1):
            x, y = position(obj, turned.times_s[[frame]])
            distance = np.abs(turned.images[frame].astype(int) - np.array(COLOURS[obj.colour])).sum(
                -1
            )
            near = np.argwhere(distance < 90)
            if len(near) < 12 or len(turned.scene.objects) > 1:
                continue
            centre = (near.min(0) + near.max(0)) / 2 / 64
            errors.append(np.abs(centre - [y[0], x[0]]).max())
    # A box around the lit pixels misses a triangle's or a shaded ring's centre a little; a wrong path misses by far.
    assert len(errors) > 40 and np.mean(np.array(errors) < 0.09) > 0.95, errors


def test_backwards_mirrored_and_flipped_words() -> None:
    from captioner.train.world_data import backwards, flipped, mirrored

    seen = set()
    for seed in range(80):
        scene = random_scene(seed)
        for change in (mirrored, flipped, backwards):
            twice = change(change(scene))
            assert [o.motion for o in twice.objects] == [o.motion for o in scene.objects]
            assert (twice.camera, twice.light) == (scene.camera, scene.light)
            seen.add((change.__name__, scene.camera, change(scene).camera))
    assert ("mirrored", "pan_left", "pan_right") in seen
    assert ("flipped", "tilt_up", "tilt_down") in seen
    assert ("flipped", "pan_left", "pan_left") in seen
    assert ("backwards", "zoom_in", "zoom_out") in seen


def test_phases_cover_the_run_and_rates_start_and_end_small() -> None:
    config = TrainConfig(steps=100)
    names = [phase_of(config, p)[0] for p in np.linspace(0, 0.999, 50)]
    assert names == sorted(names, key=["see", "tell", "both"].index) and len(set(names)) == 3
    for phase in ("see", "tell", "both"):
        rates = [learning_rate(config, phase, p) for p in (0.001, 0.04, 1.0)]
        assert rates[0] < rates[1] > rates[2] > 0


def test_stills_are_captioned_without_motion() -> None:
    example = render_example(3)
    still = replace(example, images=example.images[:1])
    assert "camera" in example.text("dense") and "camera" not in still.text("dense")


def test_a_killed_training_resumes_where_it_was(tmp_path: Path, monkeypatch) -> None:
    """Eight steps at once, and five then three after a kill: the same weights, bit for bit."""
    import safetensors.torch

    import captioner.train.pretrain as module

    small = dict(channels=(8, 16, 32), depths=(1, 1, 1), text_width=48, text_layers=1)
    build = embedded.build_model
    monkeypatch.setattr(module.embedded, "build_model", lambda t: build(t, **small))
    monkeypatch.setattr(module, "tokenizer_texts", texts)
    monkeypatch.setattr(module, "evaluate", lambda *a, **k: {"f1": 0.0})
    config = TrainConfig(
        steps=8, minutes=None, pool=24, batch=2, see_batch=3, precision="fp32", checkpoint_every=1
    )
    train(config, tmp_path / "once")

    class Killed(RuntimeError):
        pass

    calls = {"n": 0}
    loss = module.caption_loss

    def dies_at_step_six(*args):
        calls["n"] += 1
        if calls["n"] == 4:  # steps 2.. tell: the fourth captioning step is step 5
            raise Killed
        return loss(*args)

    monkeypatch.setattr(module, "caption_loss", dies_at_step_six)
    with pytest.raises(Killed):
        train(config, tmp_path / "twice")
    monkeypatch.setattr(module, "caption_loss", loss)
    with pytest.raises(ValueError, match="already holds a training"):
        train(config, tmp_path / "twice")
    with pytest.raises(ValueError, match=r"batch = 2 \(now 3\).*another --out"):
        train(replace(config, batch=3), tmp_path / "twice", resume=True)
    result = train(config, tmp_path / "twice", resume=True)
    assert result["steps"] == 8
    a = safetensors.torch.load_file(tmp_path / "once" / "weights" / "model.safetensors")
    b = safetensors.torch.load_file(tmp_path / "twice" / "weights" / "model.safetensors")
    assert a.keys() == b.keys() and all((a[k] == b[k]).all() for k in a)


def test_export_loads_through_the_auto_classes(parts, tmp_path: Path) -> None:
    import torch

    from captioner.backends.transformers import load_model

    tokenizer, processor, model = parts
    export(model, processor, tmp_path / "m")
    loaded_processor, loaded = load_model(str(tmp_path / "m"))
    assert type(loaded).__name__ == "FastVlmForConditionalGeneration"
    images = render_example(0).images
    with torch.no_grad():
        ours = model(**ask(processor, images, "dense", 2.0)).logits
        theirs = loaded(**ask(loaded_processor, images, "dense", 2.0)).logits
    assert (ours - theirs).abs().max() < 0.05  # float16 weights, torchvision's or Pillow's resize
    size = (tmp_path / "m" / "model.safetensors").stat().st_size
    assert size < 2.1 * sum(p.numel() for p in model.parameters()) + 20_000
