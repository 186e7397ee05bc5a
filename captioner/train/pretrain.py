"""Train the embedded captioner on the synthetic world, in phases, on one CPU core.

*see*: vision tower and projector learn each frame's exact truth through auxiliary heads; no language model.
*tell*: the language model learns captions over the frozen tower's tokens.
*both*: everything together, caption loss and auxiliary loss.
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

from captioner.backends import embedded
from captioner.train.evaluate import evaluate
from captioner.train.optim import make_optimizers
from captioner.train.reply_loss import caption_loss, tokenizer_texts, visual_tokens
from captioner.train.world_data import FRAMES, Example, WorldPool, augment
from pipeline.training.compute import bf16_is_faster

if TYPE_CHECKING:
    import torch

log = logging.getLogger(__name__)

AUXILIARY_SHARE = 0.3
"""Weight of the auxiliary loss beside the captions'."""
TOLD_SHARE = 0.5
"""Weight of what the decoder should know frame by frame, beside the captions' loss."""
LOG_S = 20.0
"""Seconds between rows of metrics."""


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
    phases: tuple[tuple[str, float], ...] = (("see", 0.4), ("tell", 0.1), ("both", 0.5))
    """Phases in order, each with its share of the run."""
    see_frames: int = 2
    """Consecutive frames of each scene shown in phase ``see``: fewer frames, more scenes."""
    see_batch: int = 32
    """Scenes per step in phase ``see``."""
    short_share: float = 0.2
    """Share of examples that ask for the short caption."""
    still_share: float = 0.04
    """Share of examples that show a single frame."""
    save_minutes: float = 5.0
    """Minutes between checkpoints."""


def phase_of(config: TrainConfig, progress: float) -> tuple[str, float]:
    """Phase at ``progress`` in [0, 1] of the run, and progress within the phase."""
    start = 0.0
    for name, share in config.phases:
        if progress < start + share:
            return name, (progress - start) / share
        start += share
    return config.phases[-1][0], 1.0


def learning_rate(config: TrainConfig, phase: str, progress: float) -> float:
    """Warm-up over the first 4 % of a phase, then cosine to 5 % of the peak; ``both`` peaks lower."""
    peak = config.lr * (0.4 if phase == "both" else 1.0)
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
    if unknown := {name for name, _ in config.phases} - {"see", "tell", "both"}:
        raise ValueError(f"training phases {sorted(unknown)} are unknown; use see, tell and both")
    if config.minutes is None and config.steps is None:
        raise ValueError("training needs a limit; give minutes, steps or both")
    out_dir.mkdir(parents=True, exist_ok=True)
    state_path = out_dir / "state.pt"
    if state_path.exists() and not resume:
        raise ValueError(
            f"{out_dir} already holds a training; pass --resume or choose another folder"
        )
    trainer = Trainer(config, out_dir)
    if state_path.exists():
        trainer.load(state_path)
    began = time.process_time() - trainer.elapsed_s
    last_save = last_log = time.monotonic()
    with (out_dir / "metrics.jsonl").open("a") as metrics:
        while (progress := trainer.progress()) < 1:
            phase, within = phase_of(config, progress)
            trainer.learn(phase, within)
            trainer.elapsed_s = time.process_time() - began
            now = time.monotonic()
            if now - last_log > LOG_S:
                _tell(trainer.metrics(phase), metrics, note)
                last_log = now
            if now - last_save > 60 * config.save_minutes:
                trainer.save(state_path)
                if phase != "see":
                    trainer.export(out_dir / "weights")
                    _tell(trainer.held_out(48), metrics, note)
                last_save = time.monotonic()
        trainer.save(state_path)
        trainer.export(out_dir / "weights")
        result = {"elapsed_s": trainer.elapsed_s, **trainer.held_out(96), "steps": trainer.step}
        print(json.dumps(result | {"config": asdict(config)}), file=metrics, flush=True)
    return result


