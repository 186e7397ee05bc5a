"""Loss and gradients of a step as one CUDA graph: a small model's kernels are shorter than it takes to start them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from dit.fused import Rows
from dit.levels import Levels
from dit.model import DiT
from dit.packing import Layout
from dit.segments import Segments


class Recorded:
    """Replays what the first step recorded; every later step must have tensors of the same shapes."""

    def __init__(self, net: DiT, longest: int) -> None:
        self.net, self.longest = net, longest
        self.graph: torch.cuda.CUDAGraph | None = None
        self.inputs: list[Tensor] = []
        self.gradients: list[tuple[Any, Tensor]] = []
        self.loss: Tensor | None = None

    def __call__(
        self, x_t: Tensor, target: Tensor, levels: Levels, given: Tensor, layout: Layout
    ) -> Tensor:
        """The loss; gradients are in ``.grad``."""
        fresh = _tensors(x_t, target, levels, given, layout)
        if self.graph is None:
            self._record(fresh, layout)
        for mine, theirs in zip(self.inputs, fresh, strict=True):
            mine.copy_(theirs)
        assert self.graph is not None and self.loss is not None
        self.graph.replay()
        for parameter, gradient in self.gradients:
            parameter.grad = gradient
        return self.loss

    def _record(self, fresh: list[Tensor], layout: Layout) -> None:
        from benchmarks.embedded.dit import loss_and_gradients

        self.inputs = [tensor.clone() for tensor in fresh]
        step = _as_step(self.inputs, layout, self.longest)
        side = torch.cuda.Stream()
        side.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(side):
            for _ in range(3):
                loss_and_gradients(self.net, *step)
        torch.cuda.current_stream().wait_stream(side)
        self.net.zero_grad(set_to_none=True)
        self.graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(self.graph):
            self.loss = loss_and_gradients(self.net, *step).detach()
        self.gradients = [(p, p.grad) for p in self.net.parameters() if p.grad is not None]


def _tensors(
    x_t: Tensor, target: Tensor, levels: Levels, given: Tensor, layout: Layout
) -> list[Tensor]:
    """All that differs between two steps."""
    rows, lengths = layout.text_rows, levels.rows.lengths
    assert lengths is not None
    return [
        x_t, target, levels.value, levels.clip, levels.rows.index, lengths, given, layout.text,
        rows.segments.cu, rows.real, rows.null, rows.owner, rows.position, rows.counts,
    ]  # fmt: skip


def _as_step(
    tensors: list[Tensor], layout: Layout, longest: int
) -> tuple[Tensor, Tensor, Levels, Tensor, Layout]:
    """The step that ``_tensors`` took apart; captions are as long as ``longest`` for all that the host knows."""
    x_t, target, value, clip, index, lengths, given, text, cu, *rest = tensors
    captions = Segments(ends=layout.text_rows.segments.ends, cu=cu)
    captions.__dict__["longest"] = longest
    names = ("real", "null", "owner", "position", "counts")
    rows = replace(layout.text_rows, segments=captions, **dict(zip(names, rest, strict=True)))
    levels = Levels(value=value, clip=clip, rows=Rows(index, None, lengths))
    return x_t, target, levels, given, replace(layout, text=text, captions=captions, text_rows=rows)
