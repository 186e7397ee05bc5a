"""The transformers backend on tiny random models of the very classes that the recipes name."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from captioner import embedded
from captioner.base import Reply, Request, model_id, open_backend
from captioner.config import CaptionConfig
from captioner.frames import from_pixels
from captioner.transformers_backend import check_model, load_model
from pipeline.torchvision_compat import prepare_torchvision

CHATML = (
    "{% for message in messages %}<|im_start|>{{ message['role'] }}\n"
    "{% for part in message['content'] %}"
    "{% if part['type'] == 'image' %}IMAGE{% else %}{{ part['text'] }}{% endif %}"
    "{% endfor %}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
TEXT = {
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
}


def tokenizer_with(extra: list[str], end: str) -> Any:
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    specials = ["<pad>", end, *extra]
    tokenizer.train_from_iterator(
        ["a red circle moves left"] * 4,
        trainers.BpeTrainer(
            vocab_size=400,
            special_tokens=specials,
            initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
            show_progress=False,
        ),
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token="<pad>", eos_token=end, padding_side="right"
    )


def smolvlm(folder: Path) -> str:
    pytest.importorskip("num2words", reason="SmolVLM's processor needs it")
    from transformers import (
        SmolVLMConfig,
        SmolVLMForConditionalGeneration,
        SmolVLMImageProcessor,
        SmolVLMProcessor,
        SmolVLMVideoProcessor,
    )

    tokenizer = tokenizer_with(
        ["<image>", "<fake_token_around_image>", "<global-img>", "<|im_start|>", "<video>"],
        "<end_of_utterance>",
    )
    sizes = {"size": {"longest_edge": 128}, "max_image_size": {"longest_edge": 32}}
    processor = SmolVLMProcessor(
        SmolVLMImageProcessor(do_image_splitting=True, **sizes),
        tokenizer,
        SmolVLMVideoProcessor(),
        image_seq_len=4,
        chat_template=CHATML.replace("IMAGE", "<image>").replace(
            "<|im_end|>", "<end_of_utterance>"
        ),
    )
    config = SmolVLMConfig(
        vision_config={
            "hidden_size": 32,
            "intermediate_size": 48,
            "num_hidden_layers": 1,
            "num_attention_heads": 2,
            "image_size": 32,
            "patch_size": 8,
        },
        text_config={
            **TEXT,
            "model_type": "llama",
            "vocab_size": len(tokenizer),
            "pad_token_id": 0,
        },
        image_token_id=tokenizer.convert_tokens_to_ids("<image>"),
        scale_factor=2,
        pad_token_id=0,
    )
    return save(SmolVLMForConditionalGeneration(config), processor, tokenizer, folder)


def qwen3_vl(folder: Path) -> str:
    from transformers import (
        Qwen2VLImageProcessor,
        Qwen3VLConfig,
        Qwen3VLForConditionalGeneration,
        Qwen3VLProcessor,
        Qwen3VLVideoProcessor,
    )

    names = ["<|image_pad|>", "<|video_pad|>", "<|vision_start|>", "<|vision_end|>", "<|im_start|>"]
    tokenizer = tokenizer_with(names, "<|im_end|>")
    ids = tokenizer.convert_tokens_to_ids(names)
    limits = {"shortest_edge": 32 * 32, "longest_edge": 64 * 64}
    processor = Qwen3VLProcessor(
        Qwen2VLImageProcessor(patch_size=8, merge_size=2, temporal_patch_size=2, size=limits),
        tokenizer,
        Qwen3VLVideoProcessor(patch_size=8, merge_size=2, temporal_patch_size=2),
        chat_template=CHATML.replace("IMAGE", "<|vision_start|><|image_pad|><|vision_end|>"),
    )
    config = Qwen3VLConfig(
        vision_config={
            "depth": 2,
            "hidden_size": 32,
            "intermediate_size": 48,
            "num_heads": 2,
            "patch_size": 8,
            "out_hidden_size": 32,
            "num_position_embeddings": 64,
            "deepstack_visual_indexes": [0],
        },
        text_config={
            **TEXT,
            "head_dim": 8,
            "vocab_size": len(tokenizer),
            "rope_parameters": {
                "rope_type": "default",
                "rope_theta": 10000.0,
                "mrope_section": [2, 1, 1],
                "mrope_interleaved": True,
            },
        },
        image_token_id=ids[0],
        video_token_id=ids[1],
        vision_start_token_id=ids[2],
        vision_end_token_id=ids[3],
    )
    return save(Qwen3VLForConditionalGeneration(config), processor, tokenizer, folder)


def fast_vlm(folder: Path) -> str:
    tokenizer = embedded.build_tokenizer(["a red circle moves left"], vocab_size=300)
    model = embedded.build_model(
        tokenizer, channels=(8, 16, 32), depths=(1, 1, 1), text_width=48, text_layers=2
    )
    import torch

    # Untied, or an untrained model repeats its last input, the end mark, and says nothing.
    model.config.tie_word_embeddings = model.config.text_config.tie_word_embeddings = False
    model.lm_head.weight = torch.nn.Parameter(torch.randn_like(model.lm_head.weight))
    return save(model, embedded.build_processor(tokenizer), tokenizer, folder)


def save(model: Any, processor: Any, tokenizer: Any, folder: Path) -> str:
    model.generation_config.eos_token_id = tokenizer.eos_token_id
    model.generation_config.pad_token_id = tokenizer.pad_token_id
    # Random weights may well prefer a special token or a blank, which leaves nothing to compare.
    model.generation_config.suppress_tokens = [
        i
        for i in range(len(tokenizer))
        if not tokenizer.decode([i], skip_special_tokens=True).isalnum()
    ]
    model.save_pretrained(folder)
    processor.save_pretrained(folder)
    return str(folder)


BUILDERS = {
    "SmolVLMForConditionalGeneration": smolvlm,
    "Qwen3VLForConditionalGeneration": qwen3_vl,
    "FastVlmForConditionalGeneration": fast_vlm,
}


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
        assert name in line and "hf download" in line and "demo" in line and "\n" not in line
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
