"""The training loop: packs in, checkpoints, metrics and ``dit.safetensors`` out. Plain PyTorch, one or many processes.

Loss: the mean over all supervised tokens of a step (or clips, see ``TrainConfig.loss_unit``), over every pack and
process, of the squared velocity error per number. One pack, several packs, or several processes with the same packs
give the same gradient.
"""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from dit.config import DiTConfig, TrainConfig
from dit.model import DiT
from dit.parallel.context import data_place
from dit.train.feed import Feed, Ready
from dit.train.heldout import HeldOut, packs_within
from dit.train.metrics import Window
from dit.train.objective import Objective, PathObjective
from dit.train.parallel import (
    agreed,
    all_sum,
    all_sum_tensor,
    clip_gradients,
    rank_and_world,
    sum_gradients,
)
from dit.train.rates import learning_rate
from dit.train.run import Run, start_run
from dit.train.saved import agreed_state, read_state
from dit.train.saving import Keeper, keeper_for
from dit.train.training_packs import TrainingPacks
from pipeline.training.device import same_bits
from pipeline.training.interrupt import Interrupts
from pipeline.training.state import add_metrics, keep_metrics

log = logging.getLogger(__name__)

Report = Callable[[dict[str, Any]], None]

LEAK_SHARE = 0.8
"""Share of the floor below which a held-out loss cannot fall by the chance of a few clips' noise."""


def progress_of(run: Run, config: TrainConfig) -> float:
    """Share of the run that is done, 0 to 1: by time when it has a time budget, else by steps."""
    if config.minutes is not None:
        return min(1.0, run.elapsed_s / (60 * config.minutes))
    return min(1.0, run.step / max(1, config.steps))


def gradients(
    run: Run, config: TrainConfig, ready: Ready, total: float, objective: Objective | None = None
) -> Tensor:
    """Gradients of a step, summed over packs and processes and clipped, in ``.grad``; waits for no device.

    ``total``: sum of the weights of all tokens of the step. Returns (2,) float64 where the model is: loss and norm.
    """
    losses = []
    objective = objective or PathObjective(run.model.config.path)
    for batch in ready.batches:
        for part in objective.losses(run.model, batch.to(run.device)):
            loss = part / total
            loss.backward()
            losses.append(loss.detach().double())
    sum_gradients(run.model)
    loss = torch.stack(losses).sum() if losses else torch.zeros((), device=run.device).double()
    norm = clip_gradients(run.model, config.grad_clip).double()
    return torch.stack((all_sum_tensor(loss).to(norm.device), norm))


def train_step(
    run: Run,
    config: TrainConfig,
    data: TrainingPacks,
    feed: Feed | None = None,
    objective: Objective | None = None,
) -> dict[str, float]:
    """One optimiser step over this process's packs; returns its numbers.

    ``feed`` hands out what it has made ahead; without one the step is made here. The host waits for the device once,
    when it asks whether loss and gradient are finite.
    """
    feed = feed or Feed(data, run.model.config, config, run.device, ahead=0, context=run.context)
    ready = feed.take(run.cursor, run.step)
    step = ready.step
    (total,) = all_sum([sum(batch.total for batch in ready.batches)])
    total = max(total, 1e-9)
    objective = objective or PathObjective(run.model.config.path)
    there = gradients(run, config, ready, total, objective)
    floor = 0.0
    if objective.knows_floor:
        floor = sum(float((batch.floor * batch.weight).sum()) / total for batch in ready.batches)
    clips = float(sum(batch.layout.n_clips for batch in ready.batches)) / run.context.size
    floor, clips = all_sum([floor, clips])
    value, norm = there.tolist()  # the one wait of a step
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
        "floor": floor,
        "excess": value - floor,
        "grad_norm": norm,
        "lr": rate,
        "tokens": float(step.n_tokens),
        "clips": clips,
        "waste": 1 - step.n_tokens / slots,
        "waited": feed.waited,
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
    init: str = "",
    report: Report | None = None,
    on_sample: Callable[[int, DiT], None] | None = None,
    stop_after: int | None = None,
    device: torch.device | None = None,
    objective: Objective | None = None,
) -> Run:
    """Train, and write a checkpoint, ``metrics.jsonl`` and ``dit.safetensors`` to ``out`` (``dit.train.saving``).

    ``initial`` are weights to begin with, ``started_from`` their id and ``init`` where they lie, for the record; with
    adapters a resumed run needs them too. In the first process ``report`` gets the numbers of every logged step.
    ``on_sample(step, averaged_model)`` draws pictures: in the first process, but with sharded weights in every one, for
    they run the same passes. ``stop_after`` ends the run early after that many steps of this call, as a kill would.
    Ctrl-C ends it after the step in hand, with a checkpoint.
    ``device`` is where weights and packs go; default: the CPU. ``objective`` is what is minimised; default: the
    error of the velocity.
    """
    out = Path(out)
    objective = objective or PathObjective(model_config.path)
    config = config.settled(model_config, started=initial is not None)
    rank, world = rank_and_world()
    leader = rank == 0
    if config.fsdp and (config.lora_rank or config.compile):
        raise ValueError("fsdp goes with neither lora_rank nor compile; leave one of them out")
    _, rows = data_place(config.context_parallel, rank, world)
    if config.fsdp and config.packs_per_step % rows:
        raise ValueError(
            f"with sharded weights every process needs as many packs as the others: packs_per_step "
            f"{config.packs_per_step} is no multiple of {rows} processes"
        )
    path = agreed_state(out)
    if not resume and path is not None and path.is_dir():
        raise ValueError(
            f"{out} holds checkpoints of another run ({path}); resume it, or choose another folder"
        )
    state = read_state(path) if resume and path is not None else None
    run = start_run(
        model_config,
        config,
        data,
        initial=initial,
        started_from=started_from,
        state=state,
        device=device,
    )
    run.init = init or run.init
    out.mkdir(parents=True, exist_ok=True)
    if leader:
        keep_metrics(out, run.step)
    run.model.checkpoint_blocks = config.recompute
    if config.compile:
        run.model.compile_blocks()
    held = data.held_out_packs()
    if math.isfinite(objective.zero):
        log.info("a model that predicts zero has loss %.2f", objective.zero)
    feed = Feed(data, run.model.config, config, run.device, context=run.context)
    keeper = keeper_for(run, config, data, out)
    try:
        with same_bits(run.device, config.deterministic):
            return _train_on(
                run, config, data, out, held, feed, keeper, objective, report, on_sample, stop_after
            )
    finally:
        feed.close()


