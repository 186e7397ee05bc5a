"""More time for a video: extend it forward or backward, close it to a loop, connect it with another.

All four give the model some latent frames and let it make the rest (``dit.conditioning``). A latent frame stands for
``step`` frames of the video, the first of a window for one; with the embedded VAE ``step`` is 4.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count

import numpy as np
import torch

from dit.conditioning import given_frames, given_latents
from dit.config import SampleConfig
from dit.video_models import VideoModels, empty_like


def extend(
    video: np.ndarray,
    prompt: str,
    *,
    models: VideoModels,
    frames: int,
    config: SampleConfig | None = None,
    seed: int = 0,
    context: int = 2,
    backward: bool = False,
) -> np.ndarray:
    """The video with ``frames`` more after it, or before it with ``backward``; its own frames stay as they are.

    Args:
        video: uint8 RGB (T, H, W, 3).
        prompt: Caption of the whole; an empty one is none.
        models: The models.
        frames: New frames. What does not fit into one window is made in several hops.
        config: ``config.frames`` is the length of a window, given frames included.
        seed: Seed of the first hop's noise; the next ones count up.
        context: Latent frames that each hop is given.
        backward: Make what came before.

    Returns:
        uint8 RGB (T + frames, H, W, 3).

    Raises:
        ValueError: the video is too short or of a size that the VAE does not take, or the window holds no new frame.
    """
    extension = Extension(
        video=video,
        prompt=prompt,
        models=models,
        frames=frames,
        config=config or SampleConfig(),
        seed=seed,
        context=context,
    )
    if backward:
        return np.concatenate([*[*extension.backward()][::-1], video])
    return np.concatenate([video, *extension.forward()])


@dataclass(frozen=True, kw_only=True)
class Extension:
    """A video and how it is extended, a hop at a time; memory holds one window, however long it goes on."""

    video: np.ndarray
    """uint8 RGB (T, H, W, 3)."""
    prompt: str
    """Caption of the whole; an empty one is none."""
    models: VideoModels
    """The models."""
    frames: int
    """New frames."""
    config: SampleConfig = SampleConfig()
    """``config.frames`` is the length of a window, given frames included."""
    seed: int = 0
    """Seed of the first hop's noise; the next ones count up."""
    context: int = 2
    """Latent frames that each hop is given."""
    carry: bool = True
    """Give the latents that a hop ended with to the next one as they are; without it frames are decoded and encoded
    again, which costs a pass through the VAE at each hop."""

    def forward(self) -> Iterator[np.ndarray]:
        """The frames that follow the video.

        Of what is carried over, only the frame before it is encoded: the first latent frame of a window stands for one
        frame.
        """
        models, context = self.models, self.context
        window = checked_window(models, self.config, context, least_new=1)
        known = 1 + models.step * (context - 1)
        models.check_video(self.video, known, f"extend it with {context} latent frames of context")
        latents = models.encode(self.video[-known:])
        left, seeds = self.frames, count(self.seed)
        while left > 0:
            made = self._hop(latents, window, "prefix", next(seeds))
            decoded = models.decode(made)
            new = decoded[known:][:left]
            yield new
            left -= len(new)
            if self.carry and context > 1:
                first = models.encode(decoded[-known][None])
                latents = torch.cat((first, made[:, 1 - context :]), dim=1)
            else:
                latents = models.encode(decoded[-known:])

    def backward(self) -> Iterator[np.ndarray]:
        """The frames that precede the video, the last ones first.

        The frame before the given ones is made, too, and left out: the video has it, and with it as what came before,
        the given frames are encoded as they lie inside a video.
        """
        models, context = self.models, self.context
        window = checked_window(models, self.config, context, least_new=2)
        known = 1 + models.step * context
        what = f"extend it backward with {context} latent frames of context"
        models.check_video(self.video, known, what)
        latents = inner_latents(self.video[:known], models)
        new_frames = models.step * (window - context - 1)
        left, seeds = self.frames, count(self.seed)
        while left > 0:
            made = self._hop(latents, window, "suffix", next(seeds))
            decoded = models.decode(made)
            new = decoded[:new_frames][-left:]
            yield new
            left -= len(new)
            if self.carry:
                latents = made[:, 1 : 1 + context]
            else:
                latents = inner_latents(decoded[:known], models)

    def _hop(self, latents: torch.Tensor, window: int, where: str, seed: int) -> torch.Tensor:
        """Latents of a window that has the given ones at its start or its end."""
        clean = empty_like(latents, window)
        given = given_frames(window, where, self.context)
        clean[:, given] = latents
        return self.models.sample(self.prompt, given_latents(clean, given), self.config, seed)


