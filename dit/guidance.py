"""Guidance: pure functions that combine the conditional and the unconditional velocity of a pack."""

from __future__ import annotations

from typing import Protocol

import torch
from torch import Tensor

from pipeline.extensions import is_extension, load_extension


class Guidance(Protocol):
    """Combines the velocities of a pack, with captions and without, into the one that is followed."""

    def __call__(
        self, conditional: Tensor, unconditional: Tensor, scale: float, clip: Tensor, clips: int, /
    ) -> Tensor:
        """Velocity (N, D) of two velocities (N, D); ``clip`` (N,) is the clip of each token, below ``clips``."""
        ...


def cfg(conditional: Tensor, unconditional: Tensor, scale: float) -> Tensor:
    """Classifier-free guidance: scale 0 is unconditional, 1 conditional, above 1 exaggerates the difference."""
    return unconditional + scale * (conditional - unconditional)


def _per_clip(values: Tensor, clip: Tensor, clips: int) -> Tensor:
    """Sums over a clip's numbers: (N, D) -> (clips,)."""
    if values.device.type != "cpu":  # adding by index gives other bits each time on a GPU
        owner = torch.arange(clips, device=values.device)[:, None] == clip
        return owner.to(values.dtype) @ values.sum(1)
    return torch.zeros(clips).index_add(0, clip, values.sum(1))


def projection(conditional: Tensor, unconditional: Tensor, clip: Tensor, clips: int) -> Tensor:
    """(N, 1): per clip, the factor s that brings s * unconditional closest to conditional in least squares."""
    dot = _per_clip(conditional * unconditional, clip, clips)
    norm = _per_clip(unconditional.square(), clip, clips)
    return (dot / norm.clamp(min=1e-12))[clip, None]


def cfg_zero_star(
    conditional: Tensor, unconditional: Tensor, scale: float, clip: Tensor, clips: int
) -> Tensor:
    """CFG-Zero* (arXiv 2503.18886): guidance against the unconditional velocity rescaled to fit the conditional one."""
    fit = projection(conditional, unconditional, clip, clips)
    return cfg(conditional, fit * unconditional, scale)


def apg(
    conditional: Tensor,
    unconditional: Tensor,
    scale: float,
    clip: Tensor,
    clips: int,
    parallel: float = 0.0,
) -> Tensor:
    """Adaptive projected guidance (arXiv 2410.02416) without its momentum and norm limit.

    The part of the guidance direction that is parallel to the conditional velocity is weighted by ``parallel``;
    1 is plain CFG.
    """
    difference = conditional - unconditional
    along = projection(difference, conditional, clip, clips) * conditional
    return conditional + (scale - 1) * (difference - along + parallel * along)


def _plain(
    conditional: Tensor, unconditional: Tensor, scale: float, clip: Tensor, clips: int
) -> Tensor:
    return cfg(conditional, unconditional, scale)


RULES: dict[str, Guidance] = {"cfg": _plain, "cfg-zero": cfg_zero_star, "apg": apg}
"""Guidance rules by name."""


def guidance_named(name: str) -> Guidance:
    """A rule of ours, or the function that ``module:function`` names. Raises ``ValueError`` for any other name."""
    if is_extension(name):
        rule: Guidance = load_extension(name, "guidance rule")
        return rule
    if name not in RULES:
        raise ValueError(
            f"guidance rule {name!r} is unknown; use one of {', '.join(RULES)}, or module:function"
        )
    return RULES[name]
