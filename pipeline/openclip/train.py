"""Training step of the embedded CLIP: contrastive over captions, truth over short prompts, two small text losses.

The image side is the mean of a clip's frame embeddings, so it cannot see the direction of motion. The text side still
has to keep it, because its token features condition the DiT: every token must give back its own identity, and the full
stop that ends a sentence must give back what the sentence said (colour, shape, motion, camera, ...). Both heads are
thrown away.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np

from pipeline.bounds import Count, Limits, NonNegative, Positive, Steps, Whole
from pipeline.groups import DATA, MODEL, OPTIMISATION, OUTPUT, SCHEDULE
from pipeline.openclip.data import IMAGE_SIZE, Pool
from pipeline.openclip.package import open_clip_module
from pipeline.openclip.texts import CONTEXT_LENGTH, SLOTS, TokenisedTexts
from pipeline.openclip.tokenizer import BOS_ID, EOS_ID, PAD_ID, save_tokenizer
from pipeline.training.compute import compute_dtype
from pipeline.training.config import BaseTrainConfig
from pipeline.training.schedule import cosine, warmup
from pipeline.video.tags import WORLD as DOMAIN

if TYPE_CHECKING:
    import torch
    from tokenizers import Tokenizer

TEXT_WEIGHTS = (0.4, 0.1, 0.15, 0.1, 0.15, 0.1)
"""How often each of ``clip_data.scene_texts`` is drawn."""
TEXT_PARTS = 3
"""Batches of like length that the captions of a step are encoded in."""


@dataclass(frozen=True, kw_only=True)
class ClipTrainConfig(BaseTrainConfig):
    """Model size and training of the embedded CLIP; it ends at ``steps`` or ``minutes``, whichever comes first."""

    steps: Annotated[Steps, SCHEDULE] = 3000
    minutes: Annotated[Positive | None, SCHEDULE] = 24.0
    """Most minutes of training, without rendering, over all resumes; None for no limit. A run with a limit is not
    repeatable to the bit."""
    scenes: Annotated[Count, DATA] = 10_000
    """Scenes rendered to train on."""
    batch: Annotated[int, Limits(least=1, most=8192), DATA] = 128
    """Clips per step, at most all scenes."""
    views: Annotated[Count, DATA] = 2
    """Frames per clip and step."""
    prompts: Annotated[Count, DATA] = 64
    """Short prompts per step."""
    lr: Annotated[Positive, OPTIMISATION] = 1.5e-3
    """Peak learning rate of AdamW; after the warm-up half a cosine to 0."""
    warmup_steps: Annotated[Whole, SCHEDULE] = 60
    weight_decay: Annotated[NonNegative, OPTIMISATION] = 0.05
    checkpoint_every: Annotated[Count, OUTPUT] = 200
    log_every: Annotated[Count, OUTPUT] = 20
    embed_dim: Annotated[Count, MODEL] = 128
    """Size of the shared space."""
    vision_width: Annotated[Count, MODEL] = 16
    """Stem width of the residual tower; its stages are 4, 8, 16 and 32 times as wide."""
    vision_layers: Annotated[tuple[Count, Count, Count, Count], MODEL] = (1, 1, 1, 1)
    """Blocks per stage."""
    text_width: Annotated[Count, MODEL] = 128
    """Size of a token feature."""
    text_layers: Annotated[Count, MODEL] = 4
    """Blocks of the text tower."""


def model_config(config: ClipTrainConfig, vocab_size: int) -> dict[str, Any]:
    """open_clip's ``model_cfg``: its ResNet image tower and its causal text tower, small."""
    return {
        "embed_dim": config.embed_dim,
        "custom_text": True,
        "vision_cfg": {
            "image_size": IMAGE_SIZE,
            "layers": list(config.vision_layers),
            "width": config.vision_width,
            "head_width": 32,
        },
        "text_cfg": {
            "context_length": CONTEXT_LENGTH,
            "vocab_size": vocab_size,
            "hf_tokenizer_name": "local",
            "width": config.text_width,
            "heads": 4,
            "layers": config.text_layers,
            "pool_type": "eos",
            "pad_id": PAD_ID,
            "eos_id": EOS_ID,
        },
    }


def preprocess_config() -> dict[str, Any]:
    """open_clip's ``preprocess_cfg``: the whole frame, squashed to the square."""
    return {
        "size": [IMAGE_SIZE, IMAGE_SIZE],
        "mean": [0.5, 0.5, 0.5],
        "std": [0.25, 0.25, 0.25],
        "interpolation": "bicubic",
        "resize_mode": "squash",
    }


def build_model(config: ClipTrainConfig, vocab_size: int) -> Any:
    """A fresh open_clip model of the embedded architecture."""
    settings = model_config(config, vocab_size)
    settings.pop("custom_text")
    return open_clip_module().model.CustomTextCLIP(**settings)


