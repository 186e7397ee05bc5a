"""Encoders of transformers as text encoders: T5, umt5 and their kind, whose last hidden states condition the DiT."""

from __future__ import annotations

import hashlib
import urllib.parse
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from pipeline.contracts import check_texts
from pipeline.store.weights import digest_tensors

BATCH = 16
"""Texts encoded together."""
MAX_TOKENS = 512
"""Tokens after which a text is cut."""


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

        check_texts(texts)
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


def split_name(name: str) -> tuple[str, dict[str, str]]:
    """(path, options) of ``PATH?layer=-3&template=chat``."""
    path, _, query = name.partition("?")
    return path, dict(urllib.parse.parse_qsl(query, keep_blank_values=True))


def options_of(given: Mapping[str, str], known: Mapping[str, type]) -> dict[str, Any]:
    """Options of a name in their types; ValueError names one that is unknown, no number, or tokens below 1."""
    out: dict[str, Any] = {}
    for name, value in given.items():
        if name not in known:
            raise ValueError(
                f"text encoder option {name!r} is unknown; this one takes {', '.join(known)}"
            )
        try:
            out[name] = known[name](value)
        except ValueError:
            raise ValueError(f"text encoder option {name}={value!r} is no whole number") from None
    if out.get("tokens", 1) < 1:
        raise ValueError(f"text encoder option tokens={out['tokens']}: it must be at least 1")
    return out


def content_id(model: Any, tokenizer: Any, *, more: str = "") -> str:
    """``text-`` and 16 hex digits of the weights, of how a probe is tokenized, and of ``more``."""
    digest = hashlib.blake2b(digest_size=8)
    digest_tensors(digest, model.state_dict())
    digest.update(repr(tokenizer("A red circle moves left. Zwölf 12")["input_ids"]).encode())
    digest.update(more.encode())
    return f"text-{digest.hexdigest()}"
