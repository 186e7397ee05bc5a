"""Guided generation of packs of clips: a solver along the guided velocity of a pack, from noise to latents."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor

from dit.conditioning import Condition, hold
from dit.config import SamplerConfig
from dit.guided import Plan, guided_velocity, plan_pack
from dit.model import DiT
from dit.packing import make_layout, split_pack, token_count
from dit.parallel.context import ALONE, Context
from dit.paths import first_level
from dit.rectified_flow import shift_for
from dit.schedules import schedule, zero_init
from dit.solvers import Velocity, solver_named
from dit.watch import watched


@torch.no_grad()
def generate(
    model: DiT,
    shapes: Sequence[Sequence[int]],
    texts: Sequence[Tensor | None],
    config: SamplerConfig | None = None,
    *,
    seeds: Sequence[int] | None = None,
    fps: Sequence[float] | float = 8.0,
    conditions: Sequence[Condition | None] | None = None,
    references: Sequence[Sequence[Tensor]] | None = None,
    reference_scale: float = 1.0,
    cuda_graph: bool = False,
    context: Context = ALONE,
) -> list[Tensor]:
    """Normalised latents (C, T, H, W) of one clip per shape (T, H, W), all in one pack.

    ``texts[i]`` (L, text_dim) or None; ``seeds[i]`` fixes clip i whatever else is in the pack. ``conditions[i]`` says
    what is known of clip i: image-to-video, extension, inpainting, editing (``dit.conditioning``). ``references[i]``
    are normalised latents (C, T, H, W) that clip i is shown (``dit.references``), each of a size of its own; they are
    followed with ``reference_scale``, beside ``config.guidance`` for the caption.
    ``cuda_graph`` as ``graph`` of ``dit.guided.guided_velocity``. With a ``context`` its processes share the tokens:
    all call this together with the same arguments, and each gets the same latents.

    A few-step model is sampled as it was distilled (``dit.few_steps``). Raises ValueError where ``config`` asks it for
    something else, or where a clip is to start between data and noise.
    """
    few = model.config.few_steps
    config = (config or SamplerConfig()).settled(few)
    if few is not None:
        check_ends(conditions or [])
        if any(references or ()):
            raise ValueError(
                "a few-step model was distilled without references; use the DiT that it was distilled from"
            )
        config = replace(config, guidance=1.0, rule="cfg")
    solver_named(config.solver)
    device = next(model.parameters()).device
    guided = config.scale != 1.0 or (any(references or ()) and reference_scale != 1.0)

    def lay_out(guided: bool) -> Plan:
        return plan_pack(
            model.config,
            shapes,
            texts,
            guided=guided,
            seeds=seeds,
            fps=fps,
            conditions=conditions,
            references=references,
            reference_scale=reference_scale,
            context=context,
        ).to(device)

    plan = lay_out(guided)
    alone = lay_out(False) if guided and config.needs_unguided else None
    velocity = guided_velocity(
        model, plan, config, alone=alone, reference_scale=reference_scale, graph=cuda_graph
    )
    tokens = max(token_count(shape, model.config.patch) for shape in shapes)
    times = zero_init(level_schedule(model, config, tokens), config.zero_steps)
    single = make_layout(
        shapes, [None] * len(shapes), patch=model.config.patch, text_dim=model.config.text_dim
    )

    def split(tokens: Tensor) -> list[Tensor]:
        return split_pack(tokens, single, model.config.patch)

    return split(solve(watched(velocity, times, split), plan, times, config.solver).cpu())


def check_ends(conditions: Sequence[Condition | None]) -> None:
    """Raise ValueError where a few-step model would start between data and noise: it knows its own levels alone."""
    for condition in conditions:
        if condition is not None and bool(((condition.start > 0) & (condition.start < 1)).any()):
            raise ValueError(
                "a few-step model makes a cell anew or leaves it as it is, nothing in between; use strength 1, or "
                "the DiT that it was distilled from"
            )


def level_schedule(model: DiT, config: SamplerConfig, tokens: int = 0) -> list[float]:
    """The noise levels that a config asks for videos of ``tokens``, none above where the model's path begins."""
    shift = shift_for(tokens, config.shift, config.shift_tokens)
    return schedule(config.step_count, shift, first_level(model.config.path), config.schedule)


def solve(velocity: Velocity, plan: Plan, times: Sequence[float], solver: str) -> Tensor:
    """Tokens (N, token_dim) of the pack's clips at ``times[-1]``, from its noise; waits for no device."""
    x = solver_named(solver)(velocity, plan.first(times[0]), times)
    return hold(x, plan.known, plan.given)
