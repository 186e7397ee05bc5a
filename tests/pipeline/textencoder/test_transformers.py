"""T5 and umt5 as text encoders: true classes with small random weights, saved and loaded by path."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipeline.openclip.tokenizer import to_hf, train_bpe
from pipeline.openclip.torchvision_compat import prepare_torchvision
from pipeline.textencoder.open import load_text_encoder, text_encoder_file

TEXTS = [
    "a red circle moves left.",
    "two",
    "a small blue square stays still in the centre of the frame.",
]


def save(folder: Path, kind: str) -> Path:
    import torch

    prepare_torchvision()
    from transformers import T5Config, T5EncoderModel, UMT5Config, UMT5EncoderModel

    torch.manual_seed(0)
    tokenizer = to_hf(train_bpe(TEXTS, vocab_size=300), context_length=64)
    sizes: dict[str, Any] = dict(
        vocab_size=300, d_model=24, d_kv=6, d_ff=32, num_layers=2, num_heads=4, pad_token_id=0
    )
    model: Any = (
        T5EncoderModel(T5Config(**sizes)) if kind == "t5" else UMT5EncoderModel(UMT5Config(**sizes))
    )
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


@pytest.mark.parametrize("kind", ["t5", "umt5"])
def test_token_features_do_not_depend_on_the_company(kind: str, tmp_path: Path):
    encoder = load_text_encoder(f"transformers:{save(tmp_path / kind, kind)}")
    together = encoder.text_tokens(TEXTS)
    assert encoder.text_width == 24
    assert [rows.dtype for rows in together] == [np.float16] * 3
    assert len({len(rows) for rows in together}) == 3, "no padding"
    for text, rows in zip(TEXTS, together, strict=True):
        (alone,) = encoder.text_tokens([text])
        assert alone.shape == rows.shape
        assert np.abs(alone.astype(np.float32) - rows).max() < 2e-3
    assert encoder.text_tokens([]) == []


def test_what_is_cut_is_counted_without_running_the_model(tmp_path: Path):
    from pipeline.textencoder.transformers import TransformersEncoder

    whole: Any = load_text_encoder(f"transformers:{save(tmp_path / 'a', 't5')}")
    assert whole.max_tokens == 512
    lengths = [len(rows) for rows in whole.text_tokens(TEXTS)]
    short = TransformersEncoder(whole.model, whole.tokenizer, max_tokens=8)
    assert short.cut_tokens(TEXTS) == [max(0, n - 8) for n in lengths] != [0, 0, 0]
    assert whole.cut_tokens(TEXTS) == [0, 0, 0] and whole.cut_tokens([]) == []


def test_the_identity_is_of_the_weights(tmp_path: Path):
    import torch

    folder = save(tmp_path / "a", "t5")
    one = load_text_encoder(f"transformers:{folder}")
    assert load_text_encoder(f"transformers:{folder}").id == one.id
    with torch.no_grad():
        one.model.shared.weight[5, 5] += 1  # type: ignore[attr-defined]
    from pipeline.textencoder.transformers import TransformersEncoder

    assert TransformersEncoder(one.model, one.tokenizer).id != one.id  # type: ignore[attr-defined]
    assert text_encoder_file(f"transformers:{folder}") == folder


def test_what_is_not_here_is_one_line(tmp_path: Path):
    with pytest.raises(ValueError, match="does not load: .*hf download org/none"):
        load_text_encoder("transformers:org/none")
    with pytest.raises(ValueError, match="list of strings"):
        load_text_encoder(f"transformers:{save(tmp_path / 'a', 't5')}").text_tokens("one")
