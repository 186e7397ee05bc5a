"""What a step of ``reward-dit`` asks for: scenes of the synthetic world that never come twice, or prompts of a file."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import numpy as np

from jobs.core.errors import UserError

if TYPE_CHECKING:
    from dit.reward.draw import Ask
    from pipeline.contracts import Vae

SCENES = 0x5EED
"""Key of the draws of scenes."""


@dataclass(frozen=True, kw_only=True)
class Form:
    """Size and length of the videos of one prompt."""

    width: int
    height: int
    frames: int


class Wanted(Protocol):
    """A stream of prompts."""

    def at(self, step: int) -> list[tuple[str, Form]]:
        """Prompts and forms of a step; a function of its number."""
        ...


@dataclass(frozen=True, kw_only=True)
class WorldPrompts:
    """Captions of scenes of the split ``train``; another scene for every prompt of every step."""

    seed: int
    count: int
    """Prompts of a step."""
    sizes: tuple[tuple[int, int], ...]
    frames: int
    fps: float
    image_share: float
    short_share: float
    max_objects: int

    def at(self, step: int) -> list[tuple[str, Form]]:
        """See ``Wanted``."""
        from pipeline.world.captions import caption
        from pipeline.world.scene import random_scene

        found = []
        for i in range(self.count):
            rng = np.random.default_rng([SCENES, self.seed, step, i])
            width, height = self.sizes[int(rng.integers(len(self.sizes)))]
            frames = 1 if rng.random() < self.image_share else self.frames
            kind = "short" if rng.random() < self.short_share else "dense"
            scene = random_scene(
                int(rng.integers(2**62)),
                split="train",
                max_objects=self.max_objects,
                duration_s=self.frames / self.fps,
            )
            text = caption(scene, kind, still=frames == 1)
            found.append((text, Form(width=width, height=height, frames=frames)))
        return found


@dataclass(frozen=True, kw_only=True)
class FilePrompts:
    """Prompts of a file, in an order drawn anew for each pass."""

    prompts: tuple[str, ...]
    seed: int
    count: int
    sizes: tuple[tuple[int, int], ...]
    frames: int

    def at(self, step: int) -> list[tuple[str, Form]]:
        """See ``Wanted``."""
        found = []
        for n in range(step * self.count, (step + 1) * self.count):
            turn, place = divmod(n, len(self.prompts))
            order = np.random.default_rng([SCENES, self.seed, turn]).permutation(len(self.prompts))
            width, height = self.sizes[n % len(self.sizes)]
            found.append(
                (self.prompts[order[place]], Form(width=width, height=height, frames=self.frames))
            )
        return found


def read_prompts(path: Path) -> tuple[str, ...]:
    """Prompts of a text file, one a line; UserError for none, or for what can be no prompt."""
    from jobs.generate.texts import check_prompt

    try:
        text = path.read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(
            f"cannot read --prompts {path}: {error}; give a text file, one prompt a line"
        ) from None
    found = tuple(line.strip() for line in text.splitlines() if line.strip())
    if not found:
        raise UserError(f"--prompts {path} holds no prompt; write one a line")
    for prompt in found:
        check_prompt(prompt, f"--prompts {path}:")
    return found


def as_asks(wanted: Sequence[tuple[str, Form]], vae: Vae) -> list[Ask]:
    """The same with the sizes of latents."""
    from dit.reward.draw import Ask

    asks = []
    for prompt, form in wanted:
        _, t, h, w = vae.latent_shape(form.frames, form.height, form.width)
        asks.append(Ask(prompt=prompt, shape=(t, h, w)))
    return asks
