"""Training batches of the VAE: one shape per step, from video shards through the loader.

What a step sees (clips, single frames on image steps) is a pure function of the data, the seed and
the loader's (epoch, step), so resuming needs nothing but that.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from pipeline.loader.api import ClipView, Step, VideoBatches, with_workers
from vae.config import TrainConfig
from vae.foreign import AnyConfig

FRAMES_PER_CLIP = 4
"""Single frames that an image step takes from each clip."""


@dataclass(frozen=True, kw_only=True)
class TrainBatch:
    """This rank's share of one global step."""

    frames: Tensor
    """uint8 (B,T,H,W,3)."""
    data: dict[str, Any]
    """Loader state after this step, to save."""


class TrainData:
    """Endless steps for one rank; ``seek`` resumes. Rank r takes every ``world``-th clip from r.

    ``readers`` processes decode ahead of training, the same steps for any number of them; they share ``cache_mb``.
    """

    def __init__(
        self,
        folder: str | Path,
        model: AnyConfig,
        config: TrainConfig,
        *,
        rank: int = 0,
        world: int = 1,
        readers: int = 0,
        cache_mb: int = 1024,
        quarantine: str | Path | None = None,
    ) -> None:
        if config.batch % world:
            raise ValueError(f"batch {config.batch} does not divide over {world} workers")
        self.folder, self.seed, self.image_share = str(folder), config.seed, config.image_share
        self.rank, self.world, self.batch = rank, world, config.batch
        self.view = train_view(model, config)
        self.clips = VideoBatches(
            folder,
            samples_per_step=config.batch,
            seed=config.seed,
            rank=rank,
            world=world,
            view=self.view,
            quarantine=quarantine,
            cache_bytes=(cache_mb << 20) // max(1, readers),
        )
        self.steps = with_workers(self.clips, readers)

    def seek(self, data: dict[str, Any]) -> None:
        """Continue after the step whose ``TrainBatch.data`` this is."""
        self.steps.seek(data)

    def __iter__(self) -> Iterator[TrainBatch]:
        for step in self.steps:
            yield TrainBatch(frames=self.frames_of(step), data=step.state.to_dict())

    def frames_of(self, step: Step) -> Tensor:
        """uint8 (B,T,H,W,3) that training sees of a step: its clips, or single frames of each on image steps."""
        frames = torch.stack([unit["frames"] for unit in step.units])
        rng = np.random.default_rng([self.seed, step.epoch, step.step])
        if rng.random() < self.image_share and frames.shape[1] > 1:
            picks = rng.integers(0, frames.shape[1], size=(FRAMES_PER_CLIP, self.batch))
            rows = torch.arange(len(frames))
            images = [frames[rows, row[self.rank :: self.world]][:, None] for row in picks]
            frames = torch.stack(images, dim=1).flatten(0, 1)
        return frames


def train_view(model: AnyConfig, config: TrainConfig) -> ClipView:
    """Frames and sizes that training takes of a clip."""
    return ClipView(
        fps=config.fps,
        max_frames=config.max_frames,
        time_factor=getattr(model, "frame_step", model.time_factor),
        max_pixels=config.max_pixels,
        multiple=model.space_factor,
    )


def sample_clips(folder: str | Path, view: ClipView, n: int, *, seed: int = 0) -> list[np.ndarray]:
    """``n`` clips (fewer if there are fewer) as uint8 (T,H,W,3) of any shapes, in a seeded order."""
    clips = VideoBatches(folder, samples_per_step=1, seed=seed, view=view, same_shape=False)
    n = min(n, len(clips.manifest))
    return [step.units[0]["frames"].numpy() for step, _ in zip(clips, range(n), strict=False)]


def to_frames(batch: Any) -> Tensor:
    """uint8 (B,T,H,W,3) to float (B,3,T,H,W) in [-1,1]; memory stays channels-last."""
    return torch.as_tensor(batch).float().div_(127.5).sub_(1).permute(0, 4, 1, 2, 3)
