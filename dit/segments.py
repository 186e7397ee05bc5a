"""How a packed row of tokens falls into segments: lengths on the host, ends on the device, so that no kernel waits."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

import torch
from torch import Tensor


@dataclass(frozen=True, kw_only=True)
class Segments:
    """Segment i holds tokens ``ends[i]:ends[i + 1]``."""

    ends: tuple[int, ...]
    """Cumulative lengths with a leading zero, (segments + 1,), known on the host."""
    cu: Tensor = field(compare=False, repr=False)
    """The same as int32 on the device, for varlen kernels."""

    @cached_property
    def lengths(self) -> tuple[int, ...]:
        """Tokens of each segment."""
        return tuple(b - a for a, b in zip(self.ends[:-1], self.ends[1:], strict=True))

    @cached_property
    def longest(self) -> int:
        """Tokens of the longest segment."""
        return max(self.lengths, default=0)

    def to(self, device: torch.device | str) -> Segments:
        """The same with ``cu`` on ``device``."""
        from pipeline.training.device import to_device

        return replace(self, cu=to_device(self.cu, device))


def segments(lengths: Sequence[int], device: torch.device | str | None = None) -> Segments:
    """Segments of ``lengths`` tokens each, end to end."""
    ends = [0]
    for length in lengths:
        ends.append(ends[-1] + length)
    return Segments(ends=tuple(ends), cu=torch.tensor(ends, dtype=torch.int32, device=device))


def runs_of(lengths: Sequence[int]) -> tuple[tuple[int, int], ...]:
    """(segments, tokens of each) of every stretch of neighbours that are equally long."""
    runs: list[tuple[int, int]] = []
    for length in lengths:
        if runs and runs[-1][1] == length:
            runs[-1] = (runs[-1][0] + 1, length)
        else:
            runs.append((1, length))
    return tuple(runs)
