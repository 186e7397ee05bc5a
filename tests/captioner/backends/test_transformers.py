"""The transformers backend on tiny random models of the very classes that the recipes name."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from captioner.ask.frames import from_pixels
from captioner.backends.base import Reply, Request, model_id
from captioner.backends.open import open_backend
from captioner.backends.transformers import check_model, load_model
from captioner.config import CaptionConfig
from pipeline.openclip.torchvision_compat import prepare_torchvision
from tests.helpers.tiny_vlms import BUILDERS, fast_vlm


@pytest.fixture(scope="module", params=list(BUILDERS))
def folder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> str:
    prepare_torchvision()
    import torch

    torch.manual_seed(1)
    return BUILDERS[request.param](tmp_path_factory.mktemp(request.param) / request.param)


def ask(
    name: str, count: int, prompt: str = "Describe the clip.", seed: int = 0, **changes: Any
) -> Request:
    images = np.random.default_rng(seed).integers(0, 256, (count, 36, 48, 3), np.uint8)
    frames = from_pixels(images, 2.0)
    return Request(clip_id=name, kind="dense", frames=frames, prompt=prompt, **changes)


def answers(backend: Any, requests: list[Request]) -> list[Reply]:
    """Replies in the order of the requests, one each."""
    replies = {reply.clip_id: reply for reply in backend.caption(iter(requests))}
    assert all(replies[r.clip_id].frames_hash == r.frames.hash for r in requests)
    return [replies[r.clip_id] for r in requests]


def test_each_class_loads_and_a_batch_says_what_each_row_says_alone(folder: str) -> None:
    config = CaptionConfig(model=folder, max_new_tokens=12, batch_size=4)
    backend = open_backend(config)
    assert type(backend.model).__name__ == Path(folder).name
    requests = [
        ask("a", 4, seed=1),
        ask("b", 2, "A much longer question about what happens in these frames, please.", seed=2),
        ask("c", 4, seed=3),
        ask("d", 1, seed=4),
    ]
    together = answers(backend, requests)
    assert [r.clip_id for r in together] == ["a", "b", "c", "d"]
    assert all(r.error is None and r.text for r in together), together
    alone = [answers(backend, [request])[0] for request in requests]
    assert [r.text for r in together] == [r.text for r in alone], "padding changed a row"


def shown_to(backend: Any, requests: list[Request], monkeypatch: pytest.MonkeyPatch) -> Any:
    """What the model's ``generate`` is called with."""
    seen: list[dict[str, Any]] = []
    generate = backend.model.generate

    def spy(**inputs: Any) -> Any:
        seen.append(inputs)
        return generate(**inputs)

    monkeypatch.setattr(backend.model, "generate", spy)
    answers(backend, requests)
    return seen


