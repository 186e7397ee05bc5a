"""Try models out on this machine: load each, run it once on a clip of noise, and say what it takes."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np

    from jobs.core.recipe import Recipe
    from jobs.models.needs import Need

CLIP_S = 5.0
"""Length of the clip that is tried, and that footage is reckoned in, seconds."""
SHAPE = (180, 320)
"""Height and width of its frames, pixels; longer sides than a model takes are scaled down by it anyway."""


@dataclass(frozen=True, kw_only=True)
class Tried:
    """What running a model once came to."""

    role: str
    """What the model is for."""
    model: str
    """Its name."""
    device: str
    """Where it ran."""
    load_s: float
    """Seconds to load it."""
    clip_s: float
    """Seconds that it takes for a clip: the second run, since the first warms up."""
    memory_mb: float
    """Memory that it holds: on the GPU what torch has allocated at the most, else what the process has grown by."""
    note: str
    """What it said or how large its output is."""

    def hours(self, footage_h: float) -> float:
        """Hours of work for hours of footage, one clip after the other."""
        return footage_h * 3600 / CLIP_S * self.clip_s / 3600


def try_openclip(model: str, frames: int, role: str) -> Tried:
    """Load a CLIP model and embed one clip."""
    from pipeline.openclip.model import load_openclip

    clip, load_s, before = _measured(lambda: load_openclip(model, device=device()))
    pictures = noise(frames)
    clip_s = _second(lambda: clip.embed_clip(pictures))
    return Tried(
        role=role,
        model=model,
        device=device(),
        load_s=load_s,
        clip_s=clip_s,
        memory_mb=memory_mb() - before,
        note=f"{clip.dim} numbers a clip, {clip.context_length} tokens of text",
    )


def try_captioner(recipe: Recipe) -> Tried:
    """Load the captioner, or reach its server, and ask it for every kind of caption of one clip."""
    from captioner.ask.frames import from_pixels
    from captioner.ask.prompts import fill, prompt_set
    from captioner.ask.structured import json_schema
    from captioner.backends.base import Request
    from captioner.backends.open import check_backend, open_backend

    config = recipe.caption
    check_backend(config)
    backend, load_s, before = _measured(lambda: open_backend(config))
    frames = backend.prepare(from_pixels(noise(config.frames), CLIP_S))
    prompts = prompt_set(config.model, config.prompts)
    requests = [
        Request(
            clip_id="check",
            kind=kind,
            frames=frames,
            prompt=fill(prompts[kind], frames=config.frames, seconds=CLIP_S),
            schema=json_schema() if kind == "structured" else None,
        )
        for kind in config.asked
    ]
    start = time.monotonic()
    replies = list(backend.caption(iter(requests)))
    clip_s = time.monotonic() - start
    if error := next((reply.error for reply in replies if reply.error), None):
        raise ValueError(f"captioner {config.model!r} does not answer: {error}")
    said = " ".join((replies[0].text or "").split())
    result = Tried(
        role="captioner",
        model=config.model,
        device=config.base_url if config.backend == "openai" else device(),
        load_s=load_s,
        clip_s=clip_s,
        memory_mb=memory_mb() - before,
        note=f"of noise it said {said[:60]!r}",
    )
    backend.close()
    return result


def try_model(need: Need, recipe: Recipe) -> Tried:
    """Run one model that a recipe names, in its role."""
    if need.kind == "captioner":
        return try_captioner(recipe)
    return try_openclip(need.model, recipe.openclip.frames, " and ".join(need.roles))


def device() -> str:
    """Where models run here."""
    import torch

    return "cuda" if torch.cuda.is_available() else "cpu"


def memory_mb() -> float:
    """Memory in use: what torch allocated at the most on a GPU, else the process's own."""
    import torch

    if torch.cuda.is_available():
        return float(torch.cuda.max_memory_allocated() / 1e6)
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6


def noise(frames: int) -> np.ndarray:
    """uint8 (frames, H, W, 3): what a clip of nothing looks like; the same each time."""
    import numpy as np

    return np.random.default_rng(0).integers(0, 256, (frames, *SHAPE, 3), np.uint8)


def _measured(load: Callable[[], Any]) -> tuple[Any, float, float]:
    before, start = memory_mb(), time.monotonic()
    loaded = load()
    return loaded, time.monotonic() - start, before


def _second(work: Callable[[], Any]) -> float:
    work()
    start = time.monotonic()
    work()
    return time.monotonic() - start
