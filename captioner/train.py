"""Train the embedded captioner on the synthetic world, in three phases, on one CPU core.

1. *See*: vision tower and connector learn each frame's exact truth through auxiliary heads; no language model.
2. *Tell*: the language model learns captions over the frozen tower's tokens.
3. *Both*: everything together, caption loss and auxiliary loss.

The loss of a caption counts its own tokens only. Frames bypass the Hugging Face processor here; a test holds the two
paths equal.
"""

from __future__ import annotations

import json
import logging
import math
import os
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import numpy as np

from captioner import embedded
from captioner.prompts import WORLD_PROMPTS, fill
from captioner.worlddata import Example, WorldPool, augment, render_example
from pipeline.world.captions import attribute_f1, attributes, caption, parse_caption
from pipeline.world.scene import random_scene

if TYPE_CHECKING:
    import torch

log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class TrainConfig:
    """What the training of the embedded captioner depends on."""

    minutes: float | None = None
    """Budget of processor time, minutes of one core over all resumes; whichever limit comes first ends the run."""
    steps: int | None = None
    """Optimiser steps; with this limit alone a run is reproducible."""
    seed: int = 0
    """Seed of weights, order and augmentation."""
    pool: int = 8000
    """Scenes rendered; each is also shown mirrored, upside down and backwards."""
    batch: int = 12
    """Scenes per step."""
    lr: float = 2e-3
    """Peak learning rate of each phase."""
    see_share: float = 0.30
    """Share of the run spent in phase 1."""
    see_frames: int = 3
    """Consecutive frames of each scene shown in phase 1: fewer frames, more scenes."""
    see_batch: int = 18
    """Scenes per step in phase 1."""
    both_share: float = 0.35
    """Share of the run spent in phase 3."""
    short_share: float = 0.2
    """Share of examples that ask for the short caption."""
    still_share: float = 0.04
    """Share of examples that show a single frame."""
    save_minutes: float = 5.0
    """Minutes between checkpoints."""


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
    edge, tag = name(embedded.FRAME_EDGE), name(embedded.FRAME_TAG)
    image = [name(embedded.IMAGE)] * embedded.VISUAL_TOKENS
    ids: list[int] = []
    for number in range(1, frames + 1):
        ids += [*tokenizer(str(number))["input_ids"], edge, tag, *image, edge]
    question = fill(WORLD_PROMPTS[kind], frames=frames, seconds=seconds)
    return [*ids, *tokenizer(question)["input_ids"], name(embedded.END)]


def pixel_values(images: np.ndarray) -> torch.Tensor:
    """Processor's scaling of squashed frames: uint8 (..., H, W, 3) to float32 (..., 3, H, W) in [-1, 1]."""
    import torch

    moved = np.ascontiguousarray(np.moveaxis(images, -1, -3))
    return torch.from_numpy(moved).float() / 127.5 - 1


def visual_tokens(model: Any, images: np.ndarray) -> torch.Tensor:
    """Frames (N, 64, 64, 3) uint8 through tower and connector: (N, 16, D)."""
    core = model.model
    hidden = core.vision_model(pixel_values=pixel_values(images)).last_hidden_state
    return core.connector(hidden)


def caption_loss(
    model: Any,
    tokenizer: Any,
    examples: list[Example],
    kinds: list[str],
    tokens: list[torch.Tensor],
) -> torch.Tensor:
    """Mean cross-entropy of the reply tokens; ``tokens`` holds each example's (T, 16, D) visual tokens."""
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
    embeds = core.text_model.get_input_embeddings()(ids)
    visual = torch.cat([t.flatten(0, 1) for t in tokens])
    mask = (ids == model.config.image_token_id)[..., None].expand_as(embeds)
    embeds = embeds.masked_scatter(mask, visual.to(embeds.dtype))
    # Replies come last and padding after them, so a causal model needs no padding mask.
    hidden = core.text_model(inputs_embeds=embeds, use_cache=False).last_hidden_state
    logits = model.lm_head(hidden[wanted]).float()
    return F.cross_entropy(logits, ids.roll(-1, 1)[wanted])


def evaluate(
    model: Any, processor: Any, *, count: int, split: str = "heldout", first: int = 0
) -> dict[str, float]:
    """Attribute F1 of dense captions on ``count`` whole scenes rendered at several sizes, through ``generate``."""
    import torch

    from captioner.worlddata import SIZES

    pairs = []
    for start in range(first, first + count, 16):
        seeds = range(start, min(start + 16, first + count))
        examples = [render_example(s, split, size=SIZES[s % len(SIZES)], crop=False) for s in seeds]
        prompts = [
            {
                "role": "user",
                "content": [{"type": "image"}] * len(e.images)
                + [
                    {
                        "type": "text",
                        "text": fill(
                            WORLD_PROMPTS["dense"], frames=len(e.images), seconds=e.seconds
                        ),
                    }
                ],
            }
            for e in examples
        ]
        texts = [processor.apply_chat_template([p], add_generation_prompt=True) for p in prompts]
        inputs = processor(
            text=texts, images=[list(e.images) for e in examples], padding=True, return_tensors="pt"
        )
        with torch.inference_mode():
            out = model.generate(**inputs, max_new_tokens=120, do_sample=False)
        replies = processor.batch_decode(
            out[:, inputs["input_ids"].shape[1] :], skip_special_tokens=True
        )
        pairs += [
            (parse_caption(r), attributes(e.scene)) for r, e in zip(replies, examples, strict=True)
        ]
    return {
        "f1": attribute_f1(pairs),
        "camera": float(np.mean([p.camera == t.camera for p, t in pairs])),
        "objects": float(np.mean([set(p.objects) == set(t.objects) for p, t in pairs])),
        "looks": float(
            np.mean([{o[:2] for o in p.objects} == {o[:2] for o in t.objects} for p, t in pairs])
        ),
    }


