"""What the strict judge says of the trained models, on held-out scenes."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.embedded.scenes import FPS, Stream
from dit.checkpoint import Loaded, load_dit
from dit.config import SampleConfig
from dit.generation import generate
from pipeline.openclip.model import OpenClipModel
from pipeline.world.captions import caption
from pipeline.world.claims import Claims, claims_of_scene
from pipeline.world.clips import SEED_STRIDE
from pipeline.world.figures import figures
from pipeline.world.render import render
from pipeline.world.scene import Scene, random_scene
from pipeline.world.strict import Verdict, judge_strictly
from vae.loaded import LoadedVae
from vae.model import VideoVAE

SHOWN = (
    "right", "every_frame", "every_frame_bouncing", "frames_right", "colour", "shape", "motion", "size_right",
    "start_right", "speed_right", "light_right", "ground_right",
)  # fmt: skip


def held_out(count: int, frames: int, split: str = "heldout") -> list[Scene]:
    """The scenes of ``filmstock adherence --seed 1``."""
    return [
        random_scene(SEED_STRIDE + i, split=split, duration_s=frames / FPS) for i in range(count)
    ]


def _one(video: np.ndarray, claims: Claims) -> Verdict:
    return judge_strictly(video, FPS, claims)


def judged(stream: Stream, scenes: list[Scene], videos: list[np.ndarray]) -> dict[str, float]:
    """Figures of videos, read by all processes."""
    claims = [claims_of_scene(s, still=len(v) == 1) for s, v in zip(scenes, videos, strict=True)]
    verdicts = list(stream.pool.map(_one, videos, claims, chunksize=2))
    return figures(verdicts, claims)


def say(name: str, found: dict[str, float]) -> None:
    """One line of a result."""
    words = ", ".join(f"{k} {100 * found[k]:.1f}" for k in SHOWN if k in found)
    print(f"judge {name}: {words}", flush=True)


def judge_vae(
    vae: VideoVAE, stream: Stream, sizes: list[tuple[int, int]], *, count: int, frames: int = 17
) -> dict[str, Any]:
    """Held-out scenes through the VAE."""
    loaded, found = LoadedVae(vae), {}
    scenes = held_out(count, frames)
    for width, height in sizes:
        true = [render(s, width=width, height=height, fps=FPS, n_frames=frames) for s in scenes]
        passed = [loaded.decode(loaded.encode(v[None])[0][0]) for v in true]
        name = f"vae {width}x{height}x{frames}"
        found[name] = judged(stream, scenes, passed)
        say(name, found[name])
    return found


def judge_dit(
    out: Path,
    vae: VideoVAE,
    clip: OpenClipModel,
    stream: Stream,
    sizes: list[tuple[int, int]],
    *,
    count: int,
    guidances: tuple[float, ...],
    steps: int = 30,
    device: str,
    frames: int = 17,
    split: str = "heldout",
    kind: str = "dense",
) -> dict[str, Any]:
    """Videos for captions of held-out scenes."""
    loaded: Loaded = load_dit(out)
    loaded.model.to(device).set_compute(torch.bfloat16 if device != "cpu" else torch.float32)
    wrapped, found = LoadedVae(vae), {}
    scenes = held_out(count, frames, split)
    texts = [caption(s, kind, still=frames == 1) for s in scenes]
    for width, height in sizes:
        for guidance in guidances:
            began = time.monotonic()
            videos = generate(
                texts,
                dit=loaded,
                vae=wrapped,
                text_encoder=clip,
                width=width,
                height=height,
                config=SampleConfig(steps=steps, guidance=guidance, frames=frames),
                seed=1_000_003,
            )
            name = (
                f"dit {split} {kind} {width}x{height}x{frames} steps {steps} guidance {guidance:g}"
            )
            found[name] = judged(stream, scenes, videos)
            say(f"{name} ({time.monotonic() - began:.0f} s)", found[name])
    return found


def write(out: Path, found: dict[str, Any]) -> None:
    """``judged.json``, added to what is there."""
    path = out / "judged.json"
    before = json.loads(path.read_text()) if path.is_file() else {}
    path.write_text(json.dumps({**before, **found}, indent=1))
