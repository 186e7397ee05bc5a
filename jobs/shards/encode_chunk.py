"""The work of ``encode``: a chunk of clips to one part of latents, in this process or in a Ray actor."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from jobs.shards.encode_settings import SETTINGS, settings_text
from pipeline import schema as s
from pipeline.config import EncodeConfig
from pipeline.store.paths import Location, location

if TYPE_CHECKING:
    import numpy as np

    from pipeline.contracts import TextEncoder, Vae

BATCH_PIXELS = 1 << 20
"""Pixels, over frames and clips, of one VAE batch."""

RECIPE_VERSION = 1
"""Raised when the same inputs would give other latents; part of every cache key."""


@dataclass(frozen=True, kw_only=True)
class Task:
    """One clip and the captions of it that need a row."""

    clip_id: str
    """Id of the clip."""
    source: dict[str, Any]
    """Byte range, hash and native shape, as in the shard manifest."""
    shape: tuple[int, int, int]
    """(frames, height, width) that the VAE sees."""
    captions: dict[str, str]
    """Caption kind (``structured.0`` of a rendering) -> text."""
    keys: dict[str, str]
    """Caption kind -> cache key of its row; only these kinds are encoded."""

    def without(self, present: Collection[tuple[str, str]]) -> Task:
        """The task less the rows that are present."""
        keys = {k: key for k, key in self.keys.items() if (self.clip_id, k) not in present}
        return replace(self, keys=keys)


@dataclass(frozen=True, kw_only=True)
class Chunk:
    """Clips that become one part file."""

    tasks: tuple[Task, ...]
    """Sorted by shape, so that neighbours batch together."""


@dataclass(frozen=True, kw_only=True)
class ChunkResult:
    """What became of a chunk."""

    clips: int
    """Clips tried."""
    rows: int
    """Rows written."""
    failed: list[str]
    """One line per clip that could not be decoded."""


class Encoder:
    """VAE, text encoder and the view that clips are encoded at."""

    def __init__(self, config: EncodeConfig, device: str = "auto") -> None:
        from pipeline.loader.view import ClipView
        from pipeline.textencoder.open import load_text_encoder
        from vae.loaded import open_vae

        self.config, self.device = config, device
        self.vae: Vae = open_vae(config.vae, device=device)
        self.text: TextEncoder = load_text_encoder(config.text_encoder, device=device)
        self.view = ClipView(
            fps=config.fps,
            max_frames=config.max_frames,
            time_factor=self.vae.time_factor,
            max_pixels=config.max_pixels,
            multiple=2 * self.vae.space_factor,
        )

    def task(self, row: Mapping[str, Any], captions: dict[str, str]) -> Task:
        """The task of a shard manifest row; its keys name everything the latents depend on."""
        from pipeline.shards.latent_parts import cache_key

        names = (s.SHARD, s.BYTE_OFFSET, s.BYTE_LENGTH, s.VIDEO_XXH3)
        native = (s.N_FRAMES, s.FPS, s.WIDTH, s.HEIGHT)
        ids = (RECIPE_VERSION, self.vae.id, self.text.id, repr(self.view))
        clip = (row[s.VIDEO_XXH3], *(row[name] for name in native))
        return Task(
            clip_id=row[s.CLIP_ID],
            source={name: row[name] for name in names + native},
            shape=self.view.shape(*(row[name] for name in native)),
            captions=captions,
            keys={kind: cache_key(ids, clip, text) for kind, text in captions.items()},
        )

    def encode(self, chunk: Chunk, root: str, target: Location) -> ChunkResult:
        """Write the chunk's part into ``target``; clips that fail are named, not written."""
        from pipeline.shards.latent_parts import write_latents

        failed: list[str] = []
        texts = sorted({task.captions[kind] for task in chunk.tasks for kind in task.keys})
        features = dict(zip(texts, self.text.text_tokens(texts), strict=True))
        rows: list[dict[str, Any]] = []
        for batch in _batches(chunk.tasks):
            frames = {}
            for task in batch:
                try:
                    frames[task.clip_id] = self._decode(task, root)
                except ValueError as error:
                    failed.append(f"clip {task.clip_id}: {error}")
            good = [task for task in batch if task.clip_id in frames]
            if good:
                latents = self._latents([frames[task.clip_id] for task in good])
                for task, (mean, logvar) in zip(good, latents, strict=True):
                    rows += self._rows(task, mean, logvar, features)
        if rows:
            write_latents(target, rows, encode_metadata(self))
        return ChunkResult(clips=len(chunk.tasks), rows=len(rows), failed=failed)

    def _decode(self, task: Task, root: str) -> np.ndarray:
        from pipeline.loader.view import decode_view
        from pipeline.shards.ranges import read_clip

        native = {name: task.source[name] for name in (s.N_FRAMES, s.FPS, s.WIDTH, s.HEIGHT)}
        return decode_view(read_clip(root, task.source), self.view, **native)

    def _latents(self, clips: list[np.ndarray]) -> list[tuple[np.ndarray, np.ndarray]]:
        """(mean, logvar), each float16 (C,T,H,W), of uint8 clips (T,H,W,3) of one shape."""
        import numpy as np

        mean, logvar = (x.numpy().astype(np.float16) for x in self.vae.encode(np.stack(clips)))
        return list(zip(mean, logvar, strict=True))

    def _rows(
        self, task: Task, mean: np.ndarray, logvar: np.ndarray, features: Mapping[str, np.ndarray]
    ) -> Iterator[dict[str, Any]]:
        frames, height, width = task.shape
        for kind, key in task.keys.items():
            text = features[task.captions[kind]]
            yield {
                s.CLIP_ID: task.clip_id,
                s.KIND: kind,
                s.CAPTION: task.captions[kind],
                s.CACHE_KEY: key,
                s.LATENT_MEAN: mean.tobytes(),
                s.LATENT_LOGVAR: logvar.tobytes(),
                s.LATENT_SHAPE: list(mean.shape),
                s.TEXT_FEATURES: text.tobytes(),
                s.TEXT_LEN: len(text),
                s.N_FRAMES: frames,
                s.WIDTH: width,
                s.HEIGHT: height,
                s.FPS: self.view.rate(task.source[s.FPS]),
            }


