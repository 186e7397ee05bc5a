"""The training loop: packs in, checkpoints, metrics and ``dit.safetensors`` out. Plain PyTorch, one or many processes.

Loss: the mean over all supervised tokens of a step (or clips, see ``TrainConfig.loss_unit``), over every pack and
process, of the squared velocity error per number. One pack, several packs, or several processes with the same packs
give the same gradient.
"""

from __future__ import annotations

import dataclasses
import logging
import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist

from dit.checkpoint import STATE_NAME, WEIGHTS_NAME, load_state, save_dit, save_state
from dit.compute import compute_dtype
from dit.config import DiTConfig, TrainConfig
from dit.data import TrainingPacks, generator_for, make_batch
from dit.ema import Ema
from dit.flow import zero_loss
from dit.heldout import held_out_loss, pack_loss
from dit.metrics import Window, write_metrics
from dit.model import DiT
from dit.optim import Optimizer, learning_rate
from pipeline.shards.order import LoaderState

log = logging.getLogger(__name__)

MAY_CHANGE = {
    "steps",
    "minutes",
    "checkpoint_every",
    "eval_every",
    "sample_every",
    "log_every",
    "compile",
    "recompute",
}
"""Settings that may differ between a checkpoint and the run that resumes it."""

Report = Callable[[dict[str, Any]], None]


@dataclass(kw_only=True)
class Run:
    """Everything that changes while training."""

    model: DiT
    optimizer: Optimizer
    ema: Ema
    cursor: LoaderState
    """Next global step of the data."""
    compute: torch.dtype = torch.float32
    """Format of the matrix products; kept over resumes, since the probe is a clock and may answer otherwise."""
    step: int = 0
    elapsed_s: float = 0.0
    skipped: int = 0
    """Steps not taken because the gradient was not finite."""
    held_out: dict[str, float] = field(default_factory=dict)
    """Latest held-out losses."""
    started_from: str = ""
    """Id of the weights that the run began with; empty for random ones."""


def start_run(
    model_config: DiTConfig,
    config: TrainConfig,
    data: TrainingPacks,
    *,
    initial: Mapping[str, torch.Tensor] | None = None,
) -> Run:
    """Fresh weights from ``config.seed``, or ``initial`` ones with a fresh optimiser."""
    with torch.random.fork_rng():
        torch.manual_seed(config.seed)
        model = DiT(model_config)
    if initial is not None:
        model.load_state_dict(dict(initial))
    return Run(
        model=model,
        optimizer=Optimizer(model, config),
        ema=Ema(model, config.ema_decay),
        cursor=data.state,
    )


def run_state(run: Run, config: TrainConfig, data: TrainingPacks) -> dict[str, Any]:
    """Self-contained state: ``restore`` continues bit for bit (randomness is a function of seed and step)."""
    return {
        "model_config": run.model.config.to_dict(),
        "train_config": dataclasses.asdict(config),
        "latents": data.spec().to_dict(),
        "mix": dataclasses.asdict(data.mix),
        "model": run.model.state_dict(),
        "optimizer": run.optimizer.state_dict(),
        "ema": run.ema.state_dict(),
        "cursor": run.cursor.to_dict(),
        "compute": str(run.compute)[6:],
        "step": run.step,
        "elapsed_s": run.elapsed_s,
        "skipped": run.skipped,
        "held_out": dict(run.held_out),
        "started_from": run.started_from,
    }


def restore(run: Run, state: dict[str, Any], config: TrainConfig, data: TrainingPacks) -> None:
    """Continue from a saved state; refuses one of another model, of other latents, or with other settings."""
    if state["model_config"] != run.model.config.to_dict():
        raise ValueError(
            "the checkpoint holds a model of another size; resume with the same settings"
        )
    if state["latents"] != data.spec().to_dict():
        raise ValueError(
            "the latents were made by another VAE or text encoder than the checkpoint's"
        )
    if state["mix"] != (mix := dataclasses.asdict(data.mix)):
        raise ValueError(
            f"the checkpoint was trained with captions mixed as {state['mix']}, this run has {mix}; "
            "resume with the same, or start a new run with --init"
        )
    for name, value in dataclasses.asdict(config).items():
        if name not in MAY_CHANGE and state["train_config"].get(name) != value:
            raise ValueError(
                f"the checkpoint was trained with {name} = {state['train_config'].get(name)!r}, this run "
                f"has {value!r}; resume with the same, or start a new run with --init"
            )
    run.model.load_state_dict(state["model"])
    run.optimizer.load_state_dict(state["optimizer"])
    run.ema.load_state_dict(state["ema"])
    run.compute = getattr(torch, state["compute"])
    run.cursor = LoaderState.from_dict(state["cursor"])
    data.seek(run.cursor)
    run.step, run.elapsed_s = int(state["step"]), float(state["elapsed_s"])
    run.skipped, run.held_out = int(state["skipped"]), dict(state["held_out"])
    run.started_from = state["started_from"]


def all_sum(values: list[float]) -> list[float]:
    """Sums over all processes."""
    if not (dist.is_available() and dist.is_initialized()):
        return values
    tensor = torch.tensor(values, dtype=torch.float64)
    dist.all_reduce(tensor)
    return tensor.tolist()


def reduce_gradients(model: DiT) -> None:
    """Sum the gradients of all processes, in place.

    A weight that no clip of this step used (the null caption, say) gets a zero gradient rather than none: the
    optimiser treats the two differently, and which processes used it must not matter.
    """
    together = dist.is_available() and dist.is_initialized()
    for parameter in model.parameters():
        if parameter.grad is None:
            parameter.grad = torch.zeros_like(parameter)
        if together:
            dist.all_reduce(parameter.grad)


