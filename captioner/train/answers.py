"""Questions with their answers as a batch for any ``AutoModelForImageTextToText``, and the loss of the answers alone.

What comes before an answer is made by the very calls that ``transformers_backend`` makes before it generates, so a
model is trained on the token ids that it will be asked with. The answer's ids are appended to these, never tokenised
together with them: at the seam a tokenizer may merge what generation keeps apart.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from captioner.backends.base import Request
from captioner.backends.transformers import conversation, prompt_inputs

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True, kw_only=True)
class Answered:
    """Rows of token ids, padded on the right, with everything else that the model takes."""

    inputs: dict[str, torch.Tensor]
    """What the model is called with; ``input_ids`` is (B, T)."""
    starts: tuple[int, ...]
    """Place of each row's first answer token."""
    ends: tuple[int, ...]
    """Place after each row's last answer token, the end mark."""

    @property
    def n_tokens(self) -> int:
        """Answer tokens in all rows."""
        return sum(self.ends) - sum(self.starts)


def answer_ids(processor: Any, request: Request, text: str, ends: frozenset[int]) -> list[int]:
    """Token ids that the model should say: the reply as its own chat template writes it, up to the end mark.

    A template that rewrites what came before a reply is not followed: then it is ``text`` and the end mark. Raises
    ValueError for a caption that holds one of the tokenizer's special tokens, such as an image placeholder.
    """
    tokenizer = processor.tokenizer
    asked = conversation(request)
    said = {"role": "assistant", "content": [{"type": "text", "text": text}]}
    before = _templated(processor, asked, add_generation_prompt=True)
    whole = _templated(processor, [*asked, said], add_generation_prompt=False)
    reply = whole[len(before) :] if whole.startswith(before) else text
    ids = tokenizer(reply, add_special_tokens=False)["input_ids"]
    stop = next((i for i, token in enumerate(ids) if token in ends), len(ids))
    ids = ids[:stop]
    special = set(tokenizer(text, add_special_tokens=False)["input_ids"]) & set(
        tokenizer.all_special_ids
    )
    if special:
        raise ValueError(
            f"the caption of clip {request.clip_id} holds the special token "
            f"{tokenizer.convert_ids_to_tokens(min(special))!r}"
        )
    return [*ids, end_mark(tokenizer, ends)]


def end_mark(tokenizer: Any, ends: frozenset[int]) -> int:
    """The id that ends an answer: the tokenizer's own where generation stops at it."""
    return tokenizer.eos_token_id if tokenizer.eos_token_id in ends else min(ends)


def encode(processor: Any, rows: Sequence[tuple[Request, list[int]]]) -> Answered:
    """Requests and the token ids that should answer them, as one batch on the CPU."""
    import torch

    answers = [answer for _, answer in rows]
    inputs = dict(prompt_inputs(processor, [request for request, _ in rows]))
    ids, mask = inputs["input_ids"], inputs["attention_mask"].bool()
    starts = mask.sum(1).tolist()
    stops = [start + len(answer) for start, answer in zip(starts, answers, strict=True)]
    longest = max(stops)
    pad = processor.tokenizer.pad_token_id or 0
    for name, values in inputs.items():
        if values.shape != ids.shape:
            continue  # pixels and their shapes: images keep their order, whatever side the padding is on
        moved = torch.full((len(rows), longest), pad if name == "input_ids" else 0)
        moved = moved.to(values.dtype)
        for i, (start, stop, answer) in enumerate(zip(starts, stops, answers, strict=True)):
            moved[i, :start] = values[i][mask[i]]
            if name == "input_ids":
                moved[i, start:stop] = torch.tensor(answer)
            elif name == "attention_mask":
                moved[i, start:stop] = 1
        inputs[name] = moved  # token types: an answer is text, type 0
    return Answered(inputs=inputs, starts=tuple(starts), ends=tuple(stops))


def answer_loss(model: Any, batch: Answered) -> torch.Tensor:
    """Summed cross-entropy of the answer tokens, nats, with gradients; questions and frames are not learned.

    Logits are computed from the first answer's place on: a vocabulary of 150,000 over thousands of image tokens would
    take more memory than the model.
    """
    import torch
    from torch.nn import functional as F

    device = next(model.parameters()).device
    inputs = {name: values.to(device) for name, values in batch.inputs.items()}
    ids = inputs["input_ids"]
    first = min(batch.starts) - 1
    logits = model(**inputs, use_cache=False, logits_to_keep=ids.shape[1] - first).logits
    place = torch.arange(first + 1, ids.shape[1], device=device)
    starts, ends = (torch.tensor(at, device=device)[:, None] for at in (batch.starts, batch.ends))
    wanted = (place >= starts) & (place < ends)
    return F.cross_entropy(
        logits[:, :-1][wanted].float(), ids[:, first + 1 :][wanted], reduction="sum"
    )


def _templated(processor: Any, messages: list[dict], *, add_generation_prompt: bool) -> str:
    return processor.apply_chat_template(
        [messages], add_generation_prompt=add_generation_prompt, tokenize=False
    )[0]
