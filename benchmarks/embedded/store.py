"""Latents and captions of the clips at hand, encoded where the models are; old ones give way to new ones."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from benchmarks.embedded.render import render_all
from benchmarks.embedded.scenes import PAD, Bucket, Scenes, Stream, by_share
from pipeline.openclip.model import OpenClipModel
from vae.model import VideoVAE

WORDS = 80
"""Most text tokens of a caption of the world."""
FILLED = 0.2
"""Share of the clips that training begins with; the others come while it runs."""
CHUNK = 64
"""Scenes that are encoded together."""


@dataclass(frozen=True, kw_only=True)
class Part:
    """Clips of one bucket in every step."""

    bucket: Bucket
    count: int
    """Clips in a step."""
    kept: int
    """Clips whose latents are at hand."""


def parts_of(step_clips: int, kept: int) -> list[Part]:
    """The mix of sizes and lengths, for about ``step_clips`` clips a step and ``kept`` latents in all."""
    shares = {
        (128, 80, 17): 0.22, (80, 128, 17): 0.09, (96, 96, 17): 0.05, (64, 64, 17): 0.15, (128, 128, 17): 0.04,
        (80, 48, 17): 0.05, (48, 80, 17): 0.05, (128, 80, 33): 0.04, (64, 64, 33): 0.03,
        (128, 80, 1): 0.07, (80, 128, 1): 0.03, (96, 96, 1): 0.03, (128, 128, 1): 0.02, (64, 64, 1): 0.07,
        (80, 48, 1): 0.03, (48, 80, 1): 0.02,
    }  # fmt: skip
    return [
        Part(
            bucket=Bucket(width=w, height=h, frames=t),
            count=max(1, round(share * step_clips)),
            kept=max(CHUNK, round(share * kept / CHUNK) * CHUNK),
        )
        for (w, h, t), share in shares.items()
    ]


class Words:
    """Token features of captions, computed where the model is, as ``OpenClipModel.text_tokens`` gives them."""

    def __init__(self, clip: OpenClipModel, device: str) -> None:
        self.clip, self.device = clip, device

    @torch.no_grad()
    def __call__(self, ids: np.ndarray) -> tuple[Tensor, np.ndarray]:
        """Of tokens (N, context) features (N, WORDS, text_dim) float16 and lengths (N,)."""
        lengths = (ids != PAD).sum(1)
        assert lengths.max() <= WORDS, lengths.max()
        kept: list[Any] = []
        hook = self.clip._norm.register_forward_hook(lambda _m, _i, o: kept.append(o))
        try:
            self.clip.model.encode_text(torch.from_numpy(ids).to(self.device))
        finally:
            hook.remove()
        hidden = getattr(kept[-1], "last_hidden_state", kept[-1])
        return hidden[:, :WORDS].half(), lengths


class Store:
    """Latents and captions of every bucket on the device; the oldest give way to new ones."""

    def __init__(self, parts: list[Part], vae: VideoVAE, words: Words, device: str) -> None:
        self.parts, self.vae, self.words, self.device = parts, vae, words, device
        self.latents = [
            torch.zeros(
                (p.kept, *vae.latent_shape(p.bucket.frames, p.bucket.height, p.bucket.width)),
                device=device,
                dtype=torch.float16,
            )
            for p in parts
        ]
        starts = np.cumsum([0] + [p.kept for p in parts])
        self.starts = starts
        dim = words.clip.text_width
        self.text = torch.zeros(int(starts[-1]), 2, WORDS, dim, device=device, dtype=torch.float16)
        self.lengths = np.zeros((int(starts[-1]), 2), np.int64)
        self.filled = [0] * len(parts)
        self.added = 0

    @torch.no_grad()
    def add(self, number: int, scenes: Scenes) -> None:
        """Encode scenes of bucket ``number`` over its oldest clips."""
        part = self.parts[number]
        at = self.filled[number] % part.kept
        rows = slice(at, at + len(scenes))
        frames = render_all(scenes, self.device)
        x = (frames.float() / 127.5 - 1).permute(0, 4, 1, 2, 3)
        half = max(1, len(x) // 2)
        for some, place in ((x[:half], at), (x[half:], at + half)):
            if len(some):
                mean = self.vae.normalise(self.vae.encode(some).mean)
                self.latents[number][place : place + len(some)] = mean.half()
        first = int(self.starts[number])
        features, lengths = self.words(np.concatenate((scenes.dense, scenes.short)))
        there = slice(first + rows.start, first + rows.stop)
        self.text[there, 0], self.text[there, 1] = features.chunk(2)
        self.lengths[there, 0], self.lengths[there, 1] = np.split(lengths, 2)
        self.filled[number] += len(scenes)
        self.added += len(scenes)

    def fill(self, stream: Stream) -> None:
        """The first clips of every bucket: ``FILLED`` of those that it keeps."""
        for number, part in enumerate(self.parts):
            for scenes in stream.take(part.bucket, round(FILLED * part.kept)):
                self.add(number, scenes)

    @property
    def is_full(self) -> bool:
        """Whether every place was filled once."""
        return self.added >= sum(part.kept for part in self.parts)

    def order(self, seed: int) -> Iterator[int]:
        """Endless buckets to renew, by how many clips they have."""
        return by_share([p.kept for p in self.parts], seed)
