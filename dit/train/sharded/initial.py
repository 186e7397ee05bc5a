"""Random weights of a new model, one tensor after another: the bits that ``DiT(config)`` draws, never held at once."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor, nn

from dit.config import DiTConfig
from dit.layers import Attention, Linear
from dit.model import Block, DiT
from dit.text import TextRefiner


def drawn_weights(config: DiTConfig, seed: int) -> Iterator[tuple[str, Tensor]]:
    """(name, tensor) of every parameter of a DiT that is made under ``torch.manual_seed(seed)``.

    The constructor draws each layer twice: PyTorch's own numbers, then ours. The first are drawn and forgotten, so that
    a model in shards begins as the whole one does.
    """
    with torch.device("meta"):
        model = DiT(config)
    generator = torch.Generator().manual_seed(seed)
    names = {module: name for name, module in model.named_modules()}
    for module in model.modules():
        if isinstance(module, nn.Linear):
            _forget(module, generator)
        if names[module] == "text.inp":  # the null caption is drawn behind this layer
            yield "text.null", torch.randn(1, config.width, generator=generator) * 0.02
    for module in model.modules():
        if isinstance(module, Linear):
            weight = torch.empty(module.weight.shape)
            nn.init.xavier_uniform_(weight, generator=generator)
            at_zero = module in (model.last, model.modulation, model.last_modulation)
            gate = names[module].endswith(".gate")
            yield f"{names[module]}.weight", torch.zeros_like(weight) if at_zero or gate else weight
    yield "given", torch.empty(config.width).normal_(std=0.02, generator=generator)
    for module in model.modules():
        for name, parameter in module.named_parameters(names[module], recurse=False):
            if not _is_drawn(module, name):
                yield name, _constant(module, name.rpartition(".")[2], parameter)


def _forget(layer: nn.Linear, generator: torch.Generator) -> None:
    """Draw what the constructor of a layer draws."""
    for parameter in layer.parameters(recurse=False):
        torch.empty(parameter.shape).uniform_(generator=generator)


def _is_drawn(module: nn.Module, name: str) -> bool:
    """Whether a parameter begins as random numbers, or as zeros in the place of such."""
    last = name.rpartition(".")[2]
    drawn = {(Linear, "weight"), (TextRefiner, "null"), (DiT, "given")}
    return any(isinstance(module, kind) and last == own for kind, own in drawn)


def _constant(module: nn.Module, name: str, parameter: Tensor) -> Tensor:
    """A vector as it begins: norms and scales at one, all else at zero."""
    if isinstance(module, nn.LayerNorm) and name == "weight":
        return torch.ones(parameter.shape)
    if isinstance(module, Attention) and name == "scale":
        return torch.ones(parameter.shape)
    start = torch.zeros(parameter.shape)
    if isinstance(module, Block) and name == "bias":
        start[[1, 4]] = 1.0
    return start
