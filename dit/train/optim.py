"""Which weights of the transformer are treated alike by its optimizer."""

from __future__ import annotations

from torch import nn

from dit.train.rates import Rates
from pipeline.training.optim import Group, Optimizer


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