def phase_of(config: TrainConfig, progress: float) -> tuple[str, float]:
    """Phase at ``progress`` in [0, 1] of the run, and progress within the phase."""
    tell = 1 - config.both_share
    if progress < config.see_share:
        return "see", progress / config.see_share
    if progress < tell:
        return "tell", (progress - config.see_share) / (tell - config.see_share)
    return "both", (progress - tell) / config.both_share


def learning_rate(config: TrainConfig, phase: str, progress: float) -> float:
    """Warm-up over the first 4 % of a phase, then cosine to 5 % of the peak; the last phase peaks at half."""
    peak = config.lr * (0.5 if phase == "both" else 1.0)
    warm = min(1.0, progress / 0.04)
    return peak * warm * (0.05 + 0.95 * 0.5 * (1 + math.cos(math.pi * min(1.0, progress))))


def train(
    config: TrainConfig,
    out_dir: Path,
    *,
    resume: bool = False,
    note: Callable[[dict[str, Any]], None] | None = None,
) -> dict[str, Any]:
    """Run or resume the training; writes ``state.pt``, ``metrics.jsonl`` and the exported ``weights/``.

    ``note`` is given a copy of each row of metrics.
    """
    import torch

    if config.minutes is None and config.steps is None:
        raise ValueError("training needs a limit; give minutes, steps or both")
    out_dir.mkdir(parents=True, exist_ok=True)
    state_path = out_dir / "state.pt"
    if state_path.exists() and not resume:
        raise ValueError(
            f"{out_dir} already holds a training; pass --resume or choose another folder"
        )

    torch.manual_seed(config.seed)
    tokenizer = embedded.build_tokenizer(tokenizer_texts())
    processor = embedded.build_processor(tokenizer)
    model = embedded.build_model(tokenizer)
    # On a CPU the fused attention's backward takes over twice as long as plain matrix products at these sizes.
    model.set_attn_implementation("eager")
    from captioner.auxiliary import AuxiliaryHeads, auxiliary_loss, targets
    from captioner.worlddata import FRAMES

    heads = AuxiliaryHeads(model.config.text_config.hidden_size, FRAMES)
    optimizers = make_optimizers(model, heads, config.lr)
    step, elapsed_s = 0, 0.0
    if resume and state_path.exists():
        state = torch.load(state_path, weights_only=True)
        model.load_state_dict(state["model"])
        heads.load_state_dict(state["heads"])
        for optimizer, saved in zip(optimizers, state["optimizers"], strict=True):
            optimizer.load_state_dict(saved)
        step, elapsed_s = state["step"], state["elapsed_s"]
    pool = WorldPool(out_dir / "pool", config.pool)
    fast = bfloat16_is_faster()
    began, last_save, last_log = time.process_time() - elapsed_s, time.monotonic(), time.monotonic()
    metrics = (out_dir / "metrics.jsonl").open("a")
    recent: dict[str, list[float]] = {}
    model.train()
    while True:
        elapsed_s = time.process_time() - began
        progress = max(
            step / config.steps if config.steps else 0.0,
            elapsed_s / 60 / config.minutes if config.minutes else 0.0,
        )
        if progress >= 1:
            break
        phase, within = phase_of(config, progress)
        rng = np.random.default_rng([config.seed, step])
        picks = _picks(config, step, config.see_batch if phase == "see" else config.batch)
        examples = [augment(pool[int(i)], rng) for i in picks]
        for optimizer in optimizers:
            for group in optimizer.param_groups:
                group["lr"] = learning_rate(config, phase, within) * group["scale"]
        first = int(rng.integers(FRAMES - config.see_frames + 1))
        window = range(first, first + config.see_frames) if phase == "see" else range(FRAMES)
        with torch.autocast("cpu", torch.bfloat16, enabled=fast):
            with torch.set_grad_enabled(phase != "tell"):
                pictures = [e.images[window.start : window.stop] for e in examples]
                seen = visual_tokens(model, np.concatenate(pictures))
                seen = seen.view(len(examples), len(window), *seen.shape[1:])
            loss = torch.zeros(())
            if phase != "tell":
                aux, right = auxiliary_loss(heads(seen), targets(examples, window))
                loss = loss + aux * (1.0 if phase == "see" else 0.15)
                for name, value in right.items():
                    recent.setdefault(name, []).append(value)
            if phase != "see":
                kinds = [
                    "short" if rng.random() < config.short_share else "dense" for _ in examples
                ]
                shown = list(examples)
                tokens = list(seen)
                for i, example in enumerate(examples):
                    if rng.random() < config.still_share:
                        shown[i] = _first_frame(example)
                        tokens[i] = seen[i, :1]
                told = caption_loss(model, tokenizer, shown, kinds, tokens)
                loss = loss + told
                recent.setdefault("caption_loss", []).append(told.item())
        loss.backward()
        trained = [p for o in optimizers for g in o.param_groups for p in g["params"]]
        torch.nn.utils.clip_grad_norm_([p for p in trained if p.grad is not None], 1.0)
        for optimizer in optimizers:
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
        step += 1
        now = time.monotonic()
        if now - last_log > 20:
            row = {k: round(float(np.mean(v)), 4) for k, v in recent.items()}
            row |= {
                "step": step,
                "phase": phase,
                "progress": round(progress, 4),
                "elapsed_s": round(elapsed_s),
            }
            _tell(row, metrics, note)
            recent, last_log = {}, now
        if now - last_save > 60 * config.save_minutes:
            _save(state_path, model, heads, optimizers, step, elapsed_s)
            if phase != "see":
                export(model, processor, out_dir / "weights")
                model.eval()
                row = {"step": step, "progress": round(progress, 4)} | evaluate(
                    model, processor, count=48
                )
                model.train()
                _tell(row, metrics, note)
            last_save = time.monotonic()
    _save(state_path, model, heads, optimizers, step, elapsed_s)
    export(model, processor, out_dir / "weights")
    model.eval()
    result = {"steps": step, "elapsed_s": elapsed_s, **evaluate(model, processor, count=96)}
    print(json.dumps(result | {"config": asdict(config)}), file=metrics, flush=True)
    return result


