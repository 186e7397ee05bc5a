"""Group the embedded captioner's weights for its optimizer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pipeline.training.optim import Group


def parameter_groups(model: Any, heads: Any, weight_decay: float) -> list[Group]:
    """Matrices inside the two transformers, and the rest (embeddings, norms, heads) with half the decay."""
    from pipeline.training.optim import Group

    inner: list[Any] = []
    rest: list[Any] = []
    for name, parameter in model.named_parameters():
        matrix = parameter.ndim == 2 and ".layers." in name
        (inner if matrix else rest).append(parameter)
    rest += list(heads.parameters())
    return [
        Group(params=inner, hidden=True, weight_decay=weight_decay),
        Group(params=rest, weight_decay=0.5 * weight_decay),
    ]
