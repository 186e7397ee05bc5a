"""World clips as shard rows: rendered, captioned from the scene and encoded, one at a time, in any process.

A row is a pure function of ``(config, index)``, so any number of processes give the same shards.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np

from pipeline import schema as s
from pipeline.bounds import Bounded, Count, Limits, Rate, Seed, Share
from pipeline.video.tags import WORLD
from pipeline.world.captions import caption, structured
from pipeline.world.render import render
from pipeline.world.scene import SPLITS, Scene, random_scene

SEED_STRIDE = 10_000_000
"""Scenes of one run seed: ``seed * SEED_STRIDE + index``, so runs with different seeds share no scene."""
SIDE_MULTIPLE = 16
"""Sides a VAE of 8x and a patch of 2 divide."""
MOST_SIDE = 4096
"""Longest side that is rendered, pixels."""
MAX_OBJECTS = 3
"""Most objects that a scene can hold."""


@dataclass(frozen=True, kw_only=True)
class WorldConfig(Bounded):
    """A set of world clips."""

    clips: Count = 1000
    """How many clips."""
    seed: Seed = 1
    """Which clips: other seeds give other scenes."""
    split: str = "train"
    """Stream of scenes: train, heldout or novel."""
    sizes: tuple[tuple[int, int], ...] = ((64, 64), (64, 64), (80, 48), (48, 80))
    """(width, height) in pixels, drawn evenly; repeat one to draw it more often."""
    frames: Count = 17
    """Frames of a video clip; 1 + 4k suits the VAE."""
    fps: Rate = 8.0
    """Frames per second."""
    image_share: Share = 0.1
    """Share of clips that are single images."""
    max_objects: Annotated[int, Limits(least=1, most=MAX_OBJECTS)] = 3
    """Most objects in a scene."""
    crf: Annotated[int, Limits(least=0, most=51)] = 18
    """H.264 quality; lower is better."""


def check_config(config: WorldConfig) -> None:
    """Raise ``ValueError`` for a config that cannot be rendered."""
    if config.split not in SPLITS:
        raise ValueError(f"split {config.split!r} is unknown; use one of {', '.join(SPLITS)}")
    if not config.sizes:
        raise ValueError("no sizes to render; give at least one, e.g. 64x64")
    for width, height in config.sizes:
        if width % SIDE_MULTIPLE or height % SIDE_MULTIPLE or min(width, height) < SIDE_MULTIPLE:
            raise ValueError(
                f"size {width}x{height} has a side that is not a multiple of {SIDE_MULTIPLE}; "
                "use e.g. 64x64, 80x48 or 48x80"
            )
        if max(width, height) > MOST_SIDE:
            raise ValueError(
                f"size {width}x{height} is too large; use sides of at most {MOST_SIDE}"
            )


def world_scene(config: WorldConfig, index: int) -> tuple[Scene, tuple[int, int], bool]:
    """Scene, (width, height) and whether it is a single image, for clip ``index``."""
    rng = np.random.default_rng([SPLITS[config.split], config.seed, index, 0xF11])
    size = config.sizes[int(rng.integers(len(config.sizes)))]
    image = config.frames == 1 or bool(rng.random() < config.image_share)
    scene = random_scene(
        config.seed * SEED_STRIDE + index,
        split=config.split,
        max_objects=config.max_objects,
        duration_s=config.frames / config.fps,
    )
    return scene, size, image


def world_row(config: WorldConfig, index: int) -> dict[str, Any]:
    """The shard row of clip ``index``."""
    scene, size, image = world_scene(config, index)
    n_frames = 1 if image else config.frames
    return scene_row(scene, size, n_frames, split=config.split, fps=config.fps, crf=config.crf)


def scene_row(
    scene: Scene,
    size: tuple[int, int],
    n_frames: int,
    *,
    split: str = "train",
    fps: float = 8.0,
    crf: int = 18,
) -> dict[str, Any]:
    """A scene's shard row at ``size`` (width, height): MP4, true captions, shape, provenance; nothing is scored.

    ``split`` goes into the provenance.
    """
    from pipeline.video.encode import encode_mp4

    (width, height), image = size, n_frames == 1
    frames = render(scene, width=width, height=height, fps=fps, n_frames=n_frames)
    uri = f"world:{split}/{scene.seed}/{width}x{height}x{n_frames}@{fps:g}"
    source = s.source_id(0, uri.encode(), b"", b"")
    return {
        s.CLIP_ID: s.clip_id(source, 0, n_frames),
        s.VIDEO: encode_mp4(frames, fps, crf=crf),
        s.CAPTION_SHORT: caption(scene, "short", still=image),
        s.CAPTION_DENSE: caption(scene, "dense", still=image),
        s.CAPTION_STRUCTURED: json.dumps(structured(scene, still=image)),
        s.N_FRAMES: n_frames,
        s.FPS: fps,
        s.WIDTH: width,
        s.HEIGHT: height,
        s.SOURCE_ID: source,
        s.SOURCE_URI: uri,
        s.DOMAIN: WORLD,
        s.START_S: 0.0,
        s.END_S: n_frames / fps,
    }


def world_rows(config: WorldConfig, start: int, stop: int) -> list[dict[str, Any]]:
    """Rows ``start`` to ``stop``: the unit of work of one process."""
    return [world_row(config, index) for index in range(start, stop)]


def chunks(total: int, size: int) -> Iterator[tuple[int, int]]:
    """Consecutive (start, stop) spans of ``size`` that cover ``range(total)``."""
    for start in range(0, total, size):
        yield start, min(total, start + size)
