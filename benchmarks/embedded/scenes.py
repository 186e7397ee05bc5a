"""Scenes of the synthetic world as arrays that a GPU renders, drawn ahead by other processes."""

from __future__ import annotations

import functools
import multiprocessing
import os
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from dataclasses import dataclass
from itertools import islice, repeat
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from pipeline.world.captions import caption
from pipeline.world.clips import SEED_STRIDE
from pipeline.world.render import FEATURE_LEVELS, camera_path
from pipeline.world.scene import (
    BACKGROUNDS,
    COLOURS,
    LIGHTS,
    SHAPES,
    TEXTURES,
    Scene,
    position,
    random_scene,
)

if TYPE_CHECKING:
    from tokenizers import Tokenizer

SLOTS = 3
"""Objects that a scene has room for."""
WAVES = 5
"""Waves that soft clouds are made of."""
FPS = 8.0
"""Frame rate of every clip."""
CONTEXT, PAD = 128, 0
"""Tokens of the embedded CLIP's context, and the one that fills it."""


@dataclass(frozen=True, kw_only=True)
class Bucket:
    """Clips of one size and length."""

    width: int
    height: int
    frames: int


@dataclass(frozen=True, kw_only=True)
class Scenes:
    """B scenes in one bucket, as numbers; objects that a scene lacks have shape -1."""

    bucket: Bucket
    shape: np.ndarray
    """(B, SLOTS) index into ``SHAPES``."""
    colour: np.ndarray
    """(B, SLOTS, 3) float32, 8-bit levels."""
    x: np.ndarray
    """(B, SLOTS, T) float32 centre in pixels."""
    y: np.ndarray
    """(B, SLOTS, T) float32 centre in pixels."""
    radius: np.ndarray
    """(B, SLOTS, T) float32 pixels."""
    camera: np.ndarray
    """(B, 3, T) float32: offset along x and y in shorter sides, scale."""
    ground: np.ndarray
    """(B, 3) float32 colour, 8-bit levels."""
    texture: np.ndarray
    """(B,) index into ``TEXTURES``."""
    period: np.ndarray
    """(B,) float32 shorter sides."""
    step: np.ndarray
    """(B,) float32 levels between a texture's marks and its ground."""
    clouds: np.ndarray
    """(B, WAVES, 3) float32: frequencies along x and y, phase."""
    light: np.ndarray
    """(B,) index into ``LIGHTS``."""
    dense: np.ndarray
    """(B, context) int64 tokens of the dense captions, padded."""
    short: np.ndarray
    """(B, context) int64 tokens of the short captions, padded."""

    def __len__(self) -> int:
        return len(self.shape)


def as_numbers(scenes: Sequence[Scene], bucket: Bucket) -> Scenes:
    """What ``pipeline.world.render`` reads of scenes, at a size and length."""
    count, side = len(scenes), min(bucket.width, bucket.height)
    t = np.arange(bucket.frames, dtype=np.float32) / np.float32(FPS)
    out = Scenes(
        bucket=bucket,
        shape=np.full((count, SLOTS), -1, np.int64),
        colour=np.zeros((count, SLOTS, 3), np.float32),
        x=np.zeros((count, SLOTS, bucket.frames), np.float32),
        y=np.zeros((count, SLOTS, bucket.frames), np.float32),
        radius=np.ones((count, SLOTS, bucket.frames), np.float32),
        camera=np.stack([np.stack(camera_path(s, t)) for s in scenes]).astype(np.float32),
        ground=np.array([BACKGROUNDS[s.background] for s in scenes], np.float32),
        texture=np.array([TEXTURES.index(s.texture) for s in scenes]),
        period=np.array([s.texture_period for s in scenes], np.float32),
        step=np.array(
            [
                FEATURE_LEVELS if s.background in ("charcoal", "slate") else -FEATURE_LEVELS
                for s in scenes
            ],
            np.float32,
        ),
        clouds=np.stack([_waves(s) for s in scenes]),
        light=np.array([LIGHTS.index(s.light) for s in scenes]),
        dense=tokens([caption(s, "dense", still=bucket.frames == 1) for s in scenes]),
        short=tokens([caption(s, "short", still=bucket.frames == 1) for s in scenes]),
    )
    for number, scene in enumerate(scenes):
        for slot, thing in enumerate(scene.objects):
            x, y = position(thing, t)
            out.shape[number, slot] = SHAPES.index(thing.shape)
            out.colour[number, slot] = COLOURS[thing.colour]
            out.x[number, slot] = x * bucket.width
            out.y[number, slot] = y * bucket.height
            out.radius[number, slot] = np.float32(thing.radius * side) * out.camera[number, 2]
    return out


