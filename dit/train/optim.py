"""Which weights of the transformer are treated alike by its optimizer, and the learning rate of a step."""

from __future__ import annotations

from typing import Protocol

from torch import nn

from pipeline.training.optim import Group, Optimizer
from pipeline.training.schedule import constant_then_linear, warmup


class Rates(Protocol):
    """Settings that learning rates and decays hang on, of ``TrainConfig`` and of others."""

    @property
    def peak_lr(self) -> float: ...
    @property
    def warmup_steps(self) -> int: ...
    @property
    def decay_share(self) -> float: ...
    @property
    def weight_decay(self) -> float: ...
    @property
    def optimizer(self) -> str | None: ...


def learning_rate(progress: float, step: int, config: Rates) -> float:
    """Warm-up, constant, then linear to zero over the last ``decay_share`` of ``progress`` (0 to 1)."""
    rise = warmup(step, progress, config.warmup_steps)
    return config.peak_lr * min(rise, constant_then_linear(progress, config.decay_share))


def parameter_groups(
    model: nn.Module,
) -> tuple[list[nn.Parameter], list[nn.Parameter], list[nn.Parameter]]:
    """Of what is trained: (matrices in blocks, other matrices, vectors): for Muon, with decay, without."""
    hidden: list[nn.Parameter] = []
    matrices: list[nn.Parameter] = []
    vectors: list[nn.Parameter] = []
    for name, parameter in model.named_parameters():
        if not parameter.requires_grad:
            continue
        if parameter.ndim == 2 and name.endswith("weight"):
            inside = "blocks." in name
            (hidden if inside else matrices).append(parameter)
        else:
            vectors.append(parameter)
    return hidden, matrices, vectors


def make_optimizer(model: nn.Module, config: Rates) -> Optimizer:
    """The optimizer that ``config`` names: decay for matrices, none for vectors."""
    hidden, matrices, vectors = parameter_groups(model)
    decay = config.weight_decay
    return Optimizer(
        [
            Group(params=hidden, hidden=True, weight_decay=decay),
            Group(params=matrices, weight_decay=decay),
            Group(params=vectors),
        ],
        optimizer=config.optimizer or "muon",
    )
