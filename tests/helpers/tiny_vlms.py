"""Untrained vision-language models of the very classes that the recipes name, small enough to build in a test."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from captioner.backends import embedded

CHATML = (
    "{% for message in messages %}<|im_start|>{{ message['role'] }}\n"
    "{% for part in message['content'] %}"
    "{% if part['type'] == 'image' %}IMAGE{% elif part['type'] == 'video' %}VIDEO"
    "{% else %}{{ part['text'] }}{% endif %}"
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


def tokenizer_with(extra: list[str], end: str, text: str = "a red circle moves left") -> Any:
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    specials = ["<pad>", end, *extra]
    tokenizer.train_from_iterator(
        [text] * 4,
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


WORDS = "the a of in is and with to on at by from as while over near dog runs lawn green man walks"


def speaking_smolvlm(folder: Path) -> str:
    """A SmolVLM with random weights whose replies are some English words and then end: a caption, as texts go."""
    import json

    smolvlm(folder, text=f" {WORDS}")
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(folder)
    spoken = {tokenizer.encode(f" {word}", add_special_tokens=False)[0] for word in WORDS.split()}
    path = folder / "generation_config.json"
    settings = json.loads(path.read_text())
    kept = spoken | {tokenizer.eos_token_id}
    settings["suppress_tokens"] = [i for i in range(len(tokenizer)) if i not in kept]
    settings |= {"no_repeat_ngram_size": 2, "exponential_decay_length_penalty": [12, 1.5]}
    path.write_text(json.dumps(settings))
    return str(folder)


def smolvlm(folder: Path, text: str = "a red circle moves left") -> str:
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
        text,
    )
    sizes = {"size": {"longest_edge": 128}, "max_image_size": {"longest_edge": 32}}
    processor = SmolVLMProcessor(
        SmolVLMImageProcessor(do_image_splitting=True, **sizes),
        tokenizer,
        SmolVLMVideoProcessor(**sizes),
        image_seq_len=4,
        chat_template=CHATML.replace("IMAGE", "<image>")
        .replace("VIDEO", "<video>")
        .replace("<|im_end|>", "<end_of_utterance>"),
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
        Qwen3VLVideoProcessor(
            patch_size=8,
            merge_size=2,
            temporal_patch_size=2,
            size=limits,
            cap_pixels_per_frame=False,
        ),
        chat_template=CHATML.replace(
            "IMAGE", "<|vision_start|><|image_pad|><|vision_end|>"
        ).replace("VIDEO", "<|vision_start|><|video_pad|><|vision_end|>"),
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
        tokenizer, channels=(8, 16, 32), depths=(1, 1, 1), text_width=48, text_layers=1
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
