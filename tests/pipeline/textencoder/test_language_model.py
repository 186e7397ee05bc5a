"""Hidden layers of language models: true classes with small random weights, saved and loaded by path."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from pipeline.openclip.torchvision_compat import prepare_torchvision
from pipeline.textencoder.language_model import ASKED, LanguageModelEncoder, LanguageOptions
from pipeline.textencoder.open import load_text_encoder, text_encoder_file
from tests.helpers.tiny_vlms import TEXT, tokenizer_with

TEXTS = ["a red circle moves left.", "two", "a small blue square stays still in the centre."]
CHAT = (
    "{% for m in messages %}<|im_start|>{{ m['role'] }}\n{{ m['content'] }}<|im_end|>\n{% endfor %}"
)


def save(folder: Path, kind: str, chat: str | None = CHAT) -> Path:
    prepare_torchvision()
    import transformers

    torch.manual_seed(0)
    sizes: dict[str, Any] = {**TEXT, "vocab_size": 400}
    config = {"qwen": transformers.Qwen2Config, "llama": transformers.LlamaConfig}[kind](**sizes)
    transformers.AutoModelForCausalLM.from_config(config).save_pretrained(folder)
    tokenizer = tokenizer_with(["<|im_start|>"], "<|im_end|>")
    tokenizer.chat_template = chat
    if kind == "llama":
        tokenizer.pad_token = None  # as Llama's own
    tokenizer.save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def qwen(tmp_path_factory) -> Path:
    return save(tmp_path_factory.mktemp("qwen"), "qwen")


@pytest.mark.parametrize("kind", ["qwen", "llama"])
def test_a_layer_is_that_of_the_model_and_the_prompt_before_the_caption_is_dropped(kind, tmp_path):
    folder = save(tmp_path, kind)
    encoder: Any = load_text_encoder(f"transformers:{folder}?layer=1")
    assert isinstance(encoder, LanguageModelEncoder)
    assert encoder.text_width == TEXT["hidden_size"]
    together = encoder.text_tokens(TEXTS)
    tokenizer = encoder.tokenizer
    for text, rows in zip(TEXTS, together, strict=True):
        before = f"<|im_start|>system\n{ASKED}<|im_end|>\n<|im_start|>user\n"
        ids = tokenizer(f"{before}{text}<|im_end|>\n", add_special_tokens=False)["input_ids"]
        dropped = len(tokenizer(before, add_special_tokens=False)["input_ids"])
        with torch.inference_mode():
            found = encoder.model(torch.tensor([ids]), output_hidden_states=True).hidden_states[1]
        assert rows.dtype == np.float32 and rows.shape == (len(ids) - dropped, 32)
        np.testing.assert_allclose(rows, found[0, dropped:].numpy(), atol=1e-5)
    assert encoder.text_tokens([]) == [] and encoder.cut_tokens([]) == []


def test_templates_are_chosen_and_belong_to_the_identity(qwen, tmp_path):
    mine = tmp_path / "mine.txt"
    mine.write_text("Say: {caption}!")
    encoders = [
        load_text_encoder(f"transformers:{qwen}{options}")
        for options in ("", "?template=plain", f"?template={mine}", "?layer=1", "?layer=-2")
    ]
    assert len({encoder.id for encoder in encoders[:4]}) == 4
    assert encoders[3].id == encoders[4].id, "the same layer, counted from either end"
    plain, own = (encoder.text_tokens(["two"])[0] for encoder in encoders[1:3])
    assert len(own) == len(plain) + 1, "the mark behind it stays"
    assert text_encoder_file(f"transformers:{qwen}?layer=1") == qwen


def test_without_a_chat_template_the_caption_stands_alone(tmp_path):
    folder = save(tmp_path, "llama", chat=None)
    encoder: Any = load_text_encoder(f"transformers:{folder}")
    assert encoder.prompt == "{caption}" and encoder.before == 0
    with pytest.raises(ValueError, match="no chat template; give template=plain or a file"):
        load_text_encoder(f"transformers:{folder}?template=chat")


def test_long_captions_are_cut_at_their_own_tokens(qwen):
    whole: Any = load_text_encoder(f"transformers:{qwen}")
    assert whole.options.tokens == 512
    lengths = [len(rows) for rows in whole.text_tokens(TEXTS)]
    short: Any = load_text_encoder(f"transformers:{qwen}?tokens=4")
    assert short.cut_tokens(TEXTS) == [max(0, n - 4) for n in lengths]
    for rows, all_rows in zip(short.text_tokens(TEXTS), whole.text_tokens(TEXTS), strict=True):
        np.testing.assert_allclose(rows, all_rows[:4], atol=1e-5)


def test_half_precision_is_widened_where_it_is_slow_and_keeps_its_identity(qwen, tmp_path):
    from transformers import AutoModelForCausalLM, AutoTokenizer

    AutoModelForCausalLM.from_pretrained(qwen).bfloat16().save_pretrained(tmp_path)
    AutoTokenizer.from_pretrained(qwen).save_pretrained(tmp_path)
    full: Any = load_text_encoder(f"transformers:{qwen}")
    half: Any = load_text_encoder(f"transformers:{tmp_path}")
    assert half.id != full.id
    (rows,), (other) = half.text_tokens(["two"]), full.text_tokens(["two"])[0]
    assert 0 < np.abs(rows - other).max() < 0.1


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ("?layer=7", "layer 7 is not there: the language model has 2"),
        ("?layer=last", "layer='last' is no whole number"),
        ("?depth=1", "'depth' is unknown; this one takes layer, template, tokens"),
        ("?tokens=0", "tokens=0: it must be at least 1"),
        ("?template=nowhere.txt", "'nowhere.txt' is neither chat, plain nor a file"),
    ],
)
def test_wrong_options_are_one_line(qwen, options, said):
    with pytest.raises(ValueError, match=said):
        load_text_encoder(f"transformers:{qwen}{options}")


def test_a_template_without_a_caption_is_refused(qwen, tmp_path):
    (tmp_path / "empty.txt").write_text("Describe it.")
    with pytest.raises(ValueError, match="must have {caption} in it once, it has it 0 times"):
        load_text_encoder(f"transformers:{qwen}?template={tmp_path / 'empty.txt'}")
    encoder: Any = load_text_encoder(f"transformers:{qwen}")
    with pytest.raises(ValueError, match="list of strings"):
        encoder.text_tokens("one")
    assert LanguageOptions().layer == -1