class RayEncoder:
    """``Encoder`` as a Ray Data actor: one chunk per row."""

    def __init__(self, config: EncodeConfig, root: str, target: str, device: str) -> None:
        import torch

        torch.set_num_threads(1)
        self.encoder, self.root, self.target = Encoder(config, device), root, location(target)

    def __call__(self, row: dict[str, Any]) -> dict[str, Any]:
        import msgspec

        chunk = msgspec.msgpack.decode(row["chunk"], type=Chunk)
        result = self.encoder.encode(chunk, self.root, self.target)
        return {"result": msgspec.msgpack.encode(result)}


def encode_metadata(encoder: Encoder) -> dict[str, str]:
    """Schema metadata of the latents: what made them, and the VAE's per-channel statistics."""
    from dataclasses import asdict

    from pipeline.shards import latents

    return {
        latents.VAE_ID: encoder.vae.id,
        latents.TEXT_ENCODER_ID: encoder.text.id,
        latents.TEXT_DIM: str(encoder.text.text_width),
        latents.CHANNEL_MEAN: json.dumps(encoder.vae.channel_mean),
        latents.CHANNEL_STD: json.dumps(encoder.vae.channel_std),
        "vae": encoder.config.vae,
        "text_encoder": encoder.config.text_encoder,
        SETTINGS: settings_text(encoder.config),
        "view": json.dumps(asdict(encoder.view)),
    }


def _batches(tasks: Collection[Task]) -> Iterator[list[Task]]:
    """Neighbouring tasks of one shape, at most ``BATCH_PIXELS`` at a time."""
    batch: list[Task] = []
    for task in tasks:
        frames, height, width = task.shape
        limit = max(1, BATCH_PIXELS // (frames * height * width))
        if batch and (batch[0].shape != task.shape or len(batch) >= limit):
            yield batch
            batch = []
        batch.append(task)
    if batch:
        yield batch
