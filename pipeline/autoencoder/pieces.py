"""A network over time, a few frames at a time: what each layer keeps between pieces, so that the result is the whole's.

A convolution over time needs the frames before, and one that is not causal also the frame after. Each layer keeps the
last frames that it saw; one that waits for a frame gives its output a piece later. Edges of the video are repeated, as
both families of models do. Results differ from the whole's by rounding only.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from torch import Tensor

TIME = 2
"""Axis of time in (B, C, T, H, W)."""


class PiecePass(Protocol):
    """One way through a video: make one for each video, and give it the pieces in order."""

    def __call__(self, piece: Tensor, *, last: bool) -> Tensor | None:
        """Output (B, C, T, H, W) that a piece of the input completes; None where it completes no frame."""
        ...


class TimeState:
    """What the layers of a network keep between the pieces of one video. ``None`` stands for no frames."""

    def __init__(self) -> None:
        self.tails: dict[Any, Tensor] = {}
        self.waiting: dict[Any, tuple[Tensor | None, Tensor | None]] = {}
        self.begun: set[Any] = set()

    def begins(self, layer: Any) -> bool:
        """Whether a layer meets the start of the video: true once."""
        fresh = layer not in self.begun
        self.begun.add(layer)
        return fresh

    def convolve(
        self,
        layer: Any,
        frames: Tensor | None,
        function: Callable[[Tensor], Tensor],
        *,
        kernel: int,
        causal: bool,
        last: bool,
    ) -> Tensor | None:
        """``function``, a convolution over ``kernel`` frames without padding in time, over all frames so far."""
        import torch

        before = kernel - 1 if causal else (kernel - 1) // 2
        after = kernel - 1 - before if last else 0
        kept = self.tails.get(layer)
        if frames is None and (kept is None or not after):
            return None
        parts = [] if frames is None else [frames]
        if kept is not None:
            parts.insert(0, kept)
        elif frames is not None:
            parts = [frames[:, :, :1]] * before + parts
        joined = torch.cat(parts + [parts[-1][:, :, -1:]] * after, TIME)
        self.tails[layer] = joined[:, :, max(0, joined.shape[TIME] - kernel + 1) :].clone()
        return function(joined) if joined.shape[TIME] >= kernel else None

    def align(
        self, layer: Any, first: Tensor | None, second: Tensor | None, multiple: int = 1
    ) -> tuple[Tensor, Tensor] | None:
        """As many frames of both as both have, a multiple of ``multiple``; the rest waits for the next piece."""
        queues = [
            joined(old, new)
            for old, new in zip(self.waiting.get(layer, (None, None)), (first, second), strict=True)
        ]
        if queues[0] is None or queues[1] is None:
            self.waiting[layer] = (queues[0], queues[1])
            return None
        count = min(each.shape[TIME] for each in queues if each is not None)
        count -= count % multiple
        rest = [
            None if q.shape[TIME] == count else q[:, :, count:].clone()
            for q in queues
            if q is not None
        ]
        self.waiting[layer] = (rest[0], rest[1])
        return (queues[0][:, :, :count], queues[1][:, :, :count]) if count else None


def joined(old: Tensor | None, new: Tensor | None) -> Tensor | None:
    """Two runs of frames, one after the other."""
    import torch

    if old is None or new is None:
        return new if old is None else old
    return torch.cat((old, new), TIME)


def mapped(function: Callable[[Tensor], Tensor], frames: Tensor | None) -> Tensor | None:
    """A function of each frame by itself."""
    return None if frames is None else function(frames)
