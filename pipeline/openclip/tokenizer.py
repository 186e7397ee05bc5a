"""Byte-level BPE for the embedded text tower: a small vocabulary of our own, saved as stock Hugging Face files.

Trained on the world's captions, so that every word of them is one token; anything else is spelled in byte pieces and
nothing is ever unknown. Lower case only: "A red circle" and "a red circle" are the same prompt.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tokenizers import Tokenizer
    from transformers import PreTrainedTokenizerFast

PAD, BOS, EOS = "<pad>", "<bos>", "<eos>"
PAD_ID, BOS_ID, EOS_ID = 0, 1, 2
SPECIALS = (PAD, BOS, EOS)


def train_bpe(texts: Iterable[str], *, vocab_size: int = 1024) -> Tokenizer:
    """Fit a byte-level BPE of at most ``vocab_size`` entries; 3 specials and 256 bytes are always in it."""
    from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers
    from tokenizers.processors import TemplateProcessing

    floor = len(SPECIALS) + 256
    if vocab_size < floor:
        raise ValueError(
            f"vocab_size {vocab_size} is too small: specials and bytes alone take {floor}"
        )
    tokenizer = Tokenizer(models.BPE())
    tokenizer.normalizer = normalizers.Sequence([normalizers.NFC(), normalizers.Lowercase()])
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=True)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocab_size,
        min_frequency=2,
        special_tokens=list(SPECIALS),
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer=trainer)
    tokenizer.post_processor = TemplateProcessing(
        single=f"{BOS} $A {EOS}",
        special_tokens=[(BOS, BOS_ID), (EOS, EOS_ID)],
    )
    return tokenizer


def to_hf(tokenizer: Tokenizer, *, context_length: int) -> PreTrainedTokenizerFast:
    """Wrap as the transformers class that ``AutoTokenizer`` gives back; pads and cuts on the right."""
    from transformers import PreTrainedTokenizerFast

    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token=PAD,
        bos_token=BOS,
        eos_token=EOS,
        model_max_length=context_length,
        padding_side="right",
        truncation_side="right",
        clean_up_tokenization_spaces=False,
    )


def save_tokenizer(tokenizer: Tokenizer, folder: Path | str, *, context_length: int) -> None:
    """Write ``tokenizer.json`` and its config into ``folder``, where ``AutoTokenizer.from_pretrained`` finds them."""
    to_hf(tokenizer, context_length=context_length).save_pretrained(str(folder))
