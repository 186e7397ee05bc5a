"""The optimizer of every trainer: AdamW, or Muon for the matrices of hidden layers and AdamW for the rest.

Muon (Jordan et al. 2024, "Muon: An optimizer for hidden layers in neural networks") replaces the momentum of a matrix
by the nearest matrix with equal singular values. Its steps are scaled to the size of AdamW's (Liu et al. 2025, "Muon is
scalable for LLM training", equation 4), so both take one learning rate.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

BETAS = (0.9, 0.98)
"""Decays of AdamW's moments."""


@dataclass(frozen=True, kw_only=True)
class Group:
    """Parameters that are treated alike."""

    params: Sequence[nn.Parameter]
    """Weights; those of a group for Muon have two dimensions or more."""
    hidden: bool = False
    """Matrices of hidden layers, which Muon takes."""
    weight_decay: float = 0.0
    """Decoupled decay, per unit of learning rate."""
    lr_scale: float = 1.0
    """Factor on the learning rate."""


class Optimizer:
    """AdamW and perhaps Muon, stepped together at a rate that is given with each step."""

    def __init__(
        self,
        groups: Iterable[Group],
        *,
        optimizer: str = "muon",
        betas: tuple[float, float] = BETAS,
    ) -> None:
        if optimizer not in ("muon", "adamw"):
            raise ValueError(f"optimizer {optimizer!r} is unknown; use muon or adamw")
        groups = [group for group in groups if group.params]
        self.matrices = [_Matrix(p) for g in groups if g.hidden for p in g.params]
        muon = [_settings(group) for group in groups if group.hidden and optimizer == "muon"]
        adamw = [_settings(g) for g in groups if not (g.hidden and optimizer == "muon")]
        self.parts: list[torch.optim.Optimizer] = []
        if muon:
            views = iter(self.matrices)
            for settings in muon:
                settings["params"] = [next(views).view for _ in settings["params"]]
            self.parts.append(torch.optim.Muon(muon, adjust_lr_fn="match_rms_adamw"))
        else:
            self.matrices = []
        if adamw:
            self.parts.append(torch.optim.AdamW(adamw, betas=betas, foreach=True))

    def step(self, rate: float) -> None:
        """One update at learning rate ``rate``; gradients are then cleared."""
        for matrix in self.matrices:
            matrix.take_gradient()
        for part in self.parts:
            for group in part.param_groups:
                group["lr"] = rate * group["lr_scale"]
            part.step()
        self.zero_grad()

    def zero_grad(self) -> None:
        """Forget the gradients."""
        for matrix in self.matrices:
            matrix.parameter.grad = None
        for part in self.parts:
            part.zero_grad(set_to_none=True)

    def state_dict(self) -> list[dict[str, Any]]:
        """State of each part."""
        return [part.state_dict() for part in self.parts]

    def load_state_dict(
        self,
        states: Sequence[dict[str, Any]],
        place: Callable[[Tensor, Tensor], Tensor] | None = None,
    ) -> None:
        """Inverse of ``state_dict``; ``place(value, parameter)`` puts each tensor where its parameter is."""
        if len(states) != len(self.parts):
            raise ValueError(
                "the checkpoint was trained with another optimizer; resume with the same"
            )
        for part, saved in zip(self.parts, states, strict=True):
            if place is not None:
                parameters = [p for group in part.param_groups for p in group["params"]]
                state = {
                    number: {
                        name: place(value, parameters[number])
                        if isinstance(value, Tensor)
                        else value
                        for name, value in entries.items()
                    }
                    for number, entries in saved["state"].items()
                }
                saved = {**saved, "state": state}
            part.load_state_dict(saved)


class _Matrix:
    """A weight as Muon takes it: itself, or the weight of a convolution as a matrix over the same memory.

    Which column is which does not matter to Muon, so the inner dimensions are flattened as they lie in memory.
    """

    def __init__(self, parameter: nn.Parameter) -> None:
        self.parameter = self.view = parameter
        self.dims: list[int] = []
        if parameter.ndim > 2:
            strides = parameter.stride()
            inner = sorted(range(1, parameter.ndim), key=lambda dim: -strides[dim])
            self.dims = [0, *inner]
            flat = parameter.detach().permute(self.dims).view(len(parameter), -1)
            self.view = nn.Parameter(flat)

    def take_gradient(self) -> None:
        """Give the view the gradient of the weight."""
        if self.dims:
            grad = self.parameter.grad
            self.view.grad = None if grad is None else grad.permute(self.dims).flatten(1)


def _settings(group: Group) -> dict[str, Any]:
    return {
        "params": list(group.params),
        "weight_decay": group.weight_decay,
        "lr": 0.0,  # of each step
        "lr_scale": group.lr_scale,
    }