def text_forward(text: Any, ids: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Embedding (B, D) and token features (B, L, W) of a causal tower on rows shorter than its context.

    Equal to the tower's own forward on rows padded to the context, because padding comes after every real token.
    """
    import torch

    length = ids.shape[1]
    x = text.token_embedding(ids) + text.positional_embedding[:length]
    x = text.transformer(x, attn_mask=text.attn_mask[:length, :length])
    tokens = text.ln_final(x)
    end = (ids == EOS_ID).int().argmax(dim=-1)
    pooled = tokens[torch.arange(ids.shape[0]), end] @ text.text_projection
    return pooled, tokens


def to_images(frames: np.ndarray, rng: np.random.Generator | None) -> torch.Tensor:
    """uint8 (N, S, S, 3) to normalised (N, 3, S, S); with ``rng``, light changes of level, contrast and noise."""
    import torch

    x = torch.from_numpy(frames).permute(0, 3, 1, 2).float().div_(255)
    if rng is not None:
        n = len(x)
        gain = torch.from_numpy(rng.uniform(0.92, 1.08, (n, 1, 1, 1)).astype(np.float32))
        shift = torch.from_numpy(rng.uniform(-0.03, 0.03, (n, 1, 1, 1)).astype(np.float32))
        sigma = rng.uniform(0, 0.02, (n, 1, 1, 1)).astype(np.float32) * (
            rng.random((n, 1, 1, 1)) < 0.5
        )
        noise = torch.from_numpy(
            rng.standard_normal(x.shape, dtype=np.float32) * sigma.astype(np.float32)
        )
        x = (x * gain + shift + noise).clamp_(0, 1)
    return ((x - 0.5) / 0.25).contiguous(memory_format=torch.channels_last)


class Trainer:
    """Model, throw-away heads and optimizer; step ``i`` draws its batch from (seed, i) alone."""

    def __init__(self, config: ClipTrainConfig, pool: Pool, tokenizer: Tokenizer) -> None:
        import torch
        from torch import nn

        from pipeline.training.optim import Group, Optimizer

        self.config, self.pool, self.tokenizer = config, pool, tokenizer
        self.batch = min(config.batch, len(pool.frames))
        torch.manual_seed(config.seed)
        self.model = build_model(config, tokenizer.get_vocab_size())
        self.model.visual.to(memory_format=torch.channels_last)
        width = config.text_width
        self.heads = nn.ModuleDict(
            {
                "identity": nn.Linear(width, tokenizer.get_vocab_size()),
                **{slot: nn.Linear(width, n) for slot, n in SLOTS.items()},
            }
        )
        self.prompt_line = nn.Parameter(torch.tensor([np.log(10.0), -3.0], dtype=torch.float32))
        self.texts = TokenisedTexts([*pool.texts, pool.bank], tokenizer)
        parameters = [*self.model.parameters(), *self.heads.parameters(), self.prompt_line]
        self.optimizer = Optimizer(
            [
                Group(
                    params=[p for p in parameters if p.ndim >= 2], weight_decay=config.weight_decay
                ),
                Group(params=[p for p in parameters if p.ndim < 2]),
            ],
            optimizer="adamw",
        )
        self.compute = compute_dtype(config.precision)

    def step(self, index: int, progress: float) -> dict[str, float]:
        """One optimizer step; ``progress`` in [0, 1] places it on the schedule. Returns the losses."""
        import torch

        config = self.config
        rate = config.lr * warmup(index, progress, config.warmup_steps) * cosine(progress)
        self.model.train()
        losses = self._losses(np.random.default_rng([config.seed, index, 0x57E9]))
        total = (
            losses["contrastive"] + 4 * losses["prompts"]
            + 0.3 * losses["slots"] + 0.1 * losses["identity"]
        )  # fmt: skip
        total.backward()
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), config.grad_clip)
        self.optimizer.step(rate)
        with torch.no_grad():
            self.model.logit_scale.clamp_(0, np.log(100.0))
        return {name: float(value.detach()) for name, value in losses.items()}

    def _losses(self, rng: np.random.Generator) -> dict[str, torch.Tensor]:
        import torch
        import torch.nn.functional as F

        config, pool = self.config, self.pool
        rows = rng.choice(len(pool.frames), self.batch, replace=False)
        numbers = [self.texts.number(self._draw_text(pool.texts[r], rng)) for r in rows]
        views = np.stack(
            [pool.frames[r][rng.permutation(pool.frames.shape[1])[: config.views]] for r in rows]
        )
        images = to_images(views.reshape(-1, *views.shape[2:]), rng)
        with torch.autocast("cpu", torch.bfloat16, enabled=self.compute is torch.bfloat16):
            seen = self.model.visual(images)
        seen = F.normalize(seen.float(), dim=-1).view(self.batch, config.views, -1).mean(1)
        seen = F.normalize(seen, dim=-1)

        # Rows of like length share a batch: padding would be half of the text tower's work.
        order = sorted(range(len(numbers)), key=lambda i: len(self.texts.ids[numbers[i]]))
        said = seen.new_zeros(len(numbers), config.embed_dim)
        text_losses: list[dict[str, torch.Tensor]] = []
        for part in np.array_split(np.array(order), TEXT_PARTS):
            of_part = [numbers[i] for i in part]
            ids = self.texts.padded(of_part)
            with torch.autocast("cpu", torch.bfloat16, enabled=self.compute is torch.bfloat16):
                pooled, tokens = text_forward(self.model.text, ids)
            said = said.index_copy(0, torch.from_numpy(part), F.normalize(pooled.float(), dim=-1))
            text_losses.append(self._text_losses(ids, tokens.float(), of_part))
        logits = self.model.logit_scale.exp() * seen @ said.T
        key = torch.tensor(numbers)
        target = (key[:, None] == key[None, :]).float()
        target = target / target.sum(1, keepdim=True)
        contrastive = (F.cross_entropy(logits, target) + F.cross_entropy(logits.T, target)) / 2

        chosen = rng.choice(len(pool.bank), min(config.prompts, len(pool.bank)), replace=False)
        prompt_ids = self.texts.padded([self.texts.number(pool.bank[c]) for c in chosen])
        prompt, _ = text_forward(self.model.text, prompt_ids)
        scores = (
            seen @ F.normalize(prompt, dim=-1).T * self.prompt_line[0].exp() + self.prompt_line[1]
        )
        truth = torch.from_numpy(pool.truth[rows][:, chosen]).float()
        prompts = F.binary_cross_entropy_with_logits(scores, truth)
        return {
            "contrastive": contrastive,
            "prompts": prompts,
            "identity": torch.stack([part["identity"] for part in text_losses]).mean(),
            "slots": torch.stack([part["slots"] for part in text_losses]).mean(),
        }

    def _text_losses(
        self, ids: torch.Tensor, tokens: torch.Tensor, numbers: Sequence[int]
    ) -> dict[str, torch.Tensor]:
        import torch
        import torch.nn.functional as F

        real = (ids != PAD_ID) & (ids != BOS_ID)
        identity = F.cross_entropy(self.heads["identity"](tokens[real]), ids[real])
        at = [(i, end, row) for i, n in enumerate(numbers) for end, row in self.texts.labels[n]]
        slots = tokens.new_zeros(())
        if at:
            ends = tokens[[i for i, _, _ in at], [end for _, end, _ in at]]
            labels = torch.tensor([row for _, _, row in at])
            for k, slot in enumerate(SLOTS):
                stated = labels[:, k] >= 0
                if bool(stated.any()):
                    guess = self.heads[slot](ends[stated])
                    slots = slots + F.cross_entropy(guess, labels[stated, k])
        return {"identity": identity, "slots": slots}

    def _draw_text(self, texts: Sequence[str], rng: np.random.Generator) -> str:
        if len(texts) == len(TEXT_WEIGHTS):
            return texts[int(rng.choice(len(texts), p=TEXT_WEIGHTS))]
        return texts[int(rng.integers(len(texts)))]

    def state(self) -> dict[str, Any]:
        """Everything a resumed run needs beside the pool."""
        return {
            "model": self.model.state_dict(),
            "heads": self.heads.state_dict(),
            "prompt_line": self.prompt_line.detach().clone(),
            "optimizer": self.optimizer.state_dict(),
            "compute": str(self.compute)[6:],
        }

    def load(self, state: dict[str, Any]) -> None:
        """Inverse of ``state``."""
        import torch

        self.model.load_state_dict(state["model"])
        self.heads.load_state_dict(state["heads"])
        with torch.no_grad():
            self.prompt_line.copy_(state["prompt_line"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.compute = getattr(torch, state["compute"])


def save_model(
    folder: Path | str, model: Any, config: ClipTrainConfig, tokenizer: Tokenizer
) -> None:
    """Write an open_clip ``local-dir:`` folder: config, float16 safetensors, tokenizer files."""
    import torch
    from safetensors.torch import save_file

    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    state = {
        name: (t.half() if t.is_floating_point() else t).to(memory_format=torch.contiguous_format).contiguous().clone()
        for name, t in model.state_dict().items()
    }  # fmt: skip
    weights = folder / "open_clip_model.safetensors"
    save_file(state, str(weights), metadata={"format": "pt"})
    weights.chmod(0o644)  # safetensors leaves it unreadable for others
    described = {
        "model_cfg": model_config(config, tokenizer.get_vocab_size()),
        "preprocess_cfg": preprocess_config(),
        "filmstock": {"domain": DOMAIN},
    }
    (folder / "open_clip_config.json").write_text(json.dumps(described, indent=2) + "\n")
    save_tokenizer(tokenizer, folder, context_length=CONTEXT_LENGTH)
