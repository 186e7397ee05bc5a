"""The embedded captioner: a small Idefics3 (the class behind SmolVLM) with its own tokenizer, built from config alone.

A 64x64 frame is 64 patches of 8x8 pixels; pixel shuffle folds them into 16 visual tokens. Each frame is preceded by its
number in plain text, so the language model can tell first from last. Everything saved here loads through
``AutoProcessor`` and ``AutoModelForImageTextToText`` like any other model.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from transformers import (
        Idefics3ForConditionalGeneration,
        Idefics3Processor,
        PreTrainedTokenizerFast,
    )

WEIGHTS = Path(__file__).resolve().parent / "weights"
"""Folder of the weights that ship with filmstock; ``model = "embedded"`` means this one."""

SIDE = 64
"""Pixels; frames are squashed to a square of this side."""
VISUAL_TOKENS = 16
"""Visual tokens of one frame."""
PAD, END, IMAGE, FRAME_EDGE, FRAME_TAG = (
    "<pad>",
    "<end_of_utterance>",
    "<image>",
    "<fake_token_around_image>",
    "<global-img>",
)
SPECIALS = (PAD, END, IMAGE, FRAME_EDGE, FRAME_TAG)

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
        additional_special_tokens=[IMAGE, FRAME_EDGE, FRAME_TAG],
        padding_side="left",
        clean_up_tokenization_spaces=False,
        model_max_length=1024,
    )


def build_processor(tokenizer: PreTrainedTokenizerFast, side: int = SIDE) -> Idefics3Processor:
    """Processor that squashes every frame to ``side`` square, never splits it, and writes our chat template."""
    from pipeline.torchvision_compat import prepare_torchvision

    prepare_torchvision()
    from transformers import Idefics3Processor
    from transformers.models.idefics3.image_processing_pil_idefics3 import Idefics3ImageProcessorPil

    images = Idefics3ImageProcessorPil(
        do_image_splitting=False,
        size={"longest_edge": side},
        max_image_size={"longest_edge": side},
        resample=2,
    )
    return Idefics3Processor(
        images, tokenizer, image_seq_len=VISUAL_TOKENS, chat_template=CHAT_TEMPLATE
    )


def build_model(
    tokenizer: PreTrainedTokenizerFast,
    *,
    vision_width: int = 128,
    vision_layers: int = 5,
    text_width: int = 192,
    text_layers: int = 4,
) -> Idefics3ForConditionalGeneration:
    """Randomly initialised model for ``tokenizer``; the defaults have 3.2 million parameters."""
    from pipeline.torchvision_compat import prepare_torchvision

    prepare_torchvision()
    from transformers import Idefics3Config, Idefics3ForConditionalGeneration

    pad, end = tokenizer.convert_tokens_to_ids(PAD), tokenizer.convert_tokens_to_ids(END)
    config = Idefics3Config(
        vision_config={
            "hidden_size": vision_width,
            "intermediate_size": 3 * vision_width,
            "num_hidden_layers": vision_layers,
            "num_attention_heads": 4,
            "image_size": SIDE,
            "patch_size": 8,
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
        image_token_id=tokenizer.convert_tokens_to_ids(IMAGE),
        tie_word_embeddings=True,
        scale_factor=2,
        pad_token_id=pad,
    )
    model = Idefics3ForConditionalGeneration(config)
    model.generation_config.pad_token_id = pad
    model.generation_config.eos_token_id = end
    model.generation_config.bos_token_id = None
    return model