def _train_on(
    run: Run,
    config: TrainConfig,
    data: TrainingPacks,
    out: Path,
    held: Sequence[list[dict[str, Any]]],
    feed: Feed,
    keeper: Keeper,
    objective: Objective,
    report: Report | None,
    on_sample: Callable[[int, DiT], None] | None,
    stop_after: int | None,
) -> Run:
    """Steps until the run is done or ``stop_after`` of them are, with all that is written on the way."""
    rank, world = rank_and_world()
    leader = rank == 0
    began, done_before, start_step = time.monotonic(), run.elapsed_s, run.step
    with Interrupts(world == 1) as stop:
        while progress_of(run, config) < 1:
            run.window.add(train_step(run, config, data, feed, objective))
            run.elapsed_s = agreed(done_before + time.monotonic() - began)
            last = progress_of(run, config) >= 1
            if held and (run.step % config.eval_every == 0 or last):
                evaluate(run, held, data, config, objective)
            if run.step % config.log_every == 0 or last:
                row = log_row(run, config)
                run.window = Window()
                if leader:
                    add_metrics(out, row)
                if leader and report:
                    report(row)
            if run.step % config.checkpoint_every == 0 or last or stop.asked:
                keeper.save(run)
            drawn = config.sample_every and (run.step % config.sample_every == 0 or last)
            if drawn and on_sample and (leader or config.fsdp):
                on_sample(run.step, run.ema.model)
            if stop.asked and not last:
                keeper.wait()
                stop.end()
            if stop_after is not None and run.step - start_step >= stop_after:
                keeper.wait()
                return run
    keeper.finish(run)
    return run


def evaluate(
    run: Run,
    held: Sequence[list[dict[str, Any]]],
    data: TrainingPacks,
    config: TrainConfig,
    objective: Objective,
) -> None:
    """The held-out loss of the averaged weights, by all processes together.

    The first time one pack is timed, and as many are looked at from then on as fit ``eval_seconds``.
    """
    whole = HeldOut(packs=held, data=data, config=config, context=run.context)
    if run.eval_packs is None:
        one = replace(whole, most=1)
        objective.held_out(run.ema.model, one)  # nothing is loaded or compiled after it
        began = time.monotonic()
        objective.held_out(run.ema.model, one)
        _, rows = data_place(run.context.size, *rank_and_world())
        took = agreed(time.monotonic() - began)
        run.eval_packs = packs_within(config.eval_seconds, took, len(held), rows)
        if run.eval_packs < len(held):
            log.warning(
                "the held-out loss is of %d of %d packs, which %g seconds are enough for (eval_seconds)",
                run.eval_packs,
                len(held),
                config.eval_seconds,
            )
    run.held_out = objective.held_out(run.ema.model, replace(whole, most=run.eval_packs))
    warn_of_leaks(run)


def warn_of_leaks(run: Run) -> None:
    """A held-out loss clearly below what perfect knowledge of the clips would leave means a bug, not a good model."""
    loss, floor = run.held_out["held_out"], run.held_out["held_out_floor"]
    if loss < LEAK_SHARE * floor:
        log.warning(
            "step %d: held-out loss %.4f is below its floor %.4f: the model sees what it should predict",
            run.step,
            loss,
            floor,
        )


def log_row(run: Run, config: TrainConfig) -> dict[str, Any]:
    """A line of ``metrics.jsonl``."""
    return {
        "stage": "train-dit",
        "step": run.step,
        "epoch": run.cursor.epoch,
        **run.window.row(),
        **run.held_out,
        "elapsed_s": round(run.elapsed_s, 3),
        "skipped": run.skipped,
        "compute": str(run.compute)[6:],
        "progress": progress_of(run, config),
    }
