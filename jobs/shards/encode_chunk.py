"""The work of ``encode``: a chunk of clips or captions to one part, in this process or in a Ray actor."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from jobs.core.models import open_vae
from pipeline import schema as s
from pipeline.config import EncodeConfig
from pipeline.store.paths import Location, location

if TYPE_CHECKING:
    from pipeline.contracts import TextEncoder, Vae

BATCH_PIXELS = 1 << 20
"""Pixels, over frames and clips, of one VAE batch."""

RECIPE_VERSION = 2
"""Raised when the same inputs would give other latents or text features; part of every key."""


@dataclass(frozen=True, kw_only=True)
class Task:
    """One clip and the captions that it shows."""

    clip_id: str
    """Id of the clip."""
    source: dict[str, Any]
    """Byte range, hash, native shape and source, as in the shard manifest."""
    shape: tuple[int, int, int]
    """(frames, height, width) that the VAE sees."""
    captions: dict[str, str]
    """Caption kind (``structured.0`` of a rendering) -> text."""
    key: str
    """Cache key of its latents, which hang on no caption."""


@dataclass(frozen=True, kw_only=True)
class Chunk:
    """Clips or captions that become one part file."""

    tasks: tuple[Task, ...] = ()
    """Sorted by shape, so that neighbours batch together."""
    texts: tuple[str, ...] = ()
    """Captions whose features are lacking."""

    def __len__(self) -> int:
        return len(self.tasks) + len(self.texts)


@dataclass(frozen=True, kw_only=True)
class ChunkResult:
    """What became of a chunk."""

    clips: int = 0
    """Clips tried."""
    latents: int = 0
    """Clips written."""
    texts: int = 0
    """Captions written."""
    failed: list[str] = field(default_factory=list)
    """One line per clip that could not be decoded."""


class Encoder:
    """VAE, text encoder and the view that clips are encoded at."""

    def __init__(self, config: EncodeConfig, device: str = "auto") -> None:
        from pipeline.loader.view import ClipView
        from pipeline.textencoder.open import load_text_encoder

        self.config, self.device = config, device
        self.vae: Vae = open_vae(config.vae, device=device)
        self.text: TextEncoder = load_text_encoder(config.text_encoder, device=device)
        self.view = ClipView(
            fps=config.fps,
            max_frames=config.max_frames,
            time_factor=getattr(self.vae, "frame_step", self.vae.time_factor),
            max_pixels=config.max_pixels,
            multiple=2 * self.vae.space_factor,
        )

    def task(self, row: Mapping[str, Any], captions: dict[str, str]) -> Task:
        """The task of a shard manifest row; its key names everything that the latents depend on."""
        from pipeline.latents.parts import cache_key

        names = (s.SHARD, s.BYTE_OFFSET, s.BYTE_LENGTH, s.VIDEO_XXH3)
        native = (s.N_FRAMES, s.FPS, s.WIDTH, s.HEIGHT)
        ids = (RECIPE_VERSION, self.vae.id, repr(self.view), self.config.posterior)
        clip = (row[s.VIDEO_XXH3], *(row[name] for name in native))
        return Task(
            clip_id=row[s.CLIP_ID],
            source={
                **{name: row[name] for name in names + native},
                s.SOURCE_ID: row.get(s.SOURCE_ID),
            },
            shape=self.view.shape(*(row[name] for name in native)),
            captions=captions,
            key=cache_key(ids, clip),
        )

    def text_key(self, text: str) -> str:
        """Key of a caption's features: text encoder, storage and text, whichever clip or kind it is of."""
        from pipeline.latents.parts import cache_key

        return cache_key(RECIPE_VERSION, self.text.id, self.config.text_storage, text)

    def encode(self, chunk: Chunk, root: str, target: Location) -> ChunkResult:
        """Write the chunk's parts into ``target``; clips that fail are named, not written."""
        from pipeline.latents.parts import write_clips, write_texts

        metadata = encode_metadata(self)
        if chunk.texts:
            write_texts(target, list(self._texts(chunk.texts)), metadata)
        failed: list[str] = []
        rows: list[dict[str, Any]] = []
        for batch in batches(chunk.tasks):
            frames = {}
            for task in batch:
                try:
                    frames[task.clip_id] = self._decode(task, root)
                except ValueError as error:
                    failed.append(f"clip {task.clip_id}: {error}")
            good = [task for task in batch if task.clip_id in frames]
            if good:
                latents = self.vae.encode(np.stack([frames[task.clip_id] for task in good]))
                mean, logvar = (x.float().cpu().numpy() for x in latents)
                rows += [self._row(*each) for each in zip(good, mean, logvar, strict=True)]
        if rows:
            write_clips(target, rows, metadata)
        return ChunkResult(
            clips=len(chunk.tasks), latents=len(rows), texts=len(chunk.texts), failed=failed
        )

    def _texts(self, texts: Sequence[str]) -> Iterator[dict[str, Any]]:
        cuts: Sequence[int | None] = self.cuts(texts) or [None] * len(texts)
        features = self.text.text_tokens(texts)
        for text, tokens, cut in zip(texts, features, cuts, strict=True):
            named = {s.TEXT_KEY: self.text_key(text), s.CAPTION: text}
            yield {**named, s.TEXT_FEATURES: tokens, s.TEXT_CUT: cut}

    def cuts(self, texts: Sequence[str]) -> list[int] | None:
        """Tokens of each text that do not fit the text encoder; None where it cannot say."""
        count = getattr(self.text, "cut_tokens", None)
        return None if count is None else list(count(texts))

    def _decode(self, task: Task, root: str) -> np.ndarray:
        from pipeline.loader.view import decode_view
        from pipeline.shards.ranges import read_clip

        native = {name: task.source[name] for name in (s.N_FRAMES, s.FPS, s.WIDTH, s.HEIGHT)}
        return decode_view(read_clip(root, task.source), self.view, **native)

    def _row(self, task: Task, mean: np.ndarray, logvar: np.ndarray) -> dict[str, Any]:
        frames, height, width = task.shape
        return {
            s.CLIP_ID: task.clip_id,
            s.SOURCE_ID: task.source[s.SOURCE_ID],
            s.CACHE_KEY: task.key,
            s.LATENT_MEAN: mean,
            s.LATENT_LOGVAR: logvar,
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

    from pipeline.latents import layout

    return {
        layout.VAE_ID: encoder.vae.id,
        layout.TEXT_ENCODER_ID: encoder.text.id,
        layout.TEXT_DIM: str(encoder.text.text_width),
        layout.CHANNEL_MEAN: json.dumps(encoder.vae.channel_mean),
        layout.CHANNEL_STD: json.dumps(encoder.vae.channel_std),
        layout.POSTERIOR_KEPT: encoder.config.posterior,
        layout.TEXT_STORAGE: encoder.config.text_storage,
        "vae": encoder.config.vae,
        "text_encoder": encoder.config.text_encoder,
        "view": json.dumps(asdict(encoder.view)),
    }


def batches(tasks: Collection[Task]) -> Iterator[list[Task]]:
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
