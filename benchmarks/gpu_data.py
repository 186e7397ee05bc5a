"""Data for ``benchmarks.gpu``: packs made in memory, so that a bare machine needs neither shards nor a loader."""

from __future__ import annotations

from typing import Any

import torch

from dit.config import DiTConfig
from dit.latents import LatentSpec
from pipeline import schema as s
from pipeline.config import MixConfig
from pipeline.loader.order import LoaderState
from pipeline.loader.steps import Step

FRAMES = 21
"""Latent frames of a long clip: 81 frames at 4 : 1."""


def grid_of(tokens: int) -> tuple[int, int, int]:
    """A clip of about ``tokens`` tokens as (frames, rows, columns) of tokens: 21 frames where it is long enough."""
    frames = FRAMES if tokens >= 4096 else 5
    side = max(2, round((tokens / frames) ** 0.5))
    return frames, side, max(2, round(tokens / frames / side))


def clip(number: int, grid: tuple[int, int, int], config: DiTConfig, words: int) -> dict[str, Any]:
    """A loader item of random latents whose tokens fill ``grid``, with ``words`` text tokens."""
    generator = torch.Generator().manual_seed(number)
    t, h, w = (g * p for g, p in zip(grid, config.patch, strict=True))
    shape = (config.latent_channels, t, h, w)
    return {
        s.CLIP_ID: f"clip{number:05d}",
        s.LATENT_MEAN: torch.randn(shape, generator=generator),
        s.LATENT_LOGVAR: torch.full(shape, -4.0) + 0.1 * torch.randn(shape, generator=generator),
        s.TEXT_FEATURES: torch.randn(words, config.text_dim, generator=generator),
        s.FPS: 16.0 if number % 2 else 8.0,
        s.KIND: "dense",
        s.CAPTION: f"clip {number}",
    }


class MemoryPacks:
    """What the trainer asks of its data, over packs that lie in memory: pack n of an epoch is step n."""

    def __init__(self, packs: list[list[dict[str, Any]]], config: DiTConfig, budget: int) -> None:
        self.packs, self.token_budget = packs, budget
        self.clip_ids = [each[s.CLIP_ID] for pack in packs for each in pack]
        self.held_out: list[int] = []
        self.n_clips = len(self.clip_ids)
        self.mix = MixConfig()
        self.state = LoaderState(manifest_hash="memory", seed=0)
        self._tokens = [
            sum(each[s.LATENT_MEAN][0].numel() // (config.patch[1] * config.patch[2]) for each in p)
            for p in packs
        ]
        channels = config.latent_channels
        self._spec = LatentSpec(
            vae_id="vae", text_encoder_id="text", mean=(0.0,) * channels, std=(1.0,) * channels
        )

    def at(self, state: LoaderState) -> Step:
        """The step that ``state`` stands before."""
        number = state.step % len(self.packs)
        after = LoaderState(manifest_hash="memory", seed=0, step=state.step + 1)
        return Step(
            epoch=0,
            step=state.step,
            units=[self.packs[number]],
            n_tokens=self._tokens[number],
            state=after,
        )

    def seek(self, state: LoaderState) -> None:
        """Go on from ``state``."""
        self.state = state

    def spec(self) -> LatentSpec:
        """Unit scale, made by no model."""
        return self._spec

    def held_out_packs(self) -> list[list[dict[str, Any]]]:
        """None is held out."""
        return []