def connect(
    first: np.ndarray,
    second: np.ndarray,
    prompt: str,
    *,
    models: VideoModels,
    frames: int = 7,
    config: SampleConfig | None = None,
    seed: int = 0,
    context: int = 2,
) -> np.ndarray:
    """The first video, ``frames`` new ones that lead over, and the second video; both keep their own frames.

    Args:
        first, second: uint8 RGB (T, H, W, 3) of one size.
        prompt: Caption of the whole; an empty one is none.
        models: The models.
        frames: New frames; one less than a multiple of ``step``.
        config: Solver, noise levels, guidance, frame rate. Its ``frames`` is not used.
        seed: Seed of the noise.
        context: Latent frames given of the end of the first video; of the start of the second it is one.

    Returns:
        uint8 RGB (T1 + frames + T2, H, W, 3).

    Raises:
        ValueError: a video is too short, their sizes differ, or ``frames`` does not fit.
    """
    between = bridge(
        first, second, prompt, models=models, frames=frames, config=config, seed=seed,
        context=context,
    )  # fmt: skip
    return np.concatenate([first, between, second])


def loop(
    video: np.ndarray,
    prompt: str,
    *,
    models: VideoModels,
    frames: int = 7,
    config: SampleConfig | None = None,
    seed: int = 0,
    context: int = 2,
) -> np.ndarray:
    """The video and ``frames`` new ones that lead from its end back to its start; arguments as in ``connect``."""
    between = bridge(
        video, video, prompt, models=models, frames=frames, config=config, seed=seed,
        context=context,
    )  # fmt: skip
    return np.concatenate([video, between])


def bridge(
    first: np.ndarray,
    second: np.ndarray,
    prompt: str,
    *,
    models: VideoModels,
    frames: int,
    config: SampleConfig | None,
    seed: int,
    context: int,
) -> np.ndarray:
    """The frames between two videos, see ``connect``."""
    step = models.step
    if frames < 1 or (frames + 1) % step:
        low = max(1, frames // step) * step - 1
        raise ValueError(
            f"{frames} frames between two videos do not fit the VAE; use {low} or {low + step}"
        )
    if context < 1:
        raise ValueError(f"context is {context} latent frames; at least one is needed")
    known = 1 + step * (context - 1)
    models.check_video(first, known, f"lead on from it with {context} latent frames of context")
    models.check_video(second, 1 + step, "lead over to it")
    if first.shape[1:] != second.shape[1:]:
        raise ValueError(
            f"the videos are {first.shape[2]}x{first.shape[1]} and {second.shape[2]}x{second.shape[1]}; "
            "both must have one size"
        )
    before, after = models.encode(first[-known:]), inner_latents(second[: 1 + step], models)
    window = context + (frames + 1) // step + 1
    clean = empty_like(before, window)
    clean[:, :context], clean[:, -1:] = before, after
    given = given_frames(window, "prefix", context) | given_frames(window, "suffix", 1)
    made = models.sample(prompt, given_latents(clean, given), config or SampleConfig(), seed)
    return models.decode(made)[known : known + frames]


def inner_latents(frames: np.ndarray, models: VideoModels) -> torch.Tensor:
    """Latents of all but the first of 1 + k ``step`` frames: as they lie inside a video, ``step`` frames each."""
    return models.encode(frames)[:, 1:]


def checked_window(
    models: VideoModels, config: SampleConfig, context: int, *, least_new: int
) -> int:
    """Latent frames of a window; ``ValueError`` where it leaves no room beside ``context`` of them."""
    window = models.latent_frames(config.frames)
    if context < 1:
        raise ValueError(f"context is {context} latent frames; at least one is needed")
    if window < context + least_new:
        least = 1 + models.step * (context + least_new - 1)
        raise ValueError(
            f"a window of {config.frames} frames has no room for new ones beside {context} latent frames of context; "
            f"use --frames {least} or more, or less context"
        )
    return window