class Trainer:
    """Model, heads and optimisers, and one step of each phase."""

    def __init__(self, config: TrainConfig, out_dir: Path) -> None:
        import torch

        from captioner.train.auxiliary import AuxiliaryHeads

        torch.manual_seed(config.seed)
        self.config = config
        self.tokenizer = embedded.build_tokenizer(tokenizer_texts())
        self.processor = embedded.build_processor(self.tokenizer)
        self.model = embedded.build_model(self.tokenizer)
        # On a CPU the fused attention's backward takes twice as long as plain matrix products at these sizes.
        self.model.set_attn_implementation("eager")
        self.heads = AuxiliaryHeads(self.model.config.text_config.hidden_size, FRAMES)
        self.optimizers = make_optimizers(self.model, self.heads, config.lr)
        self.pool = WorldPool(out_dir / "pool", config.pool)
        for index in range(config.pool):  # rendered before any training time is counted
            self.pool[index]
        self.low_precision = bf16_is_faster()
        self.step, self.elapsed_s = 0, 0.0
        self._recent: dict[str, list[float]] = {}

    def progress(self) -> float:
        """Share of the run that is over, by steps or by time, whichever is further."""
        by_step = self.step / self.config.steps if self.config.steps else 0.0
        by_time = self.elapsed_s / 60 / self.config.minutes if self.config.minutes else 0.0
        return max(by_step, by_time)

    def learn(self, phase: str, within: float) -> None:
        """One optimiser step of ``phase``, at ``within`` [0, 1] of it."""
        import torch

        config = self.config
        self.model.train()
        if (
            phase != "see"
        ):  # from here on the tower's batch statistics are those that it will serve with
            self.model.model.vision_tower.eval()
        rng = np.random.default_rng([config.seed, self.step])
        picks = _picks(config, self.step, config.see_batch if phase == "see" else config.batch)
        first = int(rng.integers(FRAMES - config.see_frames + 1))
        window = range(first, first + config.see_frames) if phase == "see" else range(FRAMES)
        examples = [augment(self.pool[int(i)], rng, window) for i in picks]
        for optimizer in self.optimizers:
            for group in optimizer.param_groups:
                group["lr"] = learning_rate(config, phase, within)
        with torch.autocast("cpu", torch.bfloat16, enabled=self.low_precision):
            loss = self._loss(phase, examples, rng)
        loss.backward()
        trained = [p for o in self.optimizers for g in o.param_groups for p in g["params"]]
        torch.nn.utils.clip_grad_norm_([p for p in trained if p.grad is not None], 1.0)
        for optimizer in self.optimizers:
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
        self.step += 1

    def _loss(self, phase: str, examples: list[Example], rng: np.random.Generator) -> torch.Tensor:
        import torch

        from captioner.train.auxiliary import auxiliary_loss, targets

        with torch.set_grad_enabled(phase != "tell"):
            seen = visual_tokens(self.model, np.concatenate([e.images for e in examples]))
            seen = seen.view(len(examples), -1, *seen.shape[1:])
        loss = torch.zeros(())
        true = targets(examples)
        if phase != "tell":
            auxiliary, right = auxiliary_loss(self.heads(seen), true)
            loss = loss + auxiliary * (1.0 if phase == "see" else AUXILIARY_SHARE)
            self._note(right)
        if phase != "see":
            loss = loss + self._told(examples, list(seen), true, rng)
        return loss

    def _told(
        self,
        examples: list[Example],
        tokens: list[torch.Tensor],
        true: dict[str, torch.Tensor],
        rng: np.random.Generator,
    ) -> torch.Tensor:
        """Loss of the captions, and of what the decoder should know frame by frame."""
        import torch

        kinds = ["short" if rng.random() < self.config.short_share else "dense" for _ in examples]
        whole = torch.from_numpy(rng.random(len(examples)) >= self.config.still_share)
        whole[0] = True
        shown = list(examples)
        for i in (~whole).nonzero()[:, 0].tolist():
            shown[i], tokens[i] = _first_frame(examples[i]), tokens[i][:1]
        captions, states = caption_loss(self.model, self.tokenizer, shown, kinds, tokens)
        told, right = self.heads.told_loss(states, true, whole)
        self._note({"caption_loss": captions.item(), **right})
        return captions + TOLD_SHARE * told

    def _note(self, values: dict[str, float]) -> None:
        for name, value in values.items():
            self._recent.setdefault(name, []).append(value)

    def metrics(self, phase: str) -> dict[str, Any]:
        """Means since the last call."""
        row: dict[str, Any] = {k: round(float(np.mean(v)), 4) for k, v in self._recent.items()}
        self._recent = {}
        return row | {"phase": phase, **self._place()}

    def held_out(self, count: int) -> dict[str, Any]:
        """Scores of ``count`` held-out scenes."""
        self.model.eval()
        return self._place() | evaluate(self.model, self.processor, count=count)

    def _place(self) -> dict[str, Any]:
        return {
            "step": self.step,
            "progress": round(self.progress(), 4),
            "elapsed_s": round(self.elapsed_s),
        }

    def export(self, folder: Path) -> None:
        """Write the model as it stands."""
        embedded.export(self.model, self.processor, folder)

    def save(self, path: Path) -> None:
        """Everything a resumed run needs, atomically."""
        import torch

        temporary = path.with_suffix(".tmp")
        torch.save(
            {
                "model": self.model.state_dict(),
                "heads": self.heads.state_dict(),
                "optimizers": [o.state_dict() for o in self.optimizers],
                "step": self.step,
                "elapsed_s": self.elapsed_s,
                "low_precision": self.low_precision,
            },
            temporary,
        )
        os.replace(temporary, path)

    def load(self, path: Path) -> None:
        """Go on from a saved state."""
        import torch

        state = torch.load(path, weights_only=True)
        self.model.load_state_dict(state["model"])
        self.heads.load_state_dict(state["heads"])
        for optimizer, saved in zip(self.optimizers, state["optimizers"], strict=True):
            optimizer.load_state_dict(saved)
        self.step, self.elapsed_s = state["step"], state["elapsed_s"]
        # The probe is a clock: asked again on a busy machine it may say otherwise.
        self.low_precision = state["low_precision"]


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
