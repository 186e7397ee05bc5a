"""Token ids, pixels and loss of a reply, for training the embedded captioner.

Frames and prompts bypass the Hugging Face processor here, which would take longer than the model; a test holds the two
paths equal.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from captioner.ask.prompts import WORLD_PROMPTS, fill
from captioner.backends import embedded
from captioner.train.world_data import Example
from pipeline.world.captions import caption
from pipeline.world.scene import random_scene

if TYPE_CHECKING:
    import torch


def tokenizer_texts() -> list[str]:
    """Texts that the tokenizer is trained on: captions of scenes and stills, and every question."""
    scenes = [random_scene(i) for i in range(500)]
    texts = [caption(s, kind) for s in scenes for kind in ("short", "dense")]
    texts += [caption(s, "dense", still=True) for s in scenes]
    return texts + [
        fill(prompt, frames=frames, seconds=frames / 3)
        for prompt in WORLD_PROMPTS.values()
        for frames in range(1, 30)
    ]


def prefix_ids(tokenizer: Any, kind: str, frames: int, seconds: float) -> list[int]:
    """Token ids before the reply, exactly as the processor and chat template write them."""
    name = tokenizer.convert_tokens_to_ids
    image = [name(embedded.IMAGE)] * embedded.VISUAL_TOKENS
    ids: list[int] = []
    for number in range(1, frames + 1):
        ids += [*tokenizer(str(number))["input_ids"], *image]
    question = fill(WORLD_PROMPTS[kind], frames=frames, seconds=seconds)
    return [*ids, *tokenizer(question)["input_ids"], name(embedded.END)]


def pixel_values(images: np.ndarray) -> torch.Tensor:
    """Processor's scaling of squashed frames: uint8 (..., H, W, 3) to float32 (..., 3, H, W) in [-1, 1]."""
    import torch

    moved = np.ascontiguousarray(np.moveaxis(images, -1, -3))
    return torch.from_numpy(moved).float() / 127.5 - 1


def visual_tokens(model: Any, images: np.ndarray) -> torch.Tensor:
    """Frames (N, 64, 64, 3) uint8 through tower and projector: (N, 16, D)."""
    import torch

    pixels = pixel_values(images).contiguous(memory_format=torch.channels_last)
    return model.model.get_image_features(pixels).pooler_output


def caption_loss(
    model: Any,
    tokenizer: Any,
    examples: list[Example],
    kinds: list[str],
    tokens: list[torch.Tensor],
) -> tuple[torch.Tensor, torch.Tensor]:
    """Mean cross-entropy of the reply tokens, and the decoder's state at the end of each frame.

    ``tokens`` holds each example's (T, 16, D) visual tokens. The states, (B, max T, D), have seen all frames so far
    and lie before the last layer, so that the reply's tokens can still attend to what they know; those of examples
    with fewer frames mean nothing.
    """
    import torch
    from torch.nn import functional as F

    end, pad = (
        tokenizer.convert_tokens_to_ids(embedded.END),
        tokenizer.convert_tokens_to_ids(embedded.PAD),
    )
    rows, starts = [], []
    for example, kind in zip(examples, kinds, strict=True):
        prefix = prefix_ids(tokenizer, kind, len(example.images), example.seconds)
        rows.append([*prefix, *tokenizer(example.text(kind))["input_ids"], end])
        starts.append(len(prefix))
    longest = max(len(row) for row in rows)
    ids = torch.full((len(rows), longest), pad)
    wanted = torch.zeros((len(rows), longest), dtype=torch.bool)
    for i, row in enumerate(rows):
        ids[i, : len(row)] = torch.tensor(row)
        wanted[i, starts[i] - 1 : len(row) - 1] = True
    core = model.model
    embeds = core.language_model.get_input_embeddings()(ids)
    visual = torch.cat([t.flatten(0, 1) for t in tokens])
    mask = (ids == model.config.image_token_id)[..., None].expand_as(embeds)
    embeds = embeds.masked_scatter(mask, visual.to(embeds.dtype))
    # Replies come last and padding after them, so a causal model needs no padding mask.
    out = core.language_model(inputs_embeds=embeds, use_cache=False, output_hidden_states=True)
    hidden, before_last = out.last_hidden_state, out.hidden_states[-2]
    logits = model.lm_head(hidden[wanted]).float()
    frames = max(len(t) for t in tokens)
    # The tokens before the question are all frames: a number and its cells, again and again.
    stride = len(tokenizer("1")["input_ids"]) + embedded.VISUAL_TOKENS
    ends = torch.arange(1, frames + 1) * stride - 1
    return F.cross_entropy(logits, ids.roll(-1, 1)[wanted]), before_last[:, ends]