@functools.cache
def _tokenizer() -> Tokenizer:
    os.environ["TOKENIZERS_PARALLELISM"] = "false"  # there are processes enough
    from tokenizers import Tokenizer

    from pipeline.openclip.find import EMBEDDED

    tokenizer = Tokenizer.from_file(str(Path(EMBEDDED) / "tokenizer.json"))
    tokenizer.enable_truncation(CONTEXT)
    tokenizer.enable_padding(length=CONTEXT, pad_id=PAD)
    return tokenizer


def tokens(texts: Sequence[str]) -> np.ndarray:
    """(N, CONTEXT) int64 tokens as the embedded CLIP takes them; nothing else of it is loaded."""
    return np.array([found.ids for found in _tokenizer().encode_batch(list(texts))])


def _waves(scene: Scene) -> np.ndarray:
    """(WAVES, 3) float32 waves of the clouds of a scene, drawn as the renderer draws them."""
    rng = np.random.default_rng([17, scene.seed])
    rows = []
    for _ in range(WAVES):
        angle, phase = rng.uniform(0, 2 * np.pi, 2)
        frequency = rng.uniform(0.35, 0.75)
        rows.append((np.cos(angle) * frequency, np.sin(angle) * frequency, phase))
    return np.array(rows, np.float32)


def draw(bucket: Bucket, start: int, count: int, seed: int) -> Scenes:
    """Training scenes number ``start`` and on of run ``seed``."""
    scenes = [
        random_scene(seed * SEED_STRIDE + index, duration_s=max(bucket.frames, 17) / FPS)
        for index in range(start, start + count)
    ]
    return as_numbers(scenes, bucket)


def by_share(shares: Sequence[float], seed: int) -> Iterator[int]:
    """Endless places in ``shares``, each as often as its share says."""
    rng = np.random.default_rng(seed)
    parts = np.array(shares, float)
    while True:
        yield int(rng.choice(len(parts), p=parts / parts.sum()))


class Stream:
    """Endless scenes: buckets by their shares, drawn in other processes, no scene twice in a run."""

    def __init__(self, *, seed: int, workers: int, chunk: int = 64) -> None:
        self.seed, self.chunk, self.workers = seed, chunk, workers
        self.next = 0
        context = multiprocessing.get_context("fork")
        self.pool = ProcessPoolExecutor(workers, mp_context=context)
        list(self.pool.map(abs, range(workers)))  # all are forked before CUDA is up

    def take(self, bucket: Bucket, count: int) -> Iterator[Scenes]:
        """``count`` scenes, rounded up to whole chunks, as they become ready."""
        return self.ahead(repeat(bucket, -(-count // self.chunk)))

    def ahead(self, order: Iterator[Bucket]) -> Iterator[Scenes]:
        """A chunk for each bucket of ``order``, drawn well ahead."""
        waiting: deque[Future[Scenes]] = deque()
        while True:
            for bucket in islice(order, 3 * self.workers - len(waiting)):
                waiting.append(self.pool.submit(draw, bucket, self.next, self.chunk, self.seed))
                self.next += self.chunk
            if not waiting:
                return
            yield waiting.popleft().result()

    def close(self) -> None:
        """End the processes."""
        self.pool.shutdown(wait=False, cancel_futures=True)
