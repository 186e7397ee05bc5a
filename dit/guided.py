"""The guided velocity of a pack of clips: laid out once on the host, then asked for at one noise level after another.

Between two levels nothing waits for the device: lengths, levels and masks are known before the first step.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from dit.block_runs import BlockRun, ReusingRun, run_all, skipping
from dit.conditioning import Condition, hold, token_starts
from dit.config import DiTConfig, SamplerConfig
from dit.guidance import (
    ON_DATA,
    RULES,
    guidance_named,
    on_data,
    rescaled,
    skip_layer,
    with_reference,
    within,
)
from dit.levels import Levels, levels_of
from dit.model import DiT
from dit.packing import Layout, make_layout, patchify
from dit.parallel.context import ALONE, Context, check_heads
from dit.parallel.split import split_layout, split_levels, take
from dit.parallel.spread import gathered
from dit.paths import seen, velocity_of
from dit.references import with_references
from dit.solvers import Velocity
from pipeline.training.device import OnDevice

GUIDANCES = tuple(RULES)


@dataclass(frozen=True, kw_only=True)
class PlanPart(OnDevice):
    """Of a plan, the part that is one process's (``dit.parallel``)."""

    layout: Layout
    """Its tokens, of all copies."""
    levels: Levels
    """Their levels at time 1."""
    context: Context
    """The processes."""


@dataclass(frozen=True, kw_only=True)
class Plan(OnDevice):
    """What stays the same over all steps of a pack."""

    clips: int
    """Clips in the pack."""
    copies: int
    """1, or 2 where the clips run with their captions and once more without, or 3: at last without references, too."""
    layout: Layout
    """All copies: those with captions first."""
    levels: Levels
    """Level of each token at time 1; times t these are the levels at t. 0 where a token is given."""
    noise: Tensor
    """(N, token_dim) of one copy: where sampling starts."""
    known: Tensor
    """(N, token_dim) of one copy: clean tokens of what is given or edited; no matter elsewhere."""
    given: Tensor
    """(N,) bool of one copy: tokens that come out as they are known."""
    noised: Tensor
    """(N,) bool of one copy: given tokens that the model sees at the level of the others."""
    any_noised: bool
    """Whether there are such tokens, known on the host."""
    start: Tensor
    """(N,) of one copy: level at which each token starts, see ``Condition``."""
    part: PlanPart | None = None
    """What this process works on, where several share the pack; all of them hold everything else."""

    def first(self, t: float) -> Tensor:
        """(N, token_dim) tokens of one copy at time ``t``, before the first step."""
        level = (self.start * t)[:, None]
        # what is generated has unit variance at the level it starts from, which is below 1 on the path of DDPM
        pure = self.noise * math.hypot(t, 1 - t)
        mixed = (1 - level) * self.known + level * self.noise
        return torch.where(self.start[:, None] == 1, pure, mixed)


def plan_pack(
    config: DiTConfig,
    shapes: Sequence[Sequence[int]],
    texts: Sequence[Tensor | None],
    *,
    guided: bool = True,
    seeds: Sequence[int] | None = None,
    fps: Sequence[float] | float = 8.0,
    conditions: Sequence[Condition | None] | None = None,
    references: Sequence[Sequence[Tensor]] | None = None,
    reference_scale: float = 1.0,
    context: Context = ALONE,
) -> Plan:
    """Lay out clips of latent ``shapes`` (T, H, W) on the CPU; arguments as in ``dit.samplers.generate``.

    Without ``guided`` there is one copy, whatever the ``reference_scale``.
    """
    check_heads(config.heads, context.size)
    n, copies = len(shapes), 2 if guided else 1
    shown = list(references or [])
    if guided and any(shown) and reference_scale != 1:
        copies = 3
    rates = [float(fps)] * n if isinstance(fps, int | float) else list(fps)
    layout = make_layout(
        list(shapes) * copies,
        list(texts) + [None] * n * (copies - 1),
        patch=config.patch,
        text_dim=config.text_dim,
        fps=rates * copies,
    )
    if any(shown):
        nothing: list[Sequence[Tensor]] = [() for _ in range(n * (copies - 2))]
        layout = with_references(layout, [*shown * min(copies, 2), *nothing], config.patch)
    noise, known, starts, noised = [], [], [], []
    for i, shape in enumerate(shapes):
        generator = torch.Generator().manual_seed(int(seeds[i] if seeds is not None else i))
        size = (config.latent_channels, *shape)
        noise.append(patchify(torch.randn(size, generator=generator), config.patch))
        condition = conditions[i] if conditions is not None else None
        if condition is None:
            condition = Condition(clean=torch.zeros(size), start=torch.ones(size[1:]))
        elif tuple(condition.clean.shape) != size:
            raise ValueError(
                f"clip {i}: given latents are {tuple(condition.clean.shape)}, the clip is {size}"
            )
        known.append(patchify(condition.clean, config.patch))
        start = token_starts(condition.start, config.patch)
        starts.append(start)
        noised.append((start == 0) & (condition.keep == "noised"))
    start, seen_noised = torch.cat(starts), torch.cat(noised)
    levels = levels_of(
        torch.where(seen_noised, 1.0, start).repeat(copies), layout.clip, layout.references
    )
    part = None
    if context.size > 1:
        part = PlanPart(
            layout=split_layout(layout, context),
            levels=split_levels(levels, context),
            context=context,
        )
    return Plan(
        clips=n,
        copies=copies,
        layout=layout,
        levels=levels,
        noise=torch.cat(noise),
        known=torch.cat(known),
        given=start == 0,
        noised=seen_noised,
        any_noised=bool(seen_noised.any()),
        start=start,
        part=part,
    )