def test_a_model_with_a_video_input_is_shown_one_video_with_times(
    folder: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    backend = open_backend(CaptionConfig(model=folder, max_new_tokens=2))
    (inputs,) = shown_to(backend, [ask("a", 4)], monkeypatch)
    text = backend.processor.tokenizer.decode(inputs["input_ids"][0])
    name = Path(folder).name
    if name.startswith("SmolVLM"):
        # Its clock has whole seconds; four frames of two seconds.
        assert "four frames from a 0:00:02 [H:MM:SS] video" in text
        assert [text.count(f"Frame from 00:0{s}:") for s in (0, 1)] == [2, 2]
        assert inputs["pixel_values"].shape[:2] == (1, 4)
    elif name.startswith("Qwen3VL"):
        # The middles of the spans are at .25, .75, 1.25 and 1.75; it looks at two frames at a time.
        assert "<0.5 seconds>" in text and "<1.5 seconds>" in text
        assert inputs["video_grid_thw"][0, 0] == 2 and "pixel_values" not in inputs
    else:
        assert not backend.as_video and "seconds>" not in text
        with pytest.raises(ValueError, match="has no video input"):
            open_backend(CaptionConfig(model=folder, shown_as="video"))
    plain = open_backend(CaptionConfig(model=folder, max_new_tokens=2, shown_as="timed"))
    (inputs,) = shown_to(plain, [ask("a", 4)], monkeypatch)
    text = plain.processor.tokenizer.decode(inputs["input_ids"][0])
    assert "<0.2 seconds>" in text and "<1.8 seconds>" in text, "a time before each image"


def test_no_frame_is_squeezed(folder: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A square drawn on a wide frame is a square in what the model sees, with either form of input."""
    if Path(folder).name.startswith("FastVlm"):
        pytest.skip("the embedded captioner was trained on squashed frames")
    images = np.zeros((2, 32, 64, 3), np.uint8)
    images[:, 8:24, 24:40] = 255
    asked = replace(ask("a", 2), frames=from_pixels(images, 1.0))
    for shown_as in ("auto", "frames"):
        backend = open_backend(CaptionConfig(model=folder, max_new_tokens=2, shown_as=shown_as))
        (inputs,) = shown_to(backend, [asked], monkeypatch)
        if "pixel_values" in inputs and inputs["pixel_values"].ndim == 5:
            picture = inputs["pixel_values"][0, 0, 0]
            bright = picture > 0.5
            high, wide = int(bright.any(1).sum()), int(bright.any(0).sum())
            assert abs(high - wide) <= 1, f"{shown_as}: {high} by {wide}"
        else:  # Qwen3-VL's patches: as wide as the frame
            name = "video_grid_thw" if "video_grid_thw" in inputs else "image_grid_thw"
            _, rows, columns = inputs[name][0].tolist()
            assert columns == 2 * rows


def test_room_of_its_own_for_a_reply_that_was_cut(
    folder: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    backend = open_backend(CaptionConfig(model=folder, max_new_tokens=3, batch_size=4))
    requests = [ask("a", 2), ask("b", 2, max_new_tokens=6), ask("c", 2)]
    seen = shown_to(backend, requests, monkeypatch)
    assert sorted((s["max_new_tokens"], len(s["input_ids"])) for s in seen) == [(3, 2), (6, 1)]


def test_the_frames_matter_and_are_never_tiled(folder: str) -> None:
    import torch
    from PIL import Image

    processor, model = load_model(folder)
    message = [{"role": "user", "content": [{"type": "image"}, {"type": "text", "text": "What?"}]}]
    text = processor.apply_chat_template([message], add_generation_prompt=True)
    logits = []
    for seed in (1, 2):
        frame = np.random.default_rng(seed).integers(0, 256, (90, 160, 3), np.uint8)
        inputs = processor(text=text, images=[[Image.fromarray(frame)]], return_tensors="pt")
        assert inputs["input_ids"].shape[1] < 120, "a frame was split into tiles"
        with torch.no_grad():
            logits.append(model(**inputs).logits[0, -1])
    assert (logits[0] - logits[1]).abs().max() > 1e-4


def test_the_end_token_ends_a_reply_and_nothing_after_it_is_text(folder: str) -> None:
    config = CaptionConfig(model=folder, max_new_tokens=8, batch_size=2)
    backend = open_backend(config)
    backend._end_ids = frozenset({7})
    word = backend.processor.tokenizer("red", add_special_tokens=False)["input_ids"]
    stopped = backend._reply(ask("a", 1), [*word, 7, *word, *word])
    assert (stopped.text, stopped.finish) == ("red", "stop")
    assert backend._reply(ask("a", 1), word).finish == "length"


def test_one_bad_row_costs_itself_only(folder: str, monkeypatch: pytest.MonkeyPatch) -> None:
    backend = open_backend(CaptionConfig(model=folder, max_new_tokens=4, batch_size=8))
    requests = [ask(f"c{i}", 2, seed=i) for i in range(4)]
    fine = answers(backend, requests)
    requests[2] = ask("c2", 2, prompt="POISON")
    template = backend.processor.apply_chat_template

    def poisoned(messages: Any, **kwargs: Any) -> Any:
        if "POISON" in str(messages):
            raise RuntimeError("cannot lay out\nthis row " + "x" * 1000)
        return template(messages, **kwargs)

    monkeypatch.setattr(backend.processor, "apply_chat_template", poisoned)
    replies = answers(backend, requests)
    assert [r.text for i, r in enumerate(replies) if i != 2] == [
        r.text for i, r in enumerate(fine) if i != 2
    ]
    error = replies[2].error or ""
    assert error.startswith("RuntimeError: cannot lay out this row") and len(error) <= 240


def test_sampling_is_keyed_by_row_not_by_batch(tmp_path: Path) -> None:
    prepare_torchvision()
    backend = open_backend(CaptionConfig(model=fast_vlm(tmp_path / "m"), max_new_tokens=10))

    def said(seed: int, names: str) -> dict[str, str | None]:
        requests = [ask(name, 1, seed=ord(name)) for name in names]
        requests = [replace(r, temperature=1.5, seed=seed) for r in requests]
        return {r.clip_id: r.text for r in answers(backend, requests)}

    first = said(3, "abc")
    assert said(3, "cab") == first and said(3, "b") == {"b": first["b"]}
    assert said(4, "abc") != first


def test_a_model_that_is_not_here_is_one_line_with_the_fix(tmp_path: Path) -> None:
    name = "some-org/some-model-that-nobody-has"
    for refuse in (check_model, load_model):
        with pytest.raises(ValueError) as caught:
            refuse(name)
        line = str(caught.value)
        assert (
            name in line and "filmstock models get" in line and "demo" in line and "\n" not in line
        )
    with pytest.raises(ValueError, match="does not exist"):
        check_model(str(tmp_path / "nowhere"))
    (tmp_path / "half").mkdir()
    with pytest.raises(ValueError, match="no complete model folder"):
        check_model(str(tmp_path / "half"))


def test_new_weights_have_a_new_identity(tmp_path: Path) -> None:
    prepare_torchvision()
    name = fast_vlm(tmp_path / "m")
    config = CaptionConfig(model=name)
    first = model_id(config)
    assert first == model_id(config) and first.startswith("m@")
    weights = tmp_path / "m" / "model.safetensors"
    data = bytearray(weights.read_bytes())
    data[-1] ^= 1
    weights.write_bytes(data)
    assert model_id(config) != first
    assert model_id(CaptionConfig(model="org/name")) == "org/name"