def progress_of(run: Run, config: TrainConfig) -> float:
    """Share of the run that is done, 0 to 1: by time when it has a time budget, else by steps."""
    if config.minutes is not None:
        return min(1.0, run.elapsed_s / (60 * config.minutes))
    return min(1.0, run.step / max(1, config.steps))


def train_step(run: Run, config: TrainConfig, data: TrainingPacks) -> dict[str, float]:
    """One optimiser step over this process's packs; returns its numbers."""
    rank = dist.get_rank() if dist.is_available() and dist.is_initialized() else 0
    world = dist.get_world_size() if dist.is_available() and dist.is_initialized() else 1
    step = data.at(run.cursor)
    batches = [
        make_batch(
            pack,
            data.spec(),
            run.model.config,
            config,
            generator_for(config.seed, run.step, rank + world * i),
        )
        for i, pack in enumerate(step.units)
    ]
    weight = sum(float(batch.weight.sum()) for batch in batches)
    (total,) = all_sum([weight])
    value = 0.0
    for batch in batches:
        loss = pack_loss(run.model, batch) / max(total, 1e-9)
        loss.backward()
        value += float(loss.detach())
    reduce_gradients(run.model)
    value, clips = all_sum([value, float(sum(b.layout.n_clips for b in batches))])
    norm = float(torch.nn.utils.clip_grad_norm_(run.model.parameters(), config.grad_clip))
    rate = learning_rate(progress_of(run, config), run.step, config)
    if math.isfinite(norm) and math.isfinite(value):
        run.optimizer.step(rate)
        run.ema.update(run.model)
    else:
        run.optimizer.zero_grad()
        run.skipped += 1
        log.warning("step %d skipped: loss %s, gradient norm %s", run.step, value, norm)
    run.step += 1
    run.cursor = step.state
    slots = data.token_budget * config.packs_per_step
    return {
        "loss": value,
        "grad_norm": norm,
        "lr": rate,
        "tokens": float(step.n_tokens),
        "clips": clips,
        "waste": 1 - step.n_tokens / slots,
    }


def train(
    model_config: DiTConfig,
    config: TrainConfig,
    data: TrainingPacks,
    out: str | Path,
    *,
    resume: bool = False,
    initial: Mapping[str, torch.Tensor] | None = None,
    started_from: str = "",
    report: Report | None = None,
    on_sample: Callable[[int, DiT], None] | None = None,
    stop_after: int | None = None,
) -> Run:
    """Train, and write ``state.pt``, ``metrics.jsonl`` and ``dit.safetensors`` to ``out``.

    ``initial`` are weights to begin with, ``started_from`` their id, for the record.
    ``report`` gets the numbers of every logged step; ``on_sample(step, averaged_model)`` draws pictures;
    ``stop_after`` ends the run early after that many steps of this call, as a kill would.
    """
    out = Path(out)
    out.mkdir(parents=True, exist_ok=True)
    leader = not (dist.is_available() and dist.is_initialized()) or dist.get_rank() == 0
    run = start_run(model_config, config, data, initial=initial)
    run.started_from = started_from
    run.compute = compute_dtype(config)
    state_file = out / STATE_NAME
    if resume and state_file.exists():
        restore(run, load_state(state_file), config, data)
    run.model.set_compute(run.compute)
    run.ema.model.set_compute(run.compute)
    run.model.checkpoint_blocks = config.recompute
    if config.compile:
        run.model.compile_blocks()
    held = data.held_out_packs()
    start = zero_loss(1.0) if model_config.path == "flow" else 1.0  # latents have unit scale
    log.info("a model that predicts zero has loss %.2f", start)
    began, done_before, window = time.monotonic(), run.elapsed_s, Window()
    start_step = run.step
    while progress_of(run, config) < 1:
        numbers = train_step(run, config, data)
        run.elapsed_s = _agreed(done_before + time.monotonic() - began)
        window.add(numbers)
        last = progress_of(run, config) >= 1
        if leader and held and (run.step % config.eval_every == 0 or last):
            run.held_out = held_out_loss(run.ema.model, held, data, config)
        if leader and (run.step % config.log_every == 0 or last):
            row: dict[str, Any] = {"step": run.step, "epoch": run.cursor.epoch}
            row.update(window.row() | run.held_out)
            row.update(
                elapsed_s=round(run.elapsed_s, 3), skipped=run.skipped, compute=str(run.compute)[6:]
            )
            row["progress"] = progress_of(run, config)
            write_metrics(out, row)
            window = Window()
            if report:
                report(row)
        if leader and (run.step % config.checkpoint_every == 0 or last):
            save_state(state_file, run_state(run, config, data))
        due = config.sample_every and run.step % config.sample_every == 0
        if leader and on_sample and (due or last):
            on_sample(run.step, run.ema.model)
        if stop_after is not None and run.step - start_step >= stop_after:
            return run
    if leader:
        export(run, config, data, out)
    return run


def export(run: Run, config: TrainConfig, data: TrainingPacks, out: Path) -> str:
    """Averaged weights to ``dit.safetensors``."""
    info = {
        "steps": run.step,
        "seconds": round(run.elapsed_s, 1),
        "clips": len(data.clip_ids) - len(data.held_out),
        "held_out": run.held_out,
        "started_from": run.started_from,
        "train": dataclasses.asdict(config),
        "parameters": run.model.n_parameters(),
    }
    return save_dit(run.ema.model, data.spec(), out / WEIGHTS_NAME, info=info)


def _agreed(seconds: float) -> float:
    """The first process's clock, so that all leave a timed run at the same step."""
    if not (dist.is_available() and dist.is_initialized()):
        return seconds
    box = torch.tensor([seconds], dtype=torch.float64)
    dist.broadcast(box, 0)
    return float(box)