def guided_velocity(
    model: DiT,
    plan: Plan,
    config: SamplerConfig | None = None,
    *,
    alone: Plan | None = None,
    reference_scale: float = 1.0,
    graph: bool = False,
) -> Velocity:
    """Velocity of one copy of the pack's tokens (N, token_dim) over time; ``plan`` is where the model is.

    ``config`` says how the velocities with and without captions are combined; its steps and solver are not used here.
    ``alone`` is the same pack laid out without guidance: it is followed outside ``config.interval``, and skip-layer
    guidance needs it. ``reference_scale`` is that of a plan of three copies. With ``graph`` the model's kernels are
    recorded once as a CUDA graph and replayed at every level.
    """
    config = config or SamplerConfig()
    combine = guidance_named(config.rule)
    clip = plan.layout.clip[: len(plan.noise)]
    predict = predictions(model, plan, reuse=config.reuse, graph=graph)
    single = alone or plan
    weak = None
    if config.skip_scale:
        weak = predictions(model, single, skipped=config.skip_blocks)

    def velocity(x: Tensor, t: float) -> Tensor:
        x = held_at(plan, x, t)
        conditional, *others = predict(x, t).chunk(plan.copies)
        out = conditional
        if others:
            shared = (conditional, others[0], config.scale, clip, plan.clips)
            if config.rule in ON_DATA:
                levels = torch.where(plan.noised, 1.0, plan.start) * t
                out = on_data(combine, *shared, x, levels)
            else:
                out = combine(*shared)
        if len(others) > 1:
            out = with_reference(out, others[0], others[1], reference_scale)
        if weak is not None:
            out = skip_layer(
                out, conditional, weak(x, t).chunk(single.copies)[0], config.skip_scale
            )
        if config.rescale:
            out = rescaled(out, conditional, config.rescale, clip, plan.clips)
        return (
            out * plan.start[:, None]
        )  # a token's level is its start times t, so it moves by so much less

    if alone is None or config.interval == (0.0, 1.0):
        return velocity
    plain = predictions(model, alone, reuse=config.reuse, graph=graph)

    def unguided(x: Tensor, t: float) -> Tensor:
        return plain(held_at(plan, x, t), t) * plan.start[:, None]

    return within(config.interval, velocity, unguided)


def held_at(plan: Plan, x: Tensor, t: float) -> Tensor:
    """What the model is shown at time t: given tokens clean, or noised with their own noise."""
    clean = plan.known
    if plan.any_noised:
        clean = torch.where(plan.noised[:, None], (1 - t) * clean + t * plan.noise, clean)
    return hold(x, clean, plan.given)


def predictions(
    model: DiT,
    plan: Plan,
    *,
    reuse: int = 1,
    skipped: Sequence[int] = (),
    graph: bool = False,
) -> Velocity:
    """Velocities of all copies of tokens x (N, token_dim) at time t: (copies N, token_dim), not guided.

    ``reuse`` and ``skipped`` as in ``SamplerConfig``; with either there is no graph, for each call is another.
    Processes that share the pack must ask together; each gets all velocities.
    """
    run: BlockRun = ReusingRun(reuse) if reuse > 1 else skipping(skipped) if skipped else run_all
    path, part = model.config.path, plan.part
    layout, levels = (part.layout, part.levels) if part else (plan.layout, plan.levels)
    flagged = (plan.given & ~plan.noised).repeat(plan.copies)
    if part:
        flagged = take(flagged, part.context)
    memory = model.read(layout)

    def predict(x: Tensor, level: Tensor) -> Tensor:
        """The same at the table of levels."""
        x = x.repeat(plan.copies, 1)
        tokens = len(x)
        if part:
            x = take(x, part.context)
        now = levels.at(level)
        by_token = now.of_tokens()
        out = model(seen(path, x, by_token), now, layout, flagged, memory, run)
        out = velocity_of(path, out, x, by_token)
        return gathered(out, tokens, part.context) if part else out

    if graph and run is run_all and not part:
        from dit.graphs import recorded

        predict = recorded(predict, plan.noise, levels.value)
    return lambda x, t: predict(x, levels.value * t)
