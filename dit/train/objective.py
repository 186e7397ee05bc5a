"""What a training run minimises: a loss of each pack, in parts that are propagated back one after the other."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Protocol

from torch import Tensor

from dit.model import DiT
from dit.rectified_flow import zero_loss
from dit.train.data import Batch
from dit.train.heldout import HeldOut, held_out_loss, pack_loss


class Objective(Protocol):
    """A loss and its measure on held-out clips."""

    zero: float
    """Loss per number of a model that predicts zero, where it is known before training; NaN where it is not."""
    knows_floor: bool
    """Whether the floor of a batch (``Batch.floor``) is one of this loss, too."""

    def losses(self, model: DiT, batch: Batch) -> Iterator[Tensor]:
        """Parts of the weighted sum of token losses of a pack, which lies where the model is."""
        ...

    def held_out(self, model: DiT, held: HeldOut) -> dict[str, Any]:
        """As ``dit.train.heldout.held_out_loss``."""
        ...


class PathObjective:
    """The velocity (or noise) of the model's path, see ``dit.paths``."""

    knows_floor = True

    def __init__(self, path: str) -> None:
        self.zero = zero_loss(1.0) if path == "flow" else 1.0  # latents have unit scale

    def losses(self, model: DiT, batch: Batch) -> Iterator[Tensor]:
        """One part."""
        yield pack_loss(model, batch)

    def held_out(self, model: DiT, held: HeldOut) -> dict[str, Any]:
        """At fixed levels and noise."""
        return held_out_loss(
            model, held.packs, held.data, held.config, most=held.most, context=held.context
        )
