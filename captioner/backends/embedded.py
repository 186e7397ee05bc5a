"""The embedded captioner: a small FastVLM (convolutional tower, Llama decoder), built from config alone.

A 64x64 frame becomes a 4x4 grid of visual tokens. Each frame is preceded by its number in plain text, so the language
model can tell first from last. Everything saved here loads through ``AutoProcessor`` and
``AutoModelForImageTextToText`` like any other model. A tower of convolutions and not of patches: trained from nothing
on a CPU, a patch-8 transformer still took every second shape for another after ten minutes.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from captioner.ask.model_note import ModelNote, write_note
from captioner.ask.prompts import WORLD_PROMPTS

if TYPE_CHECKING:
    from transformers import (
        FastVlmForConditionalGeneration,
        LlavaProcessor,
        PreTrainedTokenizerFast,
    )

WEIGHTS = Path(__file__).resolve().parents[1] / "weights"
"""Folder of the weights that ship with filmstock; ``model = "embedded"`` means this one."""

SIDE = 64
"""Pixels; frames are squashed to a square of this side."""
GRID = 4
"""Visual tokens of a frame form a grid of GRID x GRID cells, in reading order."""
VISUAL_TOKENS = GRID * GRID
"""Visual tokens of one frame."""
PAD, END, IMAGE = "<pad>", "<end_of_utterance>", "<image>"
SPECIALS = (PAD, END, IMAGE)

CHAT_TEMPLATE = (
    "{% for message in messages %}"
    "{% if message['content'] is string %}{{ message['content'] }}"
    "{% else %}{% set frame = namespace(number=0) %}"
    "{% for part in message['content'] %}"
    "{% if part['type'] == 'image' %}{% set frame.number = frame.number + 1 %}{{ frame.number }}<image>"
    "{% elif part['type'] == 'text' %}{{ part['text'] }}{% endif %}"
    "{% endfor %}{% endif %}<end_of_utterance>"
    "{% endfor %}"
)
"""Numbered frames, then the question, then the end mark; the reply follows and ends with the same mark."""


def build_tokenizer(texts: Iterable[str], vocab_size: int = 768) -> PreTrainedTokenizerFast:
    """Byte-level BPE over ``texts``: no text is unknown to it, and the world's words are one token each."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocab_size,
        special_tokens=list(SPECIALS),
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token=PAD,
        eos_token=END,
        additional_special_tokens=[IMAGE],
        padding_side="left",
        clean_up_tokenization_spaces=False,
        model_max_length=1024,
    )


def build_processor(tokenizer: PreTrainedTokenizerFast, side: int = SIDE) -> LlavaProcessor:
    """Processor that squashes every frame to ``side`` square and writes our chat template."""
    from pipeline.openclip.torchvision_compat import prepare_torchvision

    prepare_torchvision()
    from transformers import LlavaProcessor
    from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil

    images = CLIPImageProcessorPil(
        size={"height": side, "width": side},
        resample=2,  # bilinear
        do_center_crop=False,
        image_mean=[0.5, 0.5, 0.5],
        image_std=[0.5, 0.5, 0.5],
    )
    return LlavaProcessor(
        images,
        tokenizer,
        patch_size=side // GRID,
        vision_feature_select_strategy="full",
        chat_template=CHAT_TEMPLATE,
        image_token=IMAGE,
        num_additional_image_tokens=0,
    )


def build_model(
    tokenizer: PreTrainedTokenizerFast,
    *,
    channels: tuple[int, int, int] = (48, 96, 192),
    depths: tuple[int, int, int] = (1, 2, 1),
    text_width: int = 192,
    text_layers: int = 4,
) -> FastVlmForConditionalGeneration:
    """Randomly initialised model for ``tokenizer``; the defaults have 2.8 million parameters."""
    from pipeline.openclip.torchvision_compat import prepare_torchvision

    prepare_torchvision()
    from transformers import FastVlmConfig, FastVlmForConditionalGeneration

    pad, end = tokenizer.convert_tokens_to_ids(PAD), tokenizer.convert_tokens_to_ids(END)
    config = FastVlmConfig(
        vision_config={
            "model_type": "resnet",
            "embedding_size": channels[0],
            "hidden_sizes": list(channels),
            "depths": list(depths),
            "layer_type": "basic",
            "hidden_size": channels[-1],
        },
        text_config={
            "model_type": "llama",
            "hidden_size": text_width,
            "intermediate_size": 512,
            "num_hidden_layers": text_layers,
            "num_attention_heads": 4,
            "num_key_value_heads": 4,
            "vocab_size": len(tokenizer),
            "max_position_embeddings": 1024,
            "tie_word_embeddings": True,
            "pad_token_id": pad,
            "bos_token_id": None,
            "eos_token_id": end,
        },
        image_token_index=tokenizer.convert_tokens_to_ids(IMAGE),
        image_seq_length=VISUAL_TOKENS,
        tie_word_embeddings=True,
    )
    model = FastVlmForConditionalGeneration(config)
    model.generation_config.pad_token_id = pad
    model.generation_config.eos_token_id = end
    model.generation_config.bos_token_id = None
    return model


def export(model: Any, processor: Any, folder: Path) -> None:
    """Write a Hugging Face folder with float16 weights: ``AutoModelForImageTextToText.from_pretrained`` reads it."""
    import copy

    import torch

    half = copy.deepcopy(model).to(torch.float16)
    half.config.dtype = "float16"
    half.save_pretrained(folder)
    processor.save_pretrained(folder)
    write_note(folder, ModelNote(prompts=WORLD_PROMPTS, image_backend="pil"))
    (folder / "model.safetensors").chmod(0o644)
