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

from pipeline.training.compute import bf16_is_faster

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
            self.parts.append(Muon(muon, adjust_lr_fn="match_rms_adamw"))
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


MOST_STACKED = 1 << 27
"""Numbers of matrices that are iterated as one stack at most: 256 MB in bfloat16."""


class Muon(torch.optim.Muon):
    """torch's Muon, in float32 where bfloat16 is slow, and on a GPU for all matrices of a shape at once.

    torch iterates in bfloat16 always. On a CPU without instructions for it that takes ten times as long as float32. It
    takes one matrix after the other, too: 25 kernels each, which in a small model take longer to start than to run.
    """

    @torch.no_grad()
    def step(self, closure: None = None) -> None:
        """One update of every matrix that has a gradient; without ``closure``."""
        first = self.param_groups[0]["params"][0]
        if first.device.type != "cpu" and type(first.detach()) is Tensor:  # none in shards
            for group in self.param_groups:
                self._move_alike([p for p in group["params"] if p.grad is not None], group)
            return
        if bf16_is_faster(first.device.type):
            super().step(closure)
            return
        for group in self.param_groups:
            for parameter in group["params"]:
                if parameter.grad is not None:
                    self._move(parameter, parameter.grad, group)

    def _move_alike(self, parameters: Sequence[Tensor], group: dict[str, Any]) -> None:
        """Matrices of one shape together, in bfloat16."""
        if not parameters:
            return
        for parameter in parameters:
            if "momentum_buffer" not in self.state[parameter]:
                self.state[parameter]["momentum_buffer"] = torch.zeros_like(parameter)
        momentum, lr = group["momentum"], group["lr"]
        grads = [p.grad for p in parameters if p.grad is not None]
        updates = [self.state[p]["momentum_buffer"] for p in parameters]
        torch._foreach_lerp_(updates, grads, 1 - momentum)
        if group["nesterov"]:
            updates = list(torch._foreach_lerp(grads, updates, momentum))
        torch._foreach_mul_(list(parameters), 1 - lr * group["weight_decay"])
        for members in alike(parameters):
            stack = torch.stack([updates[i] for i in members]).bfloat16()
            stack = orthogonal_stack(
                stack, group["ns_coefficients"], group["ns_steps"], group["eps"]
            )
            there = [parameters[i] for i in members]
            moves = list(stack.to(there[0].dtype).unbind())
            torch._foreach_add_(there, moves, alpha=-0.2 * lr * max(there[0].shape) ** 0.5)

    def _move(self, parameter: Tensor, grad: Tensor, group: dict[str, Any]) -> None:
        state = self.state[parameter]
        if "momentum_buffer" not in state:
            state["momentum_buffer"] = torch.zeros_like(grad)
        buffer, momentum, lr = state["momentum_buffer"], group["momentum"], group["lr"]
        buffer.lerp_(grad, 1 - momentum)
        update = grad.lerp(buffer, momentum) if group["nesterov"] else buffer
        update = orthogonal(update, group["ns_coefficients"], group["ns_steps"], group["eps"])
        parameter.mul_(1 - lr * group["weight_decay"])
        parameter.add_(update, alpha=-0.2 * lr * max(parameter.shape) ** 0.5)


def orthogonal(
    x: Tensor, coefficients: tuple[float, float, float], steps: int, eps: float
) -> Tensor:
    """The orthogonal matrix nearest to x (rows, columns), roughly: Newton-Schulz of order five, in float32."""
    a, b, c = coefficients
    wide = x.T if x.shape[0] > x.shape[1] else x
    wide = wide / wide.norm().clamp(min=eps)
    for _ in range(steps):
        gram = wide @ wide.T
        wide = torch.addmm(wide, torch.addmm(gram, gram, gram, beta=b, alpha=c), wide, beta=a)
    return wide.T if x.shape[0] > x.shape[1] else wide


def orthogonal_stack(
    x: Tensor, coefficients: tuple[float, float, float], steps: int, eps: float
) -> Tensor:
    """``orthogonal`` of every matrix in x (N, rows, columns), in the number format of x."""
    a, b, c = coefficients
    tall = x.shape[1] > x.shape[2]
    wide = x.mT if tall else x
    wide = wide / torch.linalg.vector_norm(wide, dim=(1, 2), keepdim=True).clamp(min=eps)
    for _ in range(steps):
        gram = wide @ wide.mT
        update = torch.baddbmm(gram, gram, gram, beta=b, alpha=c)
        wide = torch.baddbmm(wide, update, wide, beta=a)
    return wide.mT if tall else wide


def alike(parameters: Sequence[Tensor]) -> list[list[int]]:
    """Places of matrices of equal shape, at most ``MOST_STACKED`` numbers together."""
    groups: list[list[int]] = []
    latest: dict[tuple[int, ...], list[int]] = {}
    for place, parameter in enumerate(parameters):
        shape = tuple(parameter.shape)
        members = latest.get(shape)
        if members is None or (len(members) + 1) * parameter.numel() > MOST_STACKED:
            members = latest[shape] = []
            groups.append(members)
        members.append(place)
    return groups


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
