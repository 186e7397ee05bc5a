"""A language model's hidden layer as text encoder: Llama, Qwen, Mistral, Gemma and their kind, also the language half
of a vision-language model.

The caption stands in a prompt. A causal model has read nothing of the caption before it begins, so what comes before is
the same for every caption and is dropped; what comes after it (the end of the turn) has read all of it and stays. So do
HunyuanVideo (arXiv 2412.03603, section 4.3.2) and Qwen-Image (arXiv 2508.02324, section 2.2).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.contracts import check_texts
from pipeline.textencoder.transformers import BATCH, MAX_TOKENS, content_id, options_of

ASKED = (
    "Describe the video in detail: what is in it and how it looks, what moves and how, the place, the light, and what "
    "the camera does."
)
"""What the system says to a chat model before the caption."""
PLACE = "{caption}"
"""Where the caption stands in a template."""
PROBES = ("a", "Zwei 2", "the red circle")
"""Captions that begin differently: what their tokens have in common at the start is the prompt's."""


@dataclass(frozen=True, kw_only=True)
class LanguageOptions:
    """What is read of a language model."""

    layer: int = -1
    """Hidden state, counted from the embeddings (0) or from the end: -1 is the last, after the final norm, -3 skips the
    last two layers as HunyuanVideo does."""
    template: str = ""
    """``chat`` (the model's own chat template), ``plain`` (the caption alone), or a file that has ``{caption}`` in it;
    empty: chat where the tokenizer has a chat template."""
    tokens: int = MAX_TOKENS
    """Tokens after which a caption is cut."""


class LanguageModelEncoder:
    """A hidden layer of a language model, for inference only. It satisfies ``pipeline.TextEncoder``."""

    def __init__(self, model: Any, tokenizer: Any, options: LanguageOptions | None = None) -> None:
        self.options = options or LanguageOptions()
        self.model = model.eval().requires_grad_(False)
        self.tokenizer = tokenizer
        tokenizer.padding_side = "right"
        if tokenizer.pad_token is None:
            tokenizer.pad_token = tokenizer.eos_token or tokenizer.convert_ids_to_tokens(0)
        layers = int(model.config.get_text_config().num_hidden_layers)
        if not -layers - 1 <= self.options.layer <= layers:
            raise ValueError(
                f"layer {self.options.layer} is not there: the language model has {layers}, so give 0 to {layers}, or "
                f"-1 to {-layers - 1}"
            )
        self.prompt = _prompt(tokenizer, self.options.template)
        self.before = _shared_start([self._ids([probe])[0] for probe in PROBES])
        """Tokens before the caption, which are dropped."""
        said = f"{self.prompt!r} layer {self.options.layer % (layers + 1)}"
        self.id = content_id(model, tokenizer, more=said)

    @property
    def text_width(self) -> int:
        """Size of a token feature."""
        return int(self.model.config.get_text_config().hidden_size)

    def cut_tokens(self, texts: Sequence[str]) -> list[int]:
        """Tokens of each text beyond ``options.tokens``, which are cut; no model is run."""
        most = self.before + self.options.tokens
        return [max(0, len(row) - most) for row in self._ids(texts)] if texts else []

    def text_tokens(self, texts: Sequence[str]) -> list[np.ndarray]:
        """Per text (L, text_width) float32: hidden states from the caption's first token on, without padding."""
        import torch

        check_texts(texts)
        out: list[np.ndarray] = []
        for start in range(0, len(texts), BATCH):
            rows = [
                row[: self.before + self.options.tokens]
                for row in self._ids(texts[start : start + BATCH])
            ]
            batch = self.tokenizer.pad({"input_ids": rows}, padding=True, return_tensors="pt")
            batch = batch.to(self.model.device)
            with torch.inference_mode():
                found = self.model(
                    input_ids=batch["input_ids"],
                    attention_mask=batch["attention_mask"],
                    output_hidden_states=True,
                    use_cache=False,
                ).hidden_states[self.options.layer]
            hidden = found.float().cpu().numpy()
            out += [
                states[self.before : len(row)].copy()
                for states, row in zip(hidden, rows, strict=True)
            ]
        return out

    def _ids(self, texts: Sequence[str]) -> list[list[int]]:
        """Token ids of each text in its prompt."""
        filled = [self.prompt.replace(PLACE, text.strip()) for text in texts]
        # a chat template writes the marks of its turns itself
        marks = self.prompt == PLACE
        rows: list[list[int]] = self.tokenizer(filled, add_special_tokens=marks, verbose=False)[
            "input_ids"
        ]
        return rows


def _prompt(tokenizer: Any, template: str) -> str:
    """Text with ``{caption}`` in it."""
    if template == "plain" or (not template and not tokenizer.chat_template):
        return PLACE
    if template in ("", "chat"):
        if not tokenizer.chat_template:
            raise ValueError(
                "template=chat: the tokenizer has no chat template; give template=plain or a file"
            )
        turns = [{"role": "system", "content": ASKED}, {"role": "user", "content": PLACE}]
        try:
            written: str = tokenizer.apply_chat_template(turns, tokenize=False)
        except Exception:  # some templates know no system; jinja raises what the template says
            turns = [{"role": "user", "content": f"{ASKED}\n{PLACE}"}]
            written = tokenizer.apply_chat_template(turns, tokenize=False)
    else:
        try:
            written = Path(template).expanduser().read_text()
        except OSError as error:
            raise ValueError(
                f"template {template!r} is neither chat, plain nor a file: {error.strerror}"
            ) from None
    if written.count(PLACE) != 1:
        raise ValueError(
            f"template {template or 'chat'!r} must have {PLACE} in it once, it has it {written.count(PLACE)} times"
        )
    return written


def _shared_start(rows: Sequence[Sequence[int]]) -> int:
    """How many tokens all rows begin with in common."""
    count = 0
    for tokens in zip(*rows, strict=False):
        if len(set(tokens)) > 1:
            break
        count += 1
    return count


def language_options(given: Mapping[str, str]) -> LanguageOptions:
    """Options out of a name such as ``transformers:PATH?layer=-3&template=chat``; ValueError names a wrong one."""
    return LanguageOptions(**options_of(given, {"layer": int, "template": str, "tokens": int}))
