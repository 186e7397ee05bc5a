"""Training data: packs of latents from the loader, with some clips held out, and what is drawn for each pack.

Everything random about a pack (posterior sample, noise, noise levels, given frames) comes from a generator keyed by
(seed, step, pack), and which caption a clip shows from a hash of (seed, epoch, clip_id), so a step is a function of its
number and no RNG state has to be saved.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from dit.conditioning import draw_around, draw_given, spread_masks, token_times
from dit.config import DiTConfig, TrainConfig
from dit.latents import LatentSpec
from dit.levels import Levels, levels_of
from dit.packing import Layout, make_layout, patchify, real_share, token_count
from dit.parallel.context import Context
from dit.parallel.split import split_layout, split_levels, take
from dit.paths import draw_levels, known_floor, noised
from dit.rectified_flow import shift_for, token_means
from dit.references import with_references
from dit.train.training_packs import REFERENCES
from pipeline import schema as s
from pipeline.training.device import to_device


@dataclass(frozen=True, kw_only=True)
class Batch:
    """One pack ready for the model."""

    x_t: Tensor
    """(N, token_dim) noisy tokens; given tokens are clean."""
    target: Tensor
    """(N, token_dim) velocity, or noise on the ``vp`` path."""
    levels: Levels
    """Noise level of each token."""
    given: Tensor
    """(N,) bool: tokens that condition and carry no loss."""
    weight: Tensor
    """(N,) how much each token counts, see ``token_weights``; 0 where given."""
    total: float
    """Sum of ``weight``."""
    floor: Tensor
    """(N,) least loss of each token that any model can have, see ``dit.paths.known_floor``."""
    real: Tensor | None
    """(N, token_dim) bool, False on edge padding; None when there is none."""
    layout: Layout
    """Shapes, coordinates and captions of the pack."""

    def to(self, device: torch.device | str) -> Batch:
        """What the model and its loss need, on ``device``; ``floor``, which is only reported, stays."""
        moved = to_device({name: v for name, v in vars(self).items() if name != "floor"}, device)
        return replace(self, **moved)

    def part(self, context: Context) -> Batch:
        """Of a batch on the CPU what one process of ``context`` works on; all that is summed is of its tokens alone."""
        if context.size == 1:
            return self
        weight = take(self.weight, context, fill=0)
        return Batch(
            x_t=take(self.x_t, context),
            target=take(self.target, context),
            levels=split_levels(self.levels, context),
            given=take(self.given, context),
            weight=weight,
            total=float(weight.sum()),
            floor=take(self.floor, context),
            real=None if self.real is None else take(self.real, context),
            layout=split_layout(self.layout, context),
        )

    def pinned(self) -> Batch:
        """The same in pinned memory, from which a GPU copies while it computes."""
        names = ("x_t", "target", "given", "weight", "real")
        return replace(
            self,
            **{name: v.pin_memory() for name in names if (v := getattr(self, name)) is not None},
        )


def generator_for(*key: int) -> torch.Generator:
    """A generator seeded by a hash of the key."""
    digest = hashlib.blake2b(repr(key).encode(), digest_size=8).digest()
    return torch.Generator().manual_seed(int.from_bytes(digest, "big") >> 1)


def in_layout_order(clips: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """The clips of a pack in the order in which ``make_batch`` lays them out."""
    return sorted(clips, key=lambda c: (c[s.LATENT_MEAN].shape, len(c[s.TEXT_FEATURES])))


def make_batch(
    clips: Sequence[dict[str, Any]],
    spec: LatentSpec,
    model: DiTConfig,
    config: TrainConfig,
    generator: torch.Generator,
    *,
    times: Tensor | None = None,
) -> Batch:
    """Draw noise, levels and conditions for a pack of loader items.

    With ``times`` (clips,) the levels are fixed and no frame is given: the held-out loss.
    Clips are laid out by size, so that segments of like length lie side by side.
    """
    clips = in_layout_order(clips)
    fixed = times is not None
    shapes = [tuple(clip[s.LATENT_MEAN].shape[1:]) for clip in clips]
    texts = [clip[s.TEXT_FEATURES] if len(clip[s.TEXT_FEATURES]) else None for clip in clips]
    layout = make_layout(
        shapes,
        texts,
        patch=model.patch,
        text_dim=model.text_dim,
        fps=[float(clip[s.FPS] or 8.0) for clip in clips],
    )
    shown = [[spec.normalise(latent) for latent in clip.get(REFERENCES, ())] for clip in clips]
    layout = with_references(layout, shown, model.patch)
    tokens, variances = [], []
    for clip in clips:
        mean, deviation = clip[s.LATENT_MEAN], (0.5 * clip[s.LATENT_LOGVAR]).exp()
        latent = mean + deviation * torch.randn(mean.shape, generator=generator)
        tokens.append(patchify(spec.normalise(latent), model.patch))
        variances.append(patchify(spec.scale(deviation).square(), model.patch))
    x0 = torch.cat(tokens)
    noise = torch.randn(x0.shape, generator=generator)
    if times is None:
        tokens_each = (token_count(shape, model.patch) for shape in shapes)
        shifts = [shift_for(n, config.shift, config.shift_tokens) for n in tokens_each]
        level = draw_levels(model.path, len(clips), torch.tensor(shifts), generator)
    else:
        level = times
    masks = [draw_mask(shape, config, generator, fixed=fixed) for shape in shapes]
    given = spread_masks(masks, layout, model.patch)
    t = token_times(level, layout, given)
    weight = token_weights(layout, given, config, model.patch[0])
    padding = [real_share(shape, model.patch) for shape in shapes]
    real = None
    if any(mask is not None for mask in padding):
        rows = [
            torch.ones(len(x), x.shape[1], dtype=torch.bool)
            if mask is None
            else mask.repeat(1, model.latent_channels)
            for x, mask in zip(tokens, padding, strict=True)
        ]
        real = torch.cat(rows)
    x_t, target = noised(model.path, x0, noise, t)
    floor = known_floor(model.path, torch.cat(variances), t)
    return Batch(
        x_t=x_t,
        target=target,
        levels=levels_of(t, layout.clip, layout.references),
        given=given,
        weight=weight,
        total=float(weight.sum()),
        floor=token_means(floor, real),
        real=real,
        layout=layout,
    )


def draw_mask(
    shape: Sequence[int], config: TrainConfig, generator: torch.Generator, *, fixed: bool = False
) -> Tensor:
    """What one training clip of latents (T, H, W) is given: bool (T,), or (T, H, W) where that is all but a box.

    ``fixed`` gives nothing, and draws what it always drew. Without ``around_share`` nothing more is drawn, so a run
    sees the noise that it saw before there was such a share.
    """
    given = draw_given(shape[0], 0.0 if fixed else config.condition_share, generator)
    if fixed or not config.around_share:
        return given
    chance = float(torch.rand((), generator=generator))
    return draw_around(shape, generator) if chance < config.around_share else given


def token_weights(
    layout: Layout, given: Tensor, config: TrainConfig, patch_frames: int = 1
) -> Tensor:
    """(N,) how much each token counts: 1, or its part of 1 per clip (``loss_unit``); nothing where given.

    With ``local_share`` a that share of a clip's weight goes to its first ``local_frames`` latent frames alone and
    the rest to all: the loss is a times the local mean plus 1 - a times the global one. A clip whose first frames
    are given has no local part.
    """
    weight = (~given).float()
    clips = layout.n_clips
    supervised = torch.zeros(clips).index_add(0, layout.clip, weight)
    if config.local_share:
        early = weight * (layout.coords[:, 0] * patch_frames < config.local_frames)
        local = torch.zeros(clips).index_add(0, layout.clip, early)
        share = torch.where(local > 0, config.local_share, 0.0)
        stronger = (share * supervised / local.clamp(min=1))[layout.clip] * early
        weight = (1 - share)[layout.clip] * weight + stronger
    if config.loss_unit == "clip":
        weight = weight / supervised[layout.clip]
    elif config.loss_unit != "token":
        raise ValueError(f"loss_unit {config.loss_unit!r} is unknown; use token or clip")
    return weight
