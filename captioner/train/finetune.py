"""Fine-tune any ``AutoModelForImageTextToText`` on captions of one kind, as DALL-E 3 did twice from one base.

Betker et al. 2023, "Improving Image Generation with Better Captions", section 2.1: from the same base captioner one
fine-tuning on short captions of the main subject, another on long, highly descriptive ones. So a run here is one kind;
run it twice from the same base. Order, and what little is random, is a function of (data, seed, step): a run that was
killed goes on from its last checkpoint and ends in the same bits on the same machine.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np

from captioner.ask.frames import from_pixels
from captioner.ask.model_note import ModelNote, read_note
from captioner.ask.prefetch import ahead
from captioner.ask.prompts import fill, prompt_set
from captioner.backends.base import Request, model_id
from captioner.backends.embedded import WEIGHTS
from captioner.backends.transformers import end_ids, load_model
from captioner.config import CaptionConfig, check_placeholders
from captioner.train.answers import Answered, answer_ids, answer_loss, encode
from captioner.train.examples import TrainingExample, examples_hash, split
from captioner.train.tuned_model import choose_trained, export, trained, training_mode
from pipeline.bounds import Count, NonNegative, PartShare, Positive, Steps, Whole
from pipeline.groups import DATA, DEVICES, EVALUATION, MODEL, OPTIMISATION, OUTPUT, SCHEDULE
from pipeline.loader.order import epoch_order, n_steps, step_positions
from pipeline.loader.quarantine import Quarantine
from pipeline.training.compute import compute_dtype
from pipeline.training.config import BaseTrainConfig
from pipeline.training.interrupt import Interrupts
from pipeline.training.resume import OTHER_OUT, read_own, refuse_other_settings
from pipeline.training.schedule import cosine, warmup
from pipeline.training.state import (
    add_metrics,
    keep_metrics,
    load_state,
    save_state,
)

if TYPE_CHECKING:
    import torch

STATE_NAME = "state.pt"
MOST_HELD_OUT = 64
"""Clips held out at the most: their loss is taken again and again."""
GREY = 128
"""Value of every pixel that the blind floor sees."""
MAY_CHANGE = {"checkpoint_every", "eval_every", "log_every", "recompute"}
"""Settings that may differ between a checkpoint and the run that resumes it."""

FULL_LR, LORA_LR = 1e-5, 2e-4
"""Usual peak learning rates of models with billions of weights; the embedded captioner takes 1e-3."""
LAST_RATE = 0.1
"""Share of the peak that the learning rate ends at."""

Report = Callable[[dict[str, Any]], None]


@dataclass(frozen=True, kw_only=True)
class TuneConfig(BaseTrainConfig):
    """What a fine-tuning depends on, beside its data."""

    model: Annotated[str, MODEL] = "embedded"
    """Base: embedded, a local folder, or a Hugging Face id of any AutoModelForImageTextToText in the local cache."""
    kind: Annotated[str, DATA] = "dense"
    """Caption kind to learn: short, dense or structured."""
    prompt: Annotated[str | None, DATA] = None
    """Question that the words answer, with {frames} and {seconds}; None: what ``filmstock caption`` asks the base."""
    frames: Annotated[Count, DATA] = 8
    """Frames shown of each clip; caption with as many (caption.frames)."""
    frame_side: Annotated[Count, DATA] = 384
    """Longer side that larger frames are scaled down to, pixels (caption.frame_side)."""
    steps: Annotated[Steps, SCHEDULE] = 500
    batch: Annotated[Count, DATA] = 8
    """Clips per step."""
    micro_batch: Annotated[Count, DEVICES] = 4
    """Clips that go through the model at once: less memory, same result."""
    lr: Annotated[Positive | None, OPTIMISATION] = None
    """Peak learning rate; None: 1e-5, with LoRA 2e-4. After the warm-up half a cosine to a tenth of it."""
    warmup_steps: Annotated[Whole, SCHEDULE] = 15
    weight_decay: Annotated[NonNegative, OPTIMISATION] = 0.0
    lora_rank: Annotated[Whole, MODEL] = 0
    """Rank of LoRA's matrices, such as 16; 0 trains the weights themselves. Needs filmstock[lora]."""
    lora_targets: Annotated[tuple[str, ...], MODEL] = ()
    """Last names of the linear layers that get LoRA, such as q_proj; empty: all but the output layer."""
    train_vision: Annotated[bool, MODEL] = False
    """Train the vision tower too."""
    recompute: Annotated[bool, DEVICES] = False
    """Gradient checkpointing: less memory for a third more time."""
    held_out_share: Annotated[PartShare, EVALUATION] = 0.05
    """Share of the clips, at most 64, that are measured and not learned."""
    checkpoint_every: Annotated[Count, OUTPUT] = 100
    eval_every: Annotated[Count, EVALUATION] = 200
    """Steps between held-out losses."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.prompt is not None:
            check_placeholders(self.kind, self.prompt)
        if self.lora_targets and not self.lora_rank:
            raise ValueError(
                "lora_targets are named but lora_rank is 0; give a rank, such as --lora-rank 16"
            )

    def settled(self) -> TuneConfig:
        """The same with a number for ``lr``."""
        usual = LORA_LR if self.lora_rank else FULL_LR
        return replace(self, lr=usual) if self.lr is None else self


def learning_rate(config: TuneConfig, step: int) -> float:
    """Rate of ``step``: linear warm-up, then half a cosine to a tenth."""
    peak, progress = config.settled().lr or 0.0, step / config.steps
    return peak * warmup(step, progress, config.warmup_steps) * cosine(progress, LAST_RATE)


def finetune(
    config: TuneConfig,
    examples: Sequence[TrainingExample],
    out: Path,
    *,
    resume: bool = False,
    report: Report | None = None,
    stop_after: int | None = None,
) -> dict[str, Any]:
    """Train; write ``state.pt``, ``metrics.jsonl`` and at the end ``weights/`` (and ``adapter/``) to ``out``.

    ``report`` gets every row of metrics. ``stop_after`` ends the run after that many steps of this call, as a kill
    would. Returns the held-out losses at the end, empty when stopped. Raises ValueError for data without a example,
    a model that cannot be had, LoRA targets that it lacks, and a checkpoint of another run.
    """
    if not examples:
        raise ValueError(f"there is no {config.kind} caption to learn from")
    config = config.settled()
    state = read_state(out / STATE_NAME, config, examples) if resume else None
    tuner = Tuner(config, examples, out)
    if state is not None:
        tuner.load(state)
    out.mkdir(parents=True, exist_ok=True)
    keep_metrics(out, tuner.step)
    last = config.steps if stop_after is None else min(config.steps, tuner.step + stop_after)

    def tell(row: dict[str, Any]) -> None:
        add_metrics(out, {"stage": "train-captioner", **row})
        if report is not None:
            report(row)

    if tuner.step == 0:
        tell({"step": 0, **tuner.held_out_losses()})
    began, made = time.monotonic(), 0.0
    evaluated: dict[str, float] = {}
    with Interrupts() as stop:
        for batches in ahead(range(tuner.step, last), tuner.batches, threads=1, depth=2):
            tuner.numbers.append(tuner.learn(batches))
            step, done = tuner.step, tuner.step == config.steps
            made += tuner.numbers[-1]["clips"]
            evaluated = tuner.held_out_losses() if done or step % config.eval_every == 0 else {}
            if done or evaluated or step % config.log_every == 0:
                numbers, seconds = tuner.numbers, max(1e-9, time.monotonic() - began)
                mean = {k: float(np.mean([n[k] for n in numbers])) for k in ("loss", "grad_norm")}
                row = {"step": step, **mean, "lr": numbers[-1]["lr"], "clips_per_s": made / seconds}
                tell({**row, "skipped": tuner.skipped, "unreadable": len(tuner.bad), **evaluated})
                tuner.numbers, began, made = [], time.monotonic(), 0.0
            if done or stop.asked or step % config.checkpoint_every == 0:
                tuner.save(out / STATE_NAME)
            if stop.asked and not done:
                stop.end()
    if tuner.step < config.steps:
        return {}
    figures = evaluated or tuner.held_out_losses()
    export(tuner.model, tuner.processor, out, tuner.note(), tuner.stored_dtype)
    return {"steps": tuner.step, "clips": len(tuner.learned), "skipped": tuner.skipped, **figures}


class Tuner:
    """Model, optimizer and data of a run, and one step of it."""

    def __init__(self, config: TuneConfig, examples: Sequence[TrainingExample], out: Path) -> None:
        from pipeline.training.optim import Group, Optimizer

        self.config = config
        self.processor, base = load_model(config.model)
        self.ends = end_ids(base, self.processor.tokenizer)
        self.stored_dtype = stored_dtype(config.model)
        self.prompts = prompt_set(
            config.model, {config.kind: config.prompt} if config.prompt else None
        )
        self.base_id = base_of(config)
        self.model = choose_trained(
            base,
            lora=config.lora_rank,
            targets=config.lora_targets,
            train_vision=config.train_vision,
            seed=config.seed,
        )
        if config.recompute:
            self.model.gradient_checkpointing_enable({"use_reentrant": False})
            self.model.enable_input_require_grads()
        self.device = next(self.model.parameters()).device
        self.compute = compute_dtype(config.precision, str(self.device))
        self.parameters = trained(self.model)
        group = Group(params=list(self.parameters.values()), weight_decay=config.weight_decay)
        self.optimizer = Optimizer([group], optimizer="adamw")
        self.learned, self.held = split(examples, config.held_out_share, MOST_HELD_OUT)
        if not self.learned:
            raise ValueError(
                f"all {len(examples)} clips are held out; lower held_out_share ({config.held_out_share})"
            )
        self.data = examples_hash(examples)
        fill(
            self.prompts[config.kind], frames=1, seconds=1.0
        )  # refuses placeholders we do not know
        # Eight bad clips are tolerated, but not all of a small set.
        self.bad = Quarantine(
            out / "quarantine.jsonl", len(examples), floor=min(8, len(examples) - 1)
        )
        self.step = self.skipped = 0
        self.numbers: list[dict[str, float]] = []
        """Figures of the steps since the last line of metrics."""

    def question(self, example: TrainingExample, blind: bool = False) -> Request:
        """What is asked about a clip, as ``filmstock caption`` asks it; ``blind``: over grey frames."""
        shown = example.frames(self.config.frames, self.config.frame_side)
        if blind:
            shown = from_pixels(np.full_like(shown.images, GREY), shown.seconds)
        prompt = fill(self.prompts[self.config.kind], frames=len(shown), seconds=shown.seconds)
        return Request(clip_id=example.clip_id, kind=self.config.kind, frames=shown, prompt=prompt)

    def encoded(self, examples: Sequence[TrainingExample], blind: bool = False) -> list[Answered]:
        """Lessons as micro-batches; a clip that cannot be read or taught is put in quarantine and left out."""
        rows = []
        for example in examples:
            try:
                request = self.question(example, blind)
                rows.append((request, answer_ids(self.processor, request, example.text, self.ends)))
            except (ConnectionError, PermissionError):
                raise  # the clip may be as good as ever; the run goes on later
            except Exception as error:  # noqa: BLE001 - whatever a decoder raises belongs to its clip
                self.bad.add(example.clip_id, error)
        size = self.config.micro_batch
        return [encode(self.processor, rows[i : i + size]) for i in range(0, len(rows), size)]

    def batches(self, step: int) -> list[Answered]:
        """The micro-batches of a step: a pure function of data, seed and step."""
        count, size = len(self.learned), self.config.batch
        epoch, place = divmod(step, n_steps(count, size))
        order = epoch_order(count, self.data, self.config.seed, epoch)
        picks = [order[i] for i in step_positions(place, count, size, 0, 1)]
        return self.encoded([self.learned[i] for i in picks])

    def learn(self, batches: list[Answered]) -> dict[str, float]:
        """One optimizer step on the mean loss of all answer tokens, nats; a gradient that is not finite is skipped."""
        import torch

        training_mode(self.model)
        torch.manual_seed(
            (self.config.seed << 32) + self.step
        )  # of dropout, where a model has some
        total = sum(batch.n_tokens for batch in batches)
        value = 0.0
        for batch in batches:
            loss = self.loss(batch) / total
            loss.backward()
            value += loss.item()
        norm = float(
            torch.nn.utils.clip_grad_norm_(self.parameters.values(), self.config.grad_clip)
        )
        rate = learning_rate(self.config, self.step)
        if math.isfinite(norm) and batches:
            self.optimizer.step(rate)
        else:
            self.optimizer.zero_grad()
            self.skipped += 1
        self.step += 1
        rows = sum(len(batch.starts) for batch in batches)
        return {"loss": value, "grad_norm": norm, "lr": rate, "clips": float(rows)}

    def loss(self, batch: Answered) -> torch.Tensor:
        """Summed loss of a batch in the run's number format."""
        import torch

        low = self.compute is torch.bfloat16
        with torch.autocast(self.device.type, torch.bfloat16, enabled=low):
            return answer_loss(self.model, batch)

    def held_out_losses(self) -> dict[str, float]:
        """Mean loss of held-out answer tokens, nats, and the same over grey frames: what words alone can guess."""
        import torch

        self.model.eval()
        found = {}
        with torch.no_grad():
            for name, blind in (("held_out", False), ("held_out_blind", True)):
                total = tokens = 0.0
                for i in range(0, len(self.held), self.config.micro_batch):
                    for batch in self.encoded(self.held[i : i + self.config.micro_batch], blind):
                        total, tokens = total + float(self.loss(batch)), tokens + batch.n_tokens
                if tokens:
                    found[name] = total / tokens
        return found

    def note(self) -> ModelNote:
        """How the result wants to be asked."""
        config, before = self.config, read_note(self.config.model)
        pil = config.model == "embedded" or (before is not None and before.image_backend == "pil")
        return ModelNote(
            prompts=self.prompts,
            kind=config.kind,
            frames=config.frames,
            frame_side=config.frame_side,
            image_backend="pil" if pil else None,
            base=self.base_id,
        )

    def save(self, path: Path) -> None:
        """Everything a resumed run needs, atomically; frozen weights are the base's and are not written."""
        state = {
            "train_config": asdict(self.config),
            "base": self.base_id,
            "data": self.data,
            "parameters": {name: p.detach() for name, p in self.parameters.items()},
            "optimizer": self.optimizer.state_dict(),
            "compute": str(self.compute)[6:],
            "step": self.step,
            "skipped": self.skipped,
            "numbers": self.numbers,
        }
        save_state(path, state)

    def load(self, state: dict[str, Any]) -> None:
        """Go on from a checkpoint of ``read_state``."""
        import torch

        with torch.no_grad():
            for name, parameter in self.parameters.items():
                parameter.copy_(state["parameters"][name])
        self.optimizer.load_state_dict(state["optimizer"])
        self.step, self.skipped = state["step"], state["skipped"]
        self.numbers = list(state["numbers"])
        self.compute = getattr(torch, state["compute"])


