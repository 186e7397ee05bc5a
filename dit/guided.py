"""The guided velocity of a pack of clips: laid out once on the host, then asked for at one noise level after another.

Between two levels nothing waits for the device: lengths, levels and masks are known before the first step.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from dit.conditioning import hold, spread_frames, token_times
from dit.config import DiTConfig
from dit.guidance import RULES, guidance_named
from dit.levels import Levels, levels_of
from dit.model import DiT
from dit.packing import Layout, make_layout, patchify
from dit.paths import seen, velocity_of
from pipeline.training.device import to_device

Velocity = Callable[[Tensor, float], Tensor]
"""(x, t) -> dx/dt at the noise level t."""

GUIDANCES = tuple(RULES)


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What stays the same over all steps of a pack."""

    clips: int
    """Clips in the pack."""
    copies: int
    """1, or 2 where the clips run with their captions and once more without."""
    layout: Layout
    """All copies: those with captions first."""
    levels: Levels
    """1 where a token is generated and 0 where it is given; times t these are the levels at t."""
    noise: Tensor
    """(N, token_dim) of one copy: where sampling starts."""
    known: Tensor
    """(N, token_dim) of one copy: clean tokens of what is given, zeros elsewhere."""
    given: Tensor
    """(N,) bool of one copy."""

    def to(self, device: torch.device | str) -> Plan:
        """The same with its tensors on ``device``."""
        return replace(self, **to_device(vars(self), device))


def plan_pack(
    config: DiTConfig,
    shapes: Sequence[Sequence[int]],
    texts: Sequence[Tensor | None],
    *,
    guided: bool = True,
    seeds: Sequence[int] | None = None,
    fps: Sequence[float] | float = 8.0,
    clean: Sequence[Tensor | None] | None = None,
    given: Sequence[Tensor | None] | None = None,
) -> Plan:
    """Lay out clips of latent ``shapes`` (T, H, W) on the CPU; arguments as in ``dit.samplers.generate``."""
    n, copies = len(shapes), 2 if guided else 1
    rates = [float(fps)] * n if isinstance(fps, int | float) else list(fps)
    layout = make_layout(
        list(shapes) * copies,
        list(texts) + [None] * (n if guided else 0),
        patch=config.patch,
        text_dim=config.text_dim,
        fps=rates * copies,
    )
    noise, known, masks = [], [], []
    for i, shape in enumerate(shapes):
        generator = torch.Generator().manual_seed(int(seeds[i] if seeds is not None else i))
        size = (config.latent_channels, *shape)
        noise.append(patchify(torch.randn(size, generator=generator), config.patch))
        source = clean[i] if clean is not None else None
        if source is not None and tuple(source.shape) != size:
            raise ValueError(
                f"clip {i}: given latents are {tuple(source.shape)}, the clip is {size}"
            )
        known.append(patchify(torch.zeros(size) if source is None else source, config.patch))
        mask = given[i] if given is not None and source is not None else None
        masks.append(torch.zeros(shape[0], dtype=torch.bool) if mask is None else mask)
    all_masks = spread_frames(masks * copies, layout, config.patch[0])
    return Plan(
        clips=n,
        copies=copies,
        layout=layout,
        levels=levels_of(token_times(torch.ones(n * copies), layout, all_masks), layout.clip),
        noise=torch.cat(noise),
        known=torch.cat(known),
        given=all_masks[: len(all_masks) // copies],
    )


def guided_velocity(
    model: DiT, plan: Plan, guidance: float, rule: str = "cfg", *, graph: bool = False
) -> Velocity:
    """Velocity of one copy of the pack's tokens (N, token_dim); ``plan`` is where the model is.

    ``rule`` names a guidance rule: ``cfg``, ``cfg-zero``, ``apg`` or ``module:function`` (``dit.guidance``). With
    ``graph`` the model's kernels are recorded once as a CUDA graph and replayed at every level.
    """
    combine = guidance_named(rule)
    path, copies, layout = model.config.path, plan.copies, plan.layout
    held = plan.given.repeat(copies)
    memory = model.text(layout.text, layout.text_rows)
    clip = layout.clip[: len(plan.noise)]

    def predict(x: Tensor, level: Tensor) -> Tensor:
        """Velocities of all copies of x (N, token_dim) at the table of levels."""
        x = x.repeat(copies, 1)
        levels = plan.levels.at(level)
        by_token = levels.of_tokens()
        out = model(seen(path, x, by_token), levels, layout, held, memory)
        return velocity_of(path, out, x, by_token)

    if graph:
        from dit.graphs import recorded

        predict = recorded(predict, plan.noise, plan.levels.value)

    def velocity(x: Tensor, t: float) -> Tensor:
        out = predict(hold(x, plan.known, plan.given), plan.levels.value * t)
        if copies == 1:
            return out
        conditional, unconditional = out.chunk(2)
        return combine(conditional, unconditional, guidance, clip, plan.clips)

    return velocity
