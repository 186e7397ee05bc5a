"""Encoders of transformers as text encoders: T5, umt5 and their kind, whose last hidden states condition the DiT."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any

import numpy as np

BATCH = 16
"""Texts encoded together."""
MAX_TOKENS = 512
"""Tokens after which a text is cut."""
HOW = "give a folder that save_pretrained wrote, or fetch it once with: hf download {name}"


class TransformersEncoder:
    """A transformers encoder with its tokenizer, for inference only. It satisfies ``pipeline.TextEncoder``."""

    def __init__(self, model: Any, tokenizer: Any, *, max_tokens: int = MAX_TOKENS) -> None:
        self.model = model.eval().requires_grad_(False)
        self.tokenizer, self.max_tokens = tokenizer, max_tokens
        self.id = content_id(model, tokenizer)

    @property
    def text_width(self) -> int:
        """Size of a token feature."""
        return int(self.model.config.d_model)

    def cut_tokens(self, texts: Sequence[str]) -> list[int]:
        """Tokens of each text beyond ``max_tokens``, which are cut; no model is run."""
        if not texts:
            return []
        rows = self.tokenizer(list(texts), truncation=False, verbose=False)["input_ids"]
        return [max(0, len(row) - self.max_tokens) for row in rows]

    def text_tokens(self, texts: Sequence[str]) -> list[np.ndarray]:
        """Per text (L, text_width) float16: last hidden states, one per real token, the end mark among them."""
        import torch

        if isinstance(texts, str):
            raise ValueError(f"texts must be a list of strings, got the string {texts!r}")
        out: list[np.ndarray] = []
        for start in range(0, len(texts), BATCH):
            batch = self.tokenizer(
                list(texts[start : start + BATCH]),
                padding=True,
                truncation=True,
                max_length=self.max_tokens,
                return_tensors="pt",
            ).to(self.model.device)
            with torch.inference_mode():
                hidden = self.model(**batch).last_hidden_state.float().cpu().numpy()
            real = batch["attention_mask"].bool().cpu().numpy()
            out += [row[keep].astype(np.float16) for row, keep in zip(hidden, real, strict=True)]
        return out


def load_transformers_encoder(name: str, *, device: str = "cpu") -> TransformersEncoder:
    """The encoder of a folder, or of a repository in the local cache; nothing is downloaded.

    Raises:
        ValueError: it is not here, or its class has no encoder of its own (T5 and umt5 have).
    """
    from pipeline.openclip.torchvision_compat import prepare_torchvision

    prepare_torchvision()
    from transformers import AutoConfig, AutoModelForTextEncoding, AutoTokenizer

    try:
        config = AutoConfig.from_pretrained(name, local_files_only=True)
        model = AutoModelForTextEncoding.from_pretrained(name, config=config, local_files_only=True)
        tokenizer = AutoTokenizer.from_pretrained(name, local_files_only=True)
    except (OSError, ValueError, KeyError) as error:
        first = (str(error).splitlines() or [""])[0][:160]
        raise ValueError(
            f"text encoder {name!r} does not load: {first}; {HOW.format(name=name)}"
        ) from None
    return TransformersEncoder(model.to(device), tokenizer)


def content_id(model: Any, tokenizer: Any) -> str:
    """``text-`` and 16 hex digits of the weights and of how a probe is tokenized."""
    import torch

    digest = hashlib.blake2b(digest_size=8)
    for name, tensor in sorted(model.state_dict().items()):
        digest.update(f"{name} {tuple(tensor.shape)} {tensor.dtype}\n".encode())
        digest.update(tensor.detach().cpu().contiguous().view(torch.uint8).numpy().tobytes())
    digest.update(repr(tokenizer("A red circle moves left. Zwölf 12")["input_ids"]).encode())
    return f"text-{digest.hexdigest()}"
