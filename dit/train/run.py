"""What a training run consists of between two steps: made, written down, and taken up again bit for bit."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from dit.config import DiTConfig, TrainConfig
from dit.model import DiT
from dit.parallel.context import ALONE, Context, open_context
from dit.train.lora import add_lora
from dit.train.metrics import Window
from dit.train.optim import make_optimizer
from dit.train.parallel import put, shard_like
from dit.train.refusals import refuse_other
from dit.train.saved import FOLDER
from dit.train.training_packs import TrainingPacks
from pipeline.loader.order import LoaderState
from pipeline.training.compute import begun_dtype
from pipeline.training.ema import Ema
from pipeline.training.optim import Optimizer


@dataclass(kw_only=True)
class Run:
    """Everything that changes while training."""

    model: DiT
    optimizer: Optimizer
    ema: Ema
    cursor: LoaderState
    """Next global step of the data."""
    compute: torch.dtype
    """Format of the matrix products; kept over resumes, since the probe is a clock and may answer otherwise."""
    step: int = 0
    elapsed_s: float = 0.0
    skipped: int = 0
    """Steps not taken because the gradient was not finite."""
    window: Window = field(default_factory=Window)
    """Numbers of the steps since the last line of metrics."""
    eval_packs: int | None = None
    """Packs that the held-out loss looks at, once it is known how long one takes."""
    held_out: dict[str, Any] = field(default_factory=dict)
    """Latest held-out losses."""
    started_from: str = ""
    """Id of the weights that the run began with; empty for random ones."""
    init: str = ""
    """Where they lay."""
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))
    """Where weights and packs are."""
    context: Context = ALONE
    """The processes that share the tokens of this one's packs."""


def start_run(
    model_config: DiTConfig,
    config: TrainConfig,
    data: TrainingPacks,
    *,
    initial: Mapping[str, Tensor] | None = None,
    started_from: str = "",
    state: dict[str, Any] | None = None,
    device: torch.device | None = None,
) -> Run:
    """A run at its first step, or where ``state`` (of ``run_state``) left off: bit for bit, for all that is random
    is a function of seed and step.

    Weights are random, by ``config.seed``, or ``initial``, whose id is ``started_from``. A state of another model, of
    other latents or with other settings is refused by ValueError.
    """
    device = device or torch.device("cpu")
    context = open_context(config.context_parallel, model_config.heads, device)
    compute = begun_dtype(config.precision, device, state)
    if state is not None:
        refuse_other(
            state,
            model_config,
            config,
            data,
            started_from=started_from if config.lora_rank else None,
        )
    if config.fsdp:
        model, ema = _in_shards(model_config, config, compute, device, initial, drawn=state is None)
    else:
        model = _whole(model_config, config, initial).to(device)
        ema = Ema(model, config.ema_decay)
    run = Run(
        model=model,
        optimizer=make_optimizer(model, config),
        ema=ema,
        cursor=data.state,
        compute=compute,
        started_from=started_from if state is None else state["started_from"],
        device=device,
        context=context,
    )
    if state is not None:
        _read_tensors(run, state)
        run.cursor = LoaderState.from_dict(state["cursor"])
        run.window = Window(rows=list(state["window"]))
        run.step, run.elapsed_s = int(state["step"]), float(state["elapsed_s"])
        run.skipped, run.held_out = int(state["skipped"]), dict(state["held_out"])
        run.init = state["init"]
    data.seek(run.cursor)
    for network in (run.model, run.ema.model):
        network.set_compute(run.compute)
    return run


def _whole(
    model_config: DiTConfig, config: TrainConfig, initial: Mapping[str, Tensor] | None
) -> DiT:
    with torch.random.fork_rng():
        torch.manual_seed(config.seed)
        model = DiT(model_config)
        if initial is not None:
            model.load_state_dict(dict(initial))
        if config.lora_rank:
            add_lora(model, config.lora_rank, config.lora_alpha)
    return model


def _in_shards(
    model_config: DiTConfig,
    config: TrainConfig,
    compute: torch.dtype,
    device: torch.device,
    initial: Mapping[str, Tensor] | None,
    *,
    drawn: bool,
) -> tuple[DiT, Ema]:
    """Weights and averages of which this process holds its part; ``drawn``: with numbers in them."""
    from dit.train.sharded.initial import drawn_weights
    from dit.train.sharded.model import copy_shards, empty_shards, fill, weights_mesh

    mesh = weights_mesh(device)
    model, average = (
        empty_shards(model_config, each, mesh, compute, device)
        for each in (config, dataclasses.replace(config, fsdp_reshard=True))
    )
    if drawn:
        first = drawn_weights(model_config, config.seed) if initial is None else initial.items()
        fill(model, first)
        copy_shards(model, average)
    return model, Ema(model, config.ema_decay, average)


def _read_tensors(run: Run, state: dict[str, Any]) -> None:
    """Weights, averages and moments from a state of either form, into shards or not."""
    run.ema.updates = int(state["ema"]["updates"])
    if FOLDER in state:
        from dit.train.sharded.restore import load_tensors

        groups = [part["param_groups"] for part in state["optimizer"]]
        load_tensors(state[FOLDER], run.model, run.ema, run.optimizer, groups)
        return
    for model, weights in ((run.model, state["model"]), (run.ema.model, state["ema"]["weights"])):
        parameters = dict(model.named_parameters())
        for name, value in weights.items():  # with adapters these alone
            put(parameters[name], value)
    run.optimizer.load_state_dict(state["optimizer"], place=shard_like)


def run_facts(run: Run, config: TrainConfig, data: TrainingPacks) -> dict[str, Any]:
    """All of a run's state but its tensors, the same however many processes trained."""
    return {
        "model_config": run.model.config.to_dict(),
        "train_config": dataclasses.asdict(config),
        "latents": data.spec().to_dict(),
        "mix": dataclasses.asdict(data.mix),
        "optimizer": [
            {"param_groups": part["param_groups"]} for part in run.optimizer.state_dict()
        ],
        "ema": {"updates": run.ema.updates},
        "cursor": run.cursor.to_dict(),
        "compute": str(run.compute)[6:],
        "step": run.step,
        "elapsed_s": run.elapsed_s,
        "skipped": run.skipped,
        "window": run.window.rows,
        "held_out": dict(run.held_out),
        "started_from": run.started_from,
        "init": run.init,
    }


def run_state(run: Run, config: TrainConfig, data: TrainingPacks) -> dict[str, Any]:
    """Self-contained state for ``start_run``, of a run whose weights are not in shards.

    Of a run with adapters it holds the adapters: the weights under them are ``started_from``.
    """
    names = {name for name, p in run.model.named_parameters() if p.requires_grad}
    return {
        **run_facts(run, config, data),
        "model": _named(run.model, names),
        "optimizer": run.optimizer.state_dict(),
        "ema": {"weights": _named(run.ema.model, names), "updates": run.ema.updates},
    }


def _named(model: nn.Module, names: set[str]) -> dict[str, Tensor]:
    return {name: value for name, value in model.state_dict().items() if name in names}
