"""Samplers: a schedule of noise levels, a solver over any velocity, and guided generation of packs of clips."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from dit.conditioning import hold, spread_frames, token_times
from dit.flow import shift_time
from dit.guidance import apg, cfg, cfg_zero_star
from dit.model import DiT
from dit.packing import make_layout, patchify, split_pack
from dit.paths import first_level, seen, velocity_of

Velocity = Callable[[Tensor, float], Tensor]
"""(x, t) -> dx/dt at the noise level t."""

GUIDANCES = ("cfg", "cfg-zero", "apg")


def schedule(steps: int, shift: float = 1.0, first: float = 1.0) -> list[float]:
    """``steps + 1`` noise levels from exactly 1 to exactly 0, even before the shift; none above ``first``."""
    if steps < 1:
        raise ValueError(f"sampling needs at least one step, not {steps}")
    even = torch.linspace(1, 0, steps + 1, dtype=torch.float64)
    return shift_time(even, shift).clamp(max=first).tolist()


def euler(velocity: Velocity, x: Tensor, times: Sequence[float]) -> Tensor:
    """First-order steps along the velocity, one evaluation each."""
    for now, then in zip(times[:-1], times[1:], strict=True):
        x = x + (then - now) * velocity(x, now)
    return x


def heun(velocity: Velocity, x: Tensor, times: Sequence[float]) -> Tensor:
    """Second-order steps, two evaluations each; the last one, to t = 0, is an Euler step."""
    for now, then in zip(times[:-1], times[1:], strict=True):
        first = velocity(x, now)
        ahead = x + (then - now) * first
        x = ahead if then == 0 else x + (then - now) * 0.5 * (first + velocity(ahead, then))
    return x


SOLVERS: dict[str, Callable[[Velocity, Tensor, Sequence[float]], Tensor]] = {
    "euler": euler,
    "heun": heun,
}


@torch.no_grad()
def generate(
    model: DiT,
    shapes: Sequence[Sequence[int]],
    texts: Sequence[Tensor | None],
    *,
    steps: int = 30,
    guidance: float = 4.0,
    shift: float = 2.0,
    solver: str = "euler",
    rule: str = "cfg",
    seeds: Sequence[int] | None = None,
    fps: Sequence[float] | float = 8.0,
    clean: Sequence[Tensor | None] | None = None,
    given: Sequence[Tensor | None] | None = None,
) -> list[Tensor]:
    """Normalised latents (C, T, H, W) of one clip per shape (T, H, W), all in one pack.

    ``texts[i]`` (L, text_dim) or None; ``seeds[i]`` fixes clip i whatever else is in the pack. ``given[i]`` (T,) bool
    marks latent frames taken from ``clean[i]`` (C, T, H, W): image-to-video, extension, both ends.
    """
    patch, path, n = model.config.patch, model.config.path, len(shapes)
    if rule not in GUIDANCES:
        raise ValueError(f"guidance rule {rule!r} is unknown; use one of {', '.join(GUIDANCES)}")
    if solver not in SOLVERS:
        raise ValueError(f"solver {solver!r} is unknown; use one of {', '.join(SOLVERS)}")
    device = next(model.parameters()).device
    guided = guidance != 1.0
    copies = 2 if guided else 1
    rates = [float(fps)] * n if isinstance(fps, int | float) else list(fps)
    layout = make_layout(
        list(shapes) * copies,
        list(texts) + [None] * (n if guided else 0),
        patch=patch,
        text_dim=model.config.text_dim,
        fps=rates * copies,
    ).to(device)
    x, known, mask = _start(model, shapes, seeds or range(n), clean, given)
    x, known, mask = x.to(device), known.to(device), mask.to(device)
    held = mask.repeat(copies)
    memory = model.text(layout.text, layout.text_cu)
    clip = layout.clip[: len(x)]

    def velocity(x: Tensor, t: float) -> Tensor:
        x = hold(x, known, mask).repeat(copies, 1)
        level = torch.full((n * copies,), t, dtype=torch.float32, device=device)
        levels = token_times(level, layout, held)
        out = model(seen(path, x, levels), levels, layout, held, memory)
        out = velocity_of(path, out, x, levels)
        if not guided:
            return out
        conditional, unconditional = out.chunk(2)
        if rule == "cfg":
            return cfg(conditional, unconditional, guidance)
        if rule == "apg":
            return apg(conditional, unconditional, guidance, clip)
        return cfg_zero_star(conditional, unconditional, guidance, clip)

    first = first_level(path)
    x = x * math.hypot(first, 1 - first)  # noise of unit variance at the level it starts from
    x = hold(SOLVERS[solver](velocity, x, schedule(steps, shift, first)), known, mask).cpu()
    single = make_layout(shapes, [None] * n, patch=patch, text_dim=model.config.text_dim)
    return split_pack(x, single, patch)


def _start(
    model: DiT,
    shapes: Sequence[Sequence[int]],
    seeds: Sequence[int],
    clean: Sequence[Tensor | None] | None,
    given: Sequence[Tensor | None] | None,
) -> tuple[Tensor, Tensor, Tensor]:
    """Noise tokens, clean tokens and the token mask of what is given, for one copy of each clip."""
    config = model.config
    noise, known, masks = [], [], []
    for i, shape in enumerate(shapes):
        generator = torch.Generator().manual_seed(int(seeds[i]))
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
    layout = make_layout(shapes, [None] * len(shapes), patch=config.patch, text_dim=config.text_dim)
    return torch.cat(noise), torch.cat(known), spread_frames(masks, layout, config.patch[0])
