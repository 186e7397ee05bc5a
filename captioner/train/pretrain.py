"""Train the embedded captioner on the synthetic world, in phases, on one CPU core.

*see*: vision tower and projector learn each frame's exact truth through auxiliary heads; no language model.
*tell*: the language model learns captions over the frozen tower's tokens.
*both*: everything together, caption loss and auxiliary loss.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np

from captioner.backends import embedded
from captioner.train.evaluate import evaluate
from captioner.train.optim import parameter_groups
from captioner.train.reply_loss import caption_loss, tokenizer_texts, visual_tokens
from captioner.train.world_data import FRAMES, Example, WorldPool, augment
from pipeline.bounds import Count, NonNegative, Positive, Seed, Share, Steps, check_bounds
from pipeline.groups import DATA, DEVICES, EVALUATION, OPTIMISATION, OUTPUT, SCHEDULE
from pipeline.training.compute import compute_dtype
from pipeline.training.config import OptimizerName, Precision
from pipeline.training.interrupt import Interrupts
from pipeline.training.resume import read_own, refuse_other_settings
from pipeline.training.schedule import cosine
from pipeline.training.state import (
    add_metrics,
    keep_metrics,
    load_state,
    save_state,
)

if TYPE_CHECKING:
    import torch

log = logging.getLogger(__name__)

AUXILIARY_SHARE = 0.3
"""Weight of the auxiliary loss beside the captions'."""
TOLD_SHARE = 0.5
"""Weight of what the decoder should know frame by frame, beside the captions' loss."""
WARM_SHARE, LAST_RATE = 0.04, 0.05
"""Share of a phase over which the rate rises, and share of its peak that it ends at."""
PHASES = ("see", "tell", "both")
STATE_NAME = "state.pt"
MAY_CHANGE = {"minutes", "checkpoint_every", "eval_every", "log_every"}
"""Settings that may differ between a checkpoint and the run that goes on from it."""


@dataclass(frozen=True, kw_only=True)
class TrainConfig:
    """What the training of the embedded captioner depends on; it ends at the first of its two limits."""

    minutes: Annotated[Positive | None, SCHEDULE] = 60.0
    """Most minutes of one core's time, over all resumes; None for no limit. More minutes prolong the last phases."""
    steps: Annotated[Steps | None, SCHEDULE] = None
    """Most optimizer steps; with this limit and --minutes None a run is reproducible to the bit on one machine."""
    pool: Annotated[Count, DATA] = 8000
    """Scenes rendered to train on; each is also shown mirrored, upside down and backwards."""
    batch: Annotated[Count, DATA] = 12
    """Scenes per step."""
    lr: Annotated[Positive, OPTIMISATION] = 2e-3
    """Peak learning rate of each phase."""
    optimizer: Annotated[OptimizerName, OPTIMISATION] = "muon"
    """muon (matrices of the two transformers by Muon, the rest by AdamW) or adamw."""
    weight_decay: Annotated[NonNegative, OPTIMISATION] = 0.02
    """Decoupled decay of the matrices, per unit of learning rate; the rest gets half of it."""
    grad_clip: Annotated[Positive, OPTIMISATION] = 1.0
    """Largest norm of the gradient; a larger one is scaled down to it."""
    precision: Annotated[Precision, DEVICES] = "auto"
    """Matrix products in fp32, bf16, or auto: bf16 where this machine has instructions for it."""
    seed: Annotated[Seed, OPTIMISATION] = 0
    """Seed of weights, order and augmentation."""
    phases: Annotated[tuple[tuple[str, float], ...], SCHEDULE] = (
        ("see", 0.4),
        ("tell", 0.1),
        ("both", 0.5),
    )
    """Phases in order, each with its share of the run."""
    see_frames: Annotated[Count, DATA] = 2
    """Consecutive frames of each scene shown in phase ``see``: fewer frames, more scenes."""
    see_batch: Annotated[Count, DATA] = 32
    """Scenes per step in phase ``see``."""
    short_share: Annotated[Share, DATA] = 0.2
    """Share of examples that ask for the short caption."""
    still_share: Annotated[Share, DATA] = 0.04
    """Share of examples that show a single frame."""
    checkpoint_every: Annotated[Count, OUTPUT] = 500
    """Steps between checkpoints."""
    eval_every: Annotated[Count, EVALUATION] = 500
    """Steps between held-out scores, once the language model learns."""
    log_every: Annotated[Count, OUTPUT] = 50
    """Steps between lines of metrics.jsonl."""

    def __post_init__(self) -> None:
        check_bounds(self)
        for name, share in self.phases:
            if name not in PHASES or not 0 < share <= 1:
                raise ValueError(
                    f"phases has {name} {share}; use {', '.join(PHASES)}, each with a share above 0"
                )
        if self.minutes is None and self.steps is None:
            raise ValueError("training needs a limit; give --minutes, --steps or both")


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
    return peak * min(1.0, progress / WARM_SHARE) * cosine(progress, LAST_RATE)


