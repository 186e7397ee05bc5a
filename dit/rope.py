"""Rotary position embedding over (frame, row, column) and over text positions."""

from __future__ import annotations

import torch
from torch import Tensor


def axis_pairs(head_dim: int, axes: int) -> list[int]:
    """Rotated pairs given to each axis: equal shares, what is left over to the last axes."""
    pairs = head_dim // 2
    base, left = divmod(pairs, axes)
    return [base + (1 if i >= axes - left else 0) for i in range(axes)]


def rope_turns(coords: Tensor, head_dim: int, theta: float) -> Tensor:
    """Unit complex numbers (N, 1, head_dim / 2), complex64, of integer or real coordinates (N, axes).

    Axis a turns its pair j by ``coords[:, a] * theta ** (-j / pairs_a)``. On a GPU, whose kernels fuse real numbers
    only, they come as ``real_turns`` (N, 2, head_dim).
    """
    parts = []
    for axis, pairs in enumerate(axis_pairs(head_dim, coords.shape[1])):
        steps = torch.arange(pairs, device=coords.device, dtype=torch.float32)
        frequencies = theta ** (-steps / max(1, pairs))
        parts.append(coords[:, axis, None].float() * frequencies)
    angles = torch.cat(parts, dim=1)
    if coords.device.type != "cpu":
        return real_turns(angles)
    return torch.polar(torch.ones_like(angles), angles)[:, None]


def real_turns(angles: Tensor) -> Tensor:
    """(N, 2, D) from angles (N, D / 2): cosines, and sines signed as ``kernels.turn`` wants them."""
    cos, sin = angles.cos(), angles.sin()
    return torch.stack(
        (torch.stack((cos, cos), -1).flatten(-2), torch.stack((-sin, sin), -1).flatten(-2)), 1
    )


def rotate(x: Tensor, turns: Tensor) -> Tensor:
    """Turn the pairs (x[..., 2j], x[..., 2j+1]) of float32 x (N, heads, D) by ``turns``. Keeps norms."""
    pairs = torch.view_as_complex(x.unflatten(-1, (-1, 2)))
    return torch.view_as_real(pairs * turns).flatten(-2)
