"""Packs of drawn videos ready for the model: noised for the contrast of good and bad, or to stay as before.

What is random comes from the generator that is handed in, so an update is a function of its number.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from dit.conditioning import draw_given, spread_masks, token_times
from dit.config import DiTConfig
from dit.levels import Levels, levels_of
from dit.packing import Layout, make_layout, patchify, real_share, token_count
from dit.paths import draw_levels
from dit.reward.config import RewardConfig
from pipeline.loader.packs import plan_packs
from pipeline.training.device import OnDevice


@dataclass(frozen=True, kw_only=True)
class Noised(OnDevice):
    """A pack of noised videos."""

    x_t: Tensor
    """(N, token_dim) rectified mix of data and noise; given tokens are clean."""
    target: Tensor
    """(N, token_dim) noise - data."""
    t: Tensor
    """(N,) level of each token; 0 where given."""
    levels: Levels
    """The same as the model takes them."""
    given: Tensor
    """(N,) bool."""
    layout: Layout
    """Shapes and captions."""
    good: Tensor
    """(N, 1) optimality of each token's video."""
    real: Tensor | None
    """(N, token_dim) bool, False on edge padding; None when there is none."""


def packs_of(
    latents: Sequence[Tensor], picked: Sequence[int], budget: int, patch: tuple[int, int, int]
) -> list[list[int]]:
    """The videos ``picked`` in packs of at most ``budget`` tokens, those of a size side by side."""
    lengths = [token_count(tuple(z.shape[1:]), patch) for z in latents]
    order = sorted(picked, key=lambda i: lengths[i])
    return plan_packs(lengths, order, max([budget, *lengths]))


def noise_pack(
    latents: Sequence[Tensor],
    texts: Sequence[Tensor | None],
    good: Tensor,
    model: DiTConfig,
    config: RewardConfig,
    generator: torch.Generator,
    *,
    masks: Sequence[Tensor] | None = None,
) -> Noised:
    """Noise videos (C, T, H, W) at levels of their own; ``masks`` (T,) bool each says which frames are given."""
    shapes = [tuple(z.shape[1:]) for z in latents]
    layout = make_layout(shapes, texts, patch=model.patch, text_dim=model.text_dim, fps=config.fps)
    x0 = torch.cat([patchify(z, model.patch) for z in latents])
    noise = torch.randn(x0.shape, generator=generator)
    level = draw_levels(model.path, len(latents), config.shift, generator)
    given = spread_masks(
        masks or [torch.zeros(shape[0], dtype=torch.bool) for shape in shapes], layout, model.patch
    )
    t = token_times(level, layout, given)
    return Noised(
        x_t=(1 - t)[:, None] * x0 + t[:, None] * noise,
        target=noise - x0,
        t=t,
        levels=levels_of(t, layout.clip),
        given=given,
        layout=layout,
        good=good.float()[layout.clip][:, None],
        real=_real(shapes, model),
    )


def without_captions(pack: Noised, model: DiTConfig) -> Noised:
    """The same noisy videos without their captions."""
    layout = make_layout(
        pack.layout.shapes,
        [None] * pack.layout.n_clips,
        patch=model.patch,
        text_dim=model.text_dim,
        fps=pack.layout.fps.tolist(),
    )
    return replace(pack, layout=layout)


def anchor_pack(
    latents: Sequence[Tensor],
    texts: Sequence[Tensor],
    model: DiTConfig,
    config: RewardConfig,
    generator: torch.Generator,
) -> Noised:
    """Videos as no reward sees them: half of them without a caption, the others with frames given.

    An image has no frame to give and always loses its caption.
    """
    shown: list[Tensor | None] = []
    masks = []
    for latent, text in zip(latents, texts, strict=True):
        bare = bool(torch.rand((), generator=generator) < 0.5) or latent.shape[1] < 2
        shown.append(None if bare else text)
        masks.append(draw_given(latent.shape[1], 0.0 if bare else 1.0, generator))
    half = torch.full((len(latents),), 0.5)
    return noise_pack(latents, shown, half, model, config, generator, masks=masks)


def anchor_picks(count: int, share: float, generator: torch.Generator) -> Iterator[int]:
    """Which of ``count`` videos stay as before in an update: ``share`` of them, one at least where it is above 0."""
    if share and count:
        yield from torch.randperm(count, generator=generator)[
            : max(1, round(share * count))
        ].tolist()


def _real(shapes: Sequence[Sequence[int]], model: DiTConfig) -> Tensor | None:
    padding = [real_share(shape, model.patch) for shape in shapes]
    if all(mask is None for mask in padding):
        return None
    rows = []
    for shape, mask in zip(shapes, padding, strict=True):
        whole = torch.ones(token_count(shape, model.patch), model.token_dim, dtype=torch.bool)
        rows.append(whole if mask is None else mask.repeat(1, model.latent_channels))
    return torch.cat(rows)