def base_of(config: TuneConfig) -> str:
    """Name of the base, for a folder with a hash of its files."""
    return model_id(CaptionConfig(model=config.model))


def read_state(
    path: Path,
    config: TuneConfig,
    examples: Sequence[TrainingExample],
    read: Callable[[Path], dict[str, Any]] = load_state,
) -> dict[str, Any] | None:
    """The checkpoint at ``path``, None where there is none.

    ``read`` is ``load_state``, or ``read_facts`` where its plain values will do. Raises ValueError when it is of
    another base, of other data, or with other settings, each by name.
    """
    state = read_own(path, "train-captioner", read, holds=("train_config", "base"))
    if state is None:
        return None
    if state["base"] != (base := base_of(config)):
        raise ValueError(
            f"{path} was begun with {state['base']}, this run with {base}; {OTHER_OUT}"
        )
    if state["data"] != examples_hash(examples):
        raise ValueError(f"{path} was trained on other clips or captions; {OTHER_OUT}")
    wanted = asdict(config.settled())
    refuse_other_settings(state["train_config"], wanted, path=path, may_change=MAY_CHANGE)
    return state


def stored_dtype(name: str) -> Any:
    """Number format that the base's weights are stored in, None where its config does not say."""
    from transformers import AutoConfig

    source = str(WEIGHTS) if name == "embedded" else str(Path(name).expanduser())
    source = source if Path(source).is_dir() else name
    return AutoConfig.from_pretrained(source, local_files_only=True).dtype
