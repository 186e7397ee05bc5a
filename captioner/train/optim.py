"""Optimisers of the embedded captioner."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch


def make_optimizers(model: Any, heads: Any, lr: float) -> list[torch.optim.Optimizer]:
    """Muon for the matrices inside the two transformers, AdamW for the rest (embeddings, norms, heads)."""
    import torch

    inner: list[Any] = []
    rest: list[Any] = []
    for name, parameter in model.named_parameters():
        matrix = parameter.ndim == 2 and ".layers." in name
        (inner if matrix else rest).append(parameter)
    rest += list(heads.parameters())
    muon = torch.optim.Muon(inner, lr=lr, weight_decay=0.02, adjust_lr_fn="match_rms_adamw")
    adamw = torch.optim.AdamW(rest, lr=lr, betas=(0.9, 0.98), weight_decay=0.01)
    return [muon, adamw]
