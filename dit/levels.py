"""Noise levels of a pack: a table of the few there are, and which of them each token has."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from dit.fused import Rows, rows_of
from dit.packing import References
from pipeline.training.device import OnDevice


@dataclass(frozen=True, kw_only=True)
class Levels(OnDevice):
    """Neighbouring tokens of a clip that have the same level share a row of the table."""

    value: Tensor
    """(rows,) float32 noise level of each row, in [0, 1]."""
    clip: Tensor
    """(rows,) int64: clip of each row."""
    rows: Rows
    """Row of each token."""
    among: Rows | None = None
    """Row of each token where those of references stand among them (``References.order``); None without references."""

    def at(self, value: Tensor) -> Levels:
        """The same rows at other levels ``value`` (rows,)."""
        return replace(self, value=value)

    def of_tokens(self) -> Tensor:
        """(N,) noise level of each token."""
        return self.value[self.rows.index]

    def of_clips(self, table: Tensor) -> Tensor:
        """(rows, C): for each row that of its clip in ``table`` (clips, C)."""
        if table.device.type == "cpu":
            return table[self.clip]
        # as a product, for a gather's gradient adds in another order each time on a GPU
        owner = self.clip[:, None] == torch.arange(len(table), device=table.device)
        return owner.to(table.dtype) @ table


def levels_of(t: Tensor, clip: Tensor, references: References | None = None) -> Levels:
    """Levels of tokens with noise levels t (N,) that belong to clips ``clip`` (N,); all on the CPU.

    ``references`` are shown to the clips: the table then has rows of level 0 for them, too.
    """
    if references is not None:
        order = references.order
        every = levels_of(
            torch.cat((t, t.new_zeros(len(references.clip))))[order],
            torch.cat((clip, references.clip))[order],
        )
        own = every.rows.index[references.places[: len(t)]]
        return replace(every, rows=Rows(own), among=every.rows)
    fresh = torch.ones(len(t), dtype=torch.bool)
    fresh[1:] = (t[1:] != t[:-1]) | (clip[1:] != clip[:-1])
    return Levels(value=t[fresh], clip=clip[fresh], rows=rows_of(fresh.cumsum(0) - 1))
