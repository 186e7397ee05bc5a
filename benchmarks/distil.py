"""Few steps, int8 weights, fewer blocks: each beside the DiT at many guided steps, on held-out scenes, strictly judged.

Every row samples the same scenes from the same noise. ``frames`` is the share of frames and ``videos`` that of videos
(every frame) that the strict judge calls right, with 95 % intervals (frames: over videos, by resampling); ``to first``
is how many points of frames a row has more than the first one, scene by scene. ``passes`` counts passes of one clip
through the DiT, ``MB`` its weights in memory. With ``--given`` each video is given its true first frame.

    OMP_NUM_THREADS=1 python -m benchmarks.distil --scenes 60 --teacher 40 8 4 --student few --int8
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

import dit
import pipeline
import vae
from dit.checkpoint import Loaded
from dit.conditioning import Condition
from dit.config import SampleConfig
from dit.generation import ToSample, first_frame_given, sample_latents, text_features
from dit.int8 import int8_weights, weight_bytes
from dit.video_models import VideoModels
from pipeline.world.captions import caption
from pipeline.world.claims import claims_of_scene
from pipeline.world.intervals import wilson
from pipeline.world.render import render
from pipeline.world.scene import Scene, random_scene
from pipeline.world.strict import judge_strictly

FPS, FRAMES, SIDE, SHAPE = 8.0, 17, 64, (5, 8, 8)


@dataclass(frozen=True, kw_only=True)
class Row:
    """What is sampled."""

    name: str
    dit: Loaded
    config: SampleConfig

    @property
    def passes(self) -> int:
        """Passes of one clip through the DiT."""
        few = self.dit.model.config.few_steps
        if few is not None:
            return few.steps
        return self.config.step_count * (1 if self.config.scale == 1 else 2)


def rows(args: argparse.Namespace) -> Iterator[Row]:
    """The teacher at its steps first, then the students, then both in int8."""
    teacher = dit.load(args.dit)
    students = [(path, dit.load(path)) for path in args.student]
    for steps in args.teacher:
        yield Row(name=f"{steps} steps", dit=teacher, config=SampleConfig(steps=steps))
    if args.unguided:
        config = SampleConfig(steps=args.unguided, guidance=1.0)
        yield Row(name=f"{args.unguided} steps, no guidance", dit=teacher, config=config)
    for path, student in students:
        few = student.model.config.few_steps
        name = f"{Path(path).name}: {few.steps if few else 30} steps"
        yield Row(name=name, dit=student, config=SampleConfig())
    if args.int8:
        int8_weights(teacher.model)
        config = SampleConfig(steps=args.teacher[-1])
        yield Row(name=f"{args.teacher[-1]} steps, int8", dit=teacher, config=config)
        for path, student in students:
            int8_weights(student.model)
            name = f"{Path(path).name}, int8"
            yield Row(name=name, dit=student, config=SampleConfig())


def sampled(
    row: Row, texts: Sequence[torch.Tensor], conditions: Sequence[Condition] | None, seed: int
) -> list[torch.Tensor]:
    """Latents of every scene."""
    found: dict[int, torch.Tensor] = {}
    seeds = [seed * 1000 + i for i in range(len(texts))]
    asked = ToSample(texts=texts, shapes=[SHAPE] * len(texts), seeds=seeds, conditions=conditions)
    for part in sample_latents(row.dit, asked, row.config):
        found |= part
    return [found[i] for i in range(len(texts))]


def judged(scenes: Sequence[Scene], videos: Sequence[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """(share of frames right, whether every frame is) of each video."""
    verdicts = [
        judge_strictly(video, FPS, claims_of_scene(scene))
        for scene, video in zip(scenes, videos, strict=True)
    ]
    return (
        np.array([v.right_frames.mean() for v in verdicts]),
        np.array([v.every_frame for v in verdicts]),
    )


def resampled(values: np.ndarray, seed: int = 0, times: int = 4000) -> tuple[float, float]:
    """95 % interval of a mean over videos (percentile bootstrap, Efron 1979)."""
    picks = np.random.default_rng(seed).integers(0, len(values), (times, len(values)))
    low, high = np.percentile(values[picks].mean(1), (2.5, 97.5))
    return float(low), float(high)


def measure(args: argparse.Namespace) -> list[dict[str, Any]]:
    """One dictionary a row, printed as it comes."""
    models = VideoModels(
        dit=dit.load(args.dit), vae=vae.load(), text_encoder=pipeline.load_text_encoder()
    )
    scenes = [
        random_scene(
            args.seed * 1_000_003 + i, split="heldout", max_objects=2, duration_s=FRAMES / FPS
        )
        for i in range(args.scenes)
    ]
    texts = text_features(models.text_encoder, [caption(s, "dense") for s in scenes])
    true = [render(s, width=SIDE, height=SIDE, fps=FPS, n_frames=FRAMES) for s in scenes]
    conditions = None
    if args.given:
        conditions = [
            first_frame_given(video[0], models.vae, models.dit.latents, SHAPE) for video in true
        ]
    print(
        f"{'':<28}{'passes':>7}{'CPU s':>7}{'MB':>6}{'frames':>8}{'95 %':>14}{'to first':>9}{'95 %':>16}"
        f"{'videos':>8}{'95 %':>12}"
    )
    first: np.ndarray | None = None
    if args.beside:
        earlier = json.loads(args.beside.read_text())
        first = np.array(next(row["each"] for row in earlier if row["passes"]))
    found: list[dict[str, Any]] = []

    def tell(name: str, videos: list[np.ndarray], seconds: float, passes: int, size: int) -> None:
        nonlocal first
        frames, every = judged(scenes, videos)
        beside = frames - (frames if first is None else first)
        if passes and first is None:
            first = frames
        row = {
            "name": name,
            "passes": passes,
            "cpu_s": seconds / len(scenes),
            "mb": size / 1e6,
            "frames": float(frames.mean()),
            "frames_95": resampled(frames),
            "to_first": float(beside.mean()),
            "to_first_95": resampled(beside),
            "videos": float(every.mean()),
            "videos_95": wilson(float(every.sum()), len(every)),
            "each": frames.tolist(),
        }
        found.append(row)
        print(line(row), flush=True)

    passed = [models.vae.decode(models.vae.encode(video[None])[0][0]) for video in true]
    tell("the scenes through the VAE", passed, 0.0, 0, 0)
    for row in rows(args):
        start = time.process_time()
        latents = sampled(row, texts, conditions, args.seed)
        seconds = time.process_time() - start
        videos = [models.decode(z) for z in latents]
        tell(row.name, videos, seconds, row.passes, weight_bytes(row.dit.model))
    return found


def line(row: dict[str, Any]) -> str:
    """A row of the table, shares in per cent."""

    def span(name: str) -> str:
        low, high = row[name]
        return f"{100 * low:.1f} to {100 * high:.1f}"

    return (
        f"{row['name']:<28}{row['passes']:>7}{row['cpu_s']:>7.2f}{row['mb']:>6.1f}{100 * row['frames']:>8.1f}"
        f"{span('frames_95'):>14}{100 * row['to_first']:>+9.1f}{span('to_first_95'):>16}"
        f"{100 * row['videos']:>8.1f}{span('videos_95'):>12}"
    )


def main() -> None:
    """Measure."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0] if __doc__ else None)
    parser.add_argument("--scenes", type=int, default=60)
    parser.add_argument("--seed", type=int, default=5)
    parser.add_argument("--dit", default="embedded", help="the DiT at many steps")
    parser.add_argument("--teacher", type=int, nargs="*", default=[40, 8, 4], help="its steps")
    parser.add_argument("--unguided", type=int, default=0, help="steps of a row without guidance")
    parser.add_argument("--student", nargs="*", default=[], help="few-step DiTs")
    parser.add_argument("--int8", action="store_true", help="the last rows again in int8")
    parser.add_argument("--given", action="store_true", help="give each video its first frame")
    parser.add_argument("--json", type=Path, help="write the rows to this file")
    parser.add_argument(
        "--beside", type=Path, help="rows of an earlier run, the first of which counts as first"
    )
    args = parser.parse_args()
    found = measure(args)
    if args.json:
        args.json.write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