def _picks(config: TrainConfig, step: int, batch: int) -> np.ndarray:
    """Scenes of a step: consecutive slices of one permutation per epoch, a pure function of seed and step."""
    epoch, place = divmod(step, config.pool // batch)
    order = np.random.default_rng([config.seed, 7, epoch]).permutation(config.pool)
    return order[place * batch : (place + 1) * batch]


def _tell(
    row: dict[str, Any], metrics: IO[str], note: Callable[[dict[str, Any]], None] | None
) -> None:
    log.info("%s", row)
    print(json.dumps(row), file=metrics, flush=True)
    if note is not None:
        note(dict(row))


def _first_frame(example: Example) -> Example:
    return replace(example, images=example.images[:1], seconds=0.1, times_s=example.times_s[:1])


def make_optimizers(model: Any, heads: Any, lr: float) -> list[torch.optim.Optimizer]:
    """Muon for the matrices inside the two transformers, AdamW for the rest (embeddings, norms, heads)."""
    import torch

    inner, rest = [], []
    for name, parameter in model.named_parameters():
        matrix = parameter.ndim == 2 and ".layers." in name
        (inner if matrix else rest).append(parameter)
    rest += list(heads.parameters())
    muon = torch.optim.Muon(inner, lr=lr, weight_decay=0.02, adjust_lr_fn="match_rms_adamw")
    adamw = torch.optim.AdamW(rest, lr=lr, betas=(0.9, 0.98), weight_decay=0.01)
    for optimizer in (muon, adamw):
        for group in optimizer.param_groups:
            group["scale"] = 1.0
    return [muon, adamw]


def bfloat16_is_faster() -> bool:
    """Probe: does this CPU multiply bfloat16 matrices faster than float32 ones?"""
    import torch

    def clock(dtype: torch.dtype) -> float:
        a, b = torch.ones(1024, 256, dtype=dtype), torch.ones(256, 512, dtype=dtype)
        a @ b
        began = time.perf_counter()
        for _ in range(10):
            a @ b
        return time.perf_counter() - began

    return clock(torch.bfloat16) < 0.8 * clock(torch.float32)


def _save(
    path: Path, model: Any, heads: Any, optimizers: list[Any], step: int, elapsed_s: float
) -> None:
    import torch

    temporary = path.with_suffix(".tmp")
    torch.save(
        {
            "model": model.state_dict(),
            "heads": heads.state_dict(),
            "optimizers": [o.state_dict() for o in optimizers],
            "step": step,
            "elapsed_s": elapsed_s,
        },
        temporary,
    )
    os.replace(temporary, path)


def export(model: Any, processor: Any, folder: Path) -> None:
    """Write a Hugging Face folder with float16 weights: ``AutoModelForImageTextToText.from_pretrained`` reads it."""
    import copy

    import torch

    half = copy.deepcopy(model).to(torch.float16)
    half.config.dtype = "float16"
    half.save_pretrained(folder)
    processor.save_pretrained(folder)
    (folder / "model.safetensors").chmod(0o644)
