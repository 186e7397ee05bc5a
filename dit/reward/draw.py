"""The videos of a step: what is asked for, drawn by the policy, scored by the rewards."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from dit.checkpoint import Loaded
from dit.generation import ToSample, sample_latents, text_features
from dit.latents import LatentSpec
from dit.model import DiT
from dit.reward.config import RewardConfig
from dit.train.data import generator_for

if TYPE_CHECKING:
    from pipeline.contracts import Reward, TextEncoder, Vae

DRAW = -2
"""Key of the noise that videos are drawn from, beside those of training."""


@dataclass(frozen=True, kw_only=True)
class Ask:
    """One prompt of a step."""

    prompt: str
    """Caption; never empty."""
    shape: tuple[int, int, int]
    """Latent frames, rows and columns of its videos."""


Asks = Callable[[int], Sequence[Ask]]
"""What a step asks for: a function of its number alone, so that a run that was stopped goes on alike."""


@dataclass(frozen=True, kw_only=True)
class Judges:
    """The rewards of a run, each with its weight."""

    parts: Mapping[str, tuple[float, Reward]]
    """Name -> weight above 0, reward."""

    def score(
        self, videos: Sequence[np.ndarray], prompts: Sequence[str], fps: float
    ) -> tuple[np.ndarray, dict[str, np.ndarray]]:
        """Weighted mean of the rewards (N,) in [0, 1], and each of them by name.

        Raises ``ValueError`` for a reward that gives anything but numbers in [0, 1], one for each video.
        """
        found: dict[str, np.ndarray] = {}
        total = sum(weight for weight, _ in self.parts.values())
        mean = np.zeros(len(videos))
        for name, (weight, reward) in self.parts.items():
            scores = np.asarray(reward(videos, prompts, fps), np.float64)
            if scores.shape != mean.shape or not bool(np.all((scores >= 0) & (scores <= 1))):
                raise ValueError(
                    f"reward {name!r} gave {scores.tolist()[:4]} for {len(videos)} videos; "
                    "it must give one number in 0 to 1 for each"
                )
            found[name] = scores
            mean += weight / total * scores
        return mean, found


@dataclass(frozen=True, kw_only=True)
class Drawn:
    """The scored videos of a step; those of one prompt lie side by side."""

    latents: list[Tensor]
    """Normalised latents (C, T, H, W)."""
    texts: list[Tensor]
    """Token features (L, text_dim) of each one's prompt."""
    group: Tensor
    """(N,) int64: which prompt of the step."""
    groups: int
    """Prompts of the step."""
    rewards: Tensor
    """(N,) float64 in [0, 1]."""
    parts: dict[str, np.ndarray]
    """Each reward by name."""


def draw_step(
    policy: DiT,
    spec: LatentSpec,
    asks: Sequence[Ask],
    config: RewardConfig,
    step: int,
    *,
    vae: Vae,
    text_encoder: TextEncoder,
    judges: Judges,
    on_done: Callable[[int], object] | None = None,
) -> Drawn:
    """Draw ``config.group`` videos for each of ``asks`` and score them; noise is a function of seed and step.

    ``on_done`` is called with the number of videos that were just drawn or scored, twice for each in all.
    """
    features = text_features(text_encoder, [ask.prompt for ask in asks])
    every = [i for i in range(len(asks)) for _ in range(config.group)]
    loaded = Loaded(model=policy, latents=spec, id="", info={})
    latents: dict[int, Tensor] = {}
    asked = ToSample(
        texts=[features[i] for i in every],
        shapes=[asks[i].shape for i in every],
        seeds=[generator_for(config.seed, DRAW, step, n).initial_seed() for n in range(len(every))],
    )
    for part in sample_latents(loaded, asked, config.sampler):
        latents |= part
        if on_done:
            on_done(len(part))
    rewards, parts = [], []
    for i, ask in enumerate(asks):
        mine = range(i * config.group, (i + 1) * config.group)
        videos = [vae.decode(spec.denormalise(latents[n])) for n in mine]
        mean, found = judges.score(videos, [ask.prompt] * config.group, config.fps)
        rewards.append(mean)
        parts.append(found)
        if on_done:
            on_done(config.group)
    return Drawn(
        latents=[latents[n] for n in range(len(every))],
        texts=[features[i] for i in every],
        group=torch.tensor(every),
        groups=len(asks),
        rewards=torch.from_numpy(np.concatenate(rewards)),
        parts={name: np.concatenate([each[name] for each in parts]) for name in judges.parts},
    )