def train(
    config: TrainConfig,
    out_dir: Path,
    *,
    resume: bool = False,
    note: Callable[[dict[str, Any]], None] | None = None,
) -> dict[str, Any]:
    """Run or resume the training; writes ``state.pt``, ``metrics.jsonl`` and the exported ``weights/``.

    ``note`` is given a copy of each row of metrics. Raises ValueError for a checkpoint that is there without
    ``resume``, or of other settings. Ctrl-C ends the run after the step in hand, with a checkpoint.
    """
    path = out_dir / STATE_NAME
    if path.exists() and not resume:
        raise ValueError(f"{out_dir} already holds a training; resume it or choose another folder")
    state = read_state(path, config)
    out_dir.mkdir(parents=True, exist_ok=True)
    trainer = Trainer(config, out_dir)
    if state is not None:
        trainer.load(state)
    keep_metrics(out_dir, trainer.step)

    def tell(row: dict[str, Any]) -> None:
        log.info("%s", row)
        add_metrics(out_dir, row)
        if note is not None:
            note(dict(row))

    began = time.process_time() - trainer.elapsed_s
    with Interrupts() as stop:
        while (progress := trainer.progress()) < 1:
            phase, within = phase_of(config, progress)
            trainer.learn(phase, within)
            trainer.elapsed_s = time.process_time() - began
            if trainer.step % config.log_every == 0:
                tell(trainer.metrics(phase))
            if trainer.step % config.eval_every == 0 and phase != "see":
                trainer.export(out_dir / "weights")
                tell(trainer.held_out(48))
            if stop.asked or trainer.step % config.checkpoint_every == 0:
                trainer.save(path)
            if stop.asked:
                stop.end()
    trainer.save(path)
    trainer.export(out_dir / "weights")
    result = {"elapsed_s": trainer.elapsed_s, **trainer.held_out(96), "steps": trainer.step}
    add_metrics(out_dir, result | {"config": asdict(config)})
    return result


def read_state(
    path: Path, config: TrainConfig, read: Callable[[Path], dict[str, Any]] = load_state
) -> dict[str, Any] | None:
    """The checkpoint at ``path``, None where there is none; ValueError when it is of other settings.

    ``read`` is ``load_state``, or ``read_facts`` where its plain values will do.
    """
    state = read_own(path, "pretrain-captioner", read)
    if state is not None:
        trained, wanted = state["train_config"], asdict(config)
        refuse_other_settings(trained, wanted, path=path, may_change=MAY_CHANGE)
    return state


class Trainer:
    """Model, heads and optimizer, and one step of each phase."""

    def __init__(self, config: TrainConfig, out_dir: Path) -> None:
        import torch

        from captioner.train.auxiliary import AuxiliaryHeads
        from pipeline.training.optim import Optimizer

        torch.manual_seed(config.seed)
        self.config = config
        self.tokenizer = embedded.build_tokenizer(tokenizer_texts())
        self.processor = embedded.build_processor(self.tokenizer)
        self.model = embedded.build_model(self.tokenizer)
        # On a CPU the fused attention's backward takes twice as long as plain matrix products at these sizes.
        self.model.set_attn_implementation("eager")
        self.heads = AuxiliaryHeads(self.model.config.text_config.hidden_size, FRAMES)
        groups = parameter_groups(self.model, self.heads, config.weight_decay)
        self.trained = [p for group in groups for p in group.params]
        self.optimizer = Optimizer(groups, optimizer=config.optimizer)
        self.pool = WorldPool(out_dir / "pool", config.pool)
        for index in range(config.pool):  # rendered before any training time is counted
            self.pool[index]
        self.compute = compute_dtype(config.precision)
        self.step, self.elapsed_s = 0, 0.0
        self._recent: dict[str, list[float]] = {}

    def progress(self) -> float:
        """Share of the run that is over, by steps or by time, whichever is further."""
        by_step = self.step / self.config.steps if self.config.steps else 0.0
        by_time = self.elapsed_s / 60 / self.config.minutes if self.config.minutes else 0.0
        return max(by_step, by_time)

    def learn(self, phase: str, within: float) -> None:
        """One optimizer step of ``phase``, at ``within`` [0, 1] of it."""
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
        with torch.autocast("cpu", torch.bfloat16, enabled=self.compute is torch.bfloat16):
            loss = self._loss(phase, examples, rng)
        loss.backward()
        used = [p for p in self.trained if p.grad is not None]
        torch.nn.utils.clip_grad_norm_(used, config.grad_clip)
        self.optimizer.step(learning_rate(config, phase, within))
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
        save_state(
            path,
            {
                "train_config": asdict(self.config),
                "model": self.model.state_dict(),
                "heads": self.heads.state_dict(),
                "optimizer": self.optimizer.state_dict(),
                "compute": str(self.compute)[6:],
                "step": self.step,
                "elapsed_s": self.elapsed_s,
                "recent": self._recent,
            },
        )

    def load(self, state: dict[str, Any]) -> None:
        """Go on from a checkpoint of ``read_state``."""
        import torch

        self.model.load_state_dict(state["model"])
        self.heads.load_state_dict(state["heads"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.step, self.elapsed_s = state["step"], state["elapsed_s"]
        self.compute = getattr(torch, state["compute"])
        self._recent = {name: list(values) for name, values in state["recent"].items()}


def _picks(config: TrainConfig, step: int, batch: int) -> np.ndarray:
    """Scenes of a step: consecutive slices of one permutation per epoch, a pure function of seed and step."""
    epoch, place = divmod(step, config.pool // batch)
    order = np.random.default_rng([config.seed, 7, epoch]).permutation(config.pool)
    return order[place * batch : (place + 1) * batch]


def _first_frame(example: Example) -> Example:
    return replace(example, images=example.images[:1], seconds=0.1, times_s=example.times_s[:1])
