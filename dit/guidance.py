"""Guidance: pure functions that combine the conditional and the unconditional velocity of a pack."""

from __future__ import annotations

from typing import Protocol

import torch
from torch import Tensor

from dit.solvers import Velocity
from pipeline.extensions import named


class Guidance(Protocol):
    """Combines the velocities of a pack, with captions and without, into the one that is followed."""

    def __call__(
        self, conditional: Tensor, unconditional: Tensor, scale: float, clip: Tensor, clips: int, /
    ) -> Tensor:
        """Velocity (N, D) of two velocities (N, D); ``clip`` (N,) is the clip of each token, below ``clips``."""
        ...


def cfg(conditional: Tensor, unconditional: Tensor, scale: float) -> Tensor:
    """Classifier-free guidance (arXiv 2207.12598, equation 6, with 1 + w as scale).

    Scale 0 is unconditional, 1 conditional, above 1 exaggerates the difference.
    """
    return unconditional + scale * (conditional - unconditional)


def with_reference(
    guided: Tensor, reference: Tensor, neither: Tensor, reference_scale: float
) -> Tensor:
    """Guidance by two conditions with a scale each, from velocities (N, D) of any shape alike.

    ``guided`` is guided from the velocity with the reference alone to that with reference and caption, ``reference``
    is the former, ``neither`` has no condition. With ``cfg`` as the rule of the first this is
    neither + s_ref (reference - neither) + s_text (both - reference), equation 3 of InstructPix2Pix (arXiv 2211.09800).
    A ``reference_scale`` of 1 is ``guided``.
    """
    return guided + (reference_scale - 1) * (reference - neither)


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
    """Guidance against the unconditional velocity, rescaled to fit the conditional one.

    CFG-Zero* (arXiv 2503.18886, section 3.2); its zero-init is ``dit.schedules.zero_init``.
    """
    fit = projection(conditional, unconditional, clip, clips)
    return cfg(conditional, fit * unconditional, scale)


def apg(
    conditional: Tensor,
    unconditional: Tensor,
    scale: float,
    clip: Tensor,
    clips: int,
    parallel: float = 0.0,
    norm_limit: float | None = None,
) -> Tensor:
    """Adaptive projected guidance (arXiv 2410.02416, section 5 and algorithm 1) without its momentum.

    Takes data estimates, as the paper does; the sampler turns velocities into them and back (``ON_DATA``). The part of
    the guidance direction that is parallel to the conditional estimate is weighted by ``parallel``; 1 is plain CFG.
    The norm of the direction of a clip is held below ``norm_limit``.
    """
    difference = conditional - unconditional
    if norm_limit is not None:
        norm = _per_clip(difference.square(), clip, clips).sqrt()
        difference = difference * (norm_limit / norm.clamp(min=1e-12)).clamp(max=1.0)[clip, None]
    along = projection(difference, conditional, clip, clips) * conditional
    return conditional + (scale - 1) * (difference - along + parallel * along)


def _plain(
    conditional: Tensor, unconditional: Tensor, scale: float, clip: Tensor, clips: int
) -> Tensor:
    return cfg(conditional, unconditional, scale)


def rescaled(guided: Tensor, conditional: Tensor, share: float, clip: Tensor, clips: int) -> Tensor:
    """``share`` of the way to a guided prediction with the deviation of the conditional one, for each clip.

    Lin et al., arXiv 2305.08891, section 3.4, equations 14 to 16; they use .7.
    """

    def deviation(values: Tensor) -> Tensor:
        count = torch.bincount(clip, minlength=clips) * values.shape[1]
        mean = _per_clip(values, clip, clips) / count
        return (_per_clip(values.square(), clip, clips) / count - mean.square()).clamp(min=0).sqrt()

    ratio = deviation(conditional) / deviation(guided).clamp(min=1e-12)
    return guided * (share * ratio + 1 - share)[clip, None]


def skip_layer(guided: Tensor, conditional: Tensor, weak: Tensor, scale: float) -> Tensor:
    """Away from what the model predicts without some of its blocks (STG, arXiv 2411.18664, section 3.2)."""
    return guided + scale * (conditional - weak)


def within(interval: tuple[float, float], inside: Velocity, outside: Velocity) -> Velocity:
    """Guidance at the levels of an interval alone (Kynkaanniemi et al., arXiv 2404.07724, section 3).

    ``inside`` is followed at levels from ``interval[0]`` to ``interval[1]``, ``outside`` at all others.
    """
    low, high = interval

    def velocity(x: Tensor, t: float) -> Tensor:
        return (inside if low <= t <= high else outside)(x, t)

    return velocity


def on_data(
    rule: Guidance,
    conditional: Tensor,
    unconditional: Tensor,
    scale: float,
    clip: Tensor,
    clips: int,
    x: Tensor,
    levels: Tensor,
) -> Tensor:
    """A rule applied to data estimates x - t v: the velocity (N, D) of what it makes of them.

    ``x`` (N, D) are the noisy tokens, ``levels`` (N,) their levels; a token at level 0 keeps its conditional velocity.
    """
    t = levels[:, None]
    data = rule(x - t * conditional, x - t * unconditional, scale, clip, clips)
    return torch.where(t > 0, (x - data) / t.clamp(min=1e-6), conditional)


RULES: dict[str, Guidance] = {"cfg": _plain, "cfg-zero": cfg_zero_star, "apg": apg}
"""Guidance rules by name."""
ON_DATA = frozenset({"apg"})
"""Rules that combine data estimates; the others combine velocities."""


def guidance_named(name: str) -> Guidance:
    """A rule of ours, or the function that ``module:function`` names. Raises ``ValueError`` for any other name."""
    rule: Guidance = named(RULES, name, "guidance rule")
    return rule
