"""Optimisers and the learning-rate schedule."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from dit.config import TrainConfig
from dit.train.parallel import shard_like


def learning_rate(progress: float, step: int, config: TrainConfig) -> float:
    """Warm-up (a tenth of a short run), constant, then linear to zero over the last ``decay_share`` of ``progress``."""
    warm = min(1.0, max((step + 1) / max(1, config.warmup_steps), progress / 0.1))
    left = (1 - progress) / max(config.decay_share, 1e-9)
    return config.lr * min(warm, max(0.0, min(1.0, left)))


def parameter_groups(model: nn.Module) -> tuple[list[Tensor], list[Tensor], list[Tensor]]:
    """Of what is trained: (matrices in blocks, other matrices, vectors): for Muon, with decay, without."""
    hidden: list[Tensor] = []
    matrices: list[Tensor] = []
    vectors: list[Tensor] = []
    for name, parameter in model.named_parameters():
        if not parameter.requires_grad:
            continue
        if parameter.ndim == 2 and name.endswith("weight"):
            inside = "blocks." in name
            (hidden if inside else matrices).append(parameter)
        else:
            vectors.append(parameter)
    return hidden, matrices, vectors


class Optimizer:
    """AdamW, or Muon for the matrices inside blocks and AdamW for the rest, under one learning rate.

    Muon's updates are scaled to the size of AdamW's (0.2 sqrt(longer side) times an orthogonal matrix), so both
    take the same rate.
    """

    def __init__(self, model: nn.Module, config: TrainConfig) -> None:
        hidden, matrices, vectors = parameter_groups(model)
        self.parts: list[torch.optim.Optimizer] = []
        if config.optimizer == "muon":
            self.parts.append(
                torch.optim.Muon(
                    hidden,
                    lr=config.lr,
                    weight_decay=config.weight_decay,
                    adjust_lr_fn="match_rms_adamw",
                )
            )
        elif config.optimizer == "adamw":
            matrices = hidden + matrices
        else:
            raise ValueError(f"optimizer {config.optimizer!r} is unknown; use muon or adamw")
        groups = [
            {"params": matrices, "weight_decay": config.weight_decay},
            {"params": vectors, "weight_decay": 0.0},
        ]
        self.parts.append(torch.optim.AdamW(groups, lr=config.lr, betas=(0.9, 0.98), foreach=True))

    def step(self, rate: float) -> None:
        """One update at learning rate ``rate``; gradients are then cleared."""
        for part in self.parts:
            for group in part.param_groups:
                group["lr"] = rate
            part.step()
        self.zero_grad()

    def zero_grad(self) -> None:
        """Forget the gradients."""
        for part in self.parts:
            part.zero_grad(set_to_none=True)

    def state_dict(self) -> list[dict]:
        """State of each part."""
        return [part.state_dict() for part in self.parts]

    def load_state_dict(self, states: list[dict]) -> None:
        """Inverse of ``state_dict``."""
        if len(states) != len(self.parts):
            raise ValueError(
                "the checkpoint was trained with another optimizer; resume with the same"
            )
        for part, saved in zip(self.parts, states, strict=True):
            parameters = [p for group in part.param_groups for p in group["params"]]
            state = {
                number: {
                    name: shard_like(value, parameters[number])
                    if isinstance(value, Tensor)
                    else value
                    for name, value in entries.items()
                }
                for number, entries in saved["state"].items()
            }
            part.load_state_dict({**saved, "state": state})
