"""Steps against quality: solvers, schedules, guidance and reuse of blocks, on held-out scenes with the embedded models.

Every row samples the same scenes from the same noise. ``frames`` is the share of frames and ``videos`` that of videos
(every frame) that the strict judge calls right; ``away`` is the distance of the latents from those of many steps of
Heun with plain guidance, relative to their size; ``evals`` counts passes of one clip through the DiT, in wholes.

    OMP_NUM_THREADS=1 python -m benchmarks.sampling --scenes 24 --plot docs/pictures/steps.svg
"""

from __future__ import annotations

import argparse
import json
import re
import time
from collections.abc import Iterator
from dataclasses import replace
from itertools import cycle
from pathlib import Path
from typing import Any

import numpy as np
import torch

import dit
import pipeline
import vae
from dit.config import SampleConfig
from dit.generation import ToSample, sample_latents, text_features
from dit.solvers import SOLVERS
from dit.video_models import VideoModels
from pipeline.world.captions import caption
from pipeline.world.claims import claims_of_scene
from pipeline.world.scene import Scene, random_scene
from pipeline.world.strict import judge_strictly

STEPS = (4, 6, 8, 12, 20, 30)
PLAIN = SampleConfig(steps=12)
"""What the rows that name no steps and no solver take."""


def rows() -> Iterator[tuple[str, SampleConfig]]:
    """Name and settings of every row after the reference."""
    for solver in SOLVERS:
        for steps in STEPS:
            count = steps // 2 if solver == "heun" else steps  # as many evaluations
            yield f"{solver} {count}", replace(PLAIN, solver=solver, steps=count)
    yield "blocks every 2nd step", replace(PLAIN, reuse=2)
    yield "blocks every 3rd step", replace(PLAIN, reuse=3)
    yield "uniform", replace(PLAIN, schedule="uniform")
    yield "linear-quadratic", replace(PLAIN, schedule="linear-quadratic")
    yield "guidance 2", replace(PLAIN, guidance=2.0)
    yield "guidance 7", replace(PLAIN, guidance=7.0)
    yield "cfg-zero", replace(PLAIN, rule="cfg-zero")
    yield "cfg-zero, 1 step at zero", replace(PLAIN, rule="cfg-zero", zero_steps=1)
    yield "apg", replace(PLAIN, rule="apg")
    yield "interval .2 to .9", replace(PLAIN, interval=(0.2, 0.9))
    yield "interval .4 to 1", replace(PLAIN, interval=(0.4, 1.0))
    yield "rescale .7", replace(PLAIN, rescale=0.7)
    yield "skip block 3, scale 1", replace(PLAIN, skip_blocks=(3,), skip_scale=1.0)


def evaluations(config: SampleConfig, depth: int) -> float:
    """Passes of one clip through the DiT, parts of it counted by their blocks; roughly for intervals."""
    times = dit_schedule(config)
    each = 2.0 if config.scale != 1 else 1.0
    total = 0.0
    for i, t in enumerate(times[:-1]):
        on = config.interval[0] <= t <= config.interval[1]
        passes = each if on else 1.0
        share = 1.0 if i % config.reuse == 0 else 2 / depth
        total += passes * share + (1 if config.skip_scale and on else 0)
    return total * (2 if config.solver == "heun" else 1)


def dit_schedule(config: SampleConfig) -> list[float]:
    """Levels of a config on the flow path."""
    from dit.schedules import schedule, zero_init

    return zero_init(
        schedule(config.step_count, config.shift, 1.0, config.schedule), config.zero_steps
    )


def draw(models: VideoModels, texts: list[Any], config: SampleConfig, seed: int) -> list[Any]:
    """Latents of every scene."""
    shapes = [(5, 8, 8)] * len(texts)
    found: dict[int, Any] = {}
    seeds = [seed * 1000 + i for i in range(len(texts))]
    asked = ToSample(texts=texts, shapes=shapes, seeds=seeds)
    for part in sample_latents(models.dit, asked, config):
        found |= part
    return [found[i] for i in range(len(texts))]


def judged(models: VideoModels, scenes: list[Scene], latents: list[Any]) -> tuple[float, float]:
    """Share of frames and of videos that are right."""
    verdicts = [
        judge_strictly(models.decode(z), 8.0, claims_of_scene(scene))
        for scene, z in zip(scenes, latents, strict=True)
    ]
    frames = np.concatenate([v.right_frames for v in verdicts])
    return float(frames.mean()), float(np.mean([v.every_frame for v in verdicts]))


def measure(args: argparse.Namespace) -> list[dict[str, Any]]:
    """One dictionary a row, printed as it comes."""
    models = VideoModels(
        dit=dit.load(args.dit), vae=vae.load(), text_encoder=pipeline.load_text_encoder()
    )
    scenes = [
        random_scene(args.seed * 1_000_003 + i, split="heldout", max_objects=2, duration_s=17 / 8)
        for i in range(args.scenes)
    ]
    texts = text_features(models.text_encoder, [caption(s, "dense") for s in scenes])
    reference = draw(models, texts, replace(PLAIN, solver="heun", steps=args.reference), args.seed)
    size = torch.stack(reference).square().mean().sqrt()
    found = []
    print(f"{'':<34}{'evals':>7}{'CPU s':>7}{'away':>7}{'frames':>8}{'videos':>8}")

    def tell(name: str, config: SampleConfig | None, latents: list[Any], seconds: float) -> None:
        away = float((torch.stack(latents) - torch.stack(reference)).square().mean().sqrt() / size)
        frames, videos = judged(models, scenes, latents)
        evals = evaluations(config, models.dit.model.config.depth) if config else 0
        row = {
            "name": name, "evals": round(evals, 1), "cpu_s": round(seconds / len(scenes), 3),
            "away": round(away, 4), "frames": round(frames, 4), "videos": round(videos, 4),
        }  # fmt: skip
        found.append(row)
        print(
            f"{name:<34}{evals:>7.1f}{row['cpu_s']:>7.2f}{away:>7.3f}{100 * frames:>8.1f}{100 * videos:>8.1f}",
            flush=True,
        )

    tell(f"heun {args.reference} (reference)", None, reference, 0.0)
    for name, config in rows():
        if not re.search(args.rows, name):
            continue
        start = time.process_time()
        latents = draw(models, texts, config, args.seed)
        tell(name, config, latents, time.process_time() - start)
    return found


COLOURS = dict(zip(SOLVERS, cycle(("#1565c0", "#6a1b9a", "#2e7d32", "#c62828"))))  # noqa: B905 - colours return


def plot(found: list[dict[str, Any]]) -> str:
    """SVG: evaluations (without guidance's factor 2) against the distance from the reference, a line a solver."""
    lines = {
        solver: [
            (row["evals"] / 2, row["away"])
            for row in found
            if row["name"].split() and row["name"].rpartition(" ")[0] == solver
        ]
        for solver in SOLVERS
    }
    width, height, left, low = 520, 300, 60, 250
    tops = [0.02, 0.05, 0.1, 0.2, 0.5, 1.0]
    floor, ceiling = np.log(tops[0]), np.log(tops[-1])

    def place(evals: float, away: float) -> tuple[float, float]:
        y = (np.log(np.clip(away, tops[0], tops[-1])) - floor) / (ceiling - floor)
        return left + (evals - 2) / 30 * (width - left - 90), low - y * (low - 30)

    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" '
        'font-family="Helvetica, Arial, sans-serif" font-size="12">',
        "<title>Distance from the exact sample by evaluations, for each solver</title>",
        f'<rect width="{width}" height="{height}" rx="8" fill="#ffffff"/>',
        f'<text x="{left}" y="18" fill="#263238">distance of latents from those of 60 steps of Heun</text>',
        f'<text x="{width // 2}" y="{height - 12}" text-anchor="middle" fill="#263238">'
        "evaluations with the caption</text>",
    ]
    for value in tops:
        y = place(2, value)[1]
        parts.append(f'<path d="M{left} {y:.0f} H{width - 90}" stroke="#eceff1"/>')
        parts.append(
            f'<text x="{left - 8}" y="{y + 4:.0f}" text-anchor="end" fill="#607d8b">{value:g}</text>'
        )
    for evals in STEPS:
        x = place(evals, 1.0)[0]
        parts.append(
            f'<text x="{x:.0f}" y="{low + 18}" text-anchor="middle" fill="#607d8b">{evals}</text>'
        )
    for solver, points in lines.items():
        if not points:  # rows that were not asked for
            continue
        path = " L".join(f"{x:.1f} {y:.1f}" for x, y in (place(*p) for p in points))
        parts.append(f'<path d="M{path}" fill="none" stroke="{COLOURS[solver]}" stroke-width="2"/>')
        x, y = place(*points[-1])
        y += 6 * list(SOLVERS).index(solver) - 4  # lines that end close to each other
        parts.append(f'<text x="{x + 6:.0f}" y="{y:.0f}" fill="{COLOURS[solver]}">{solver}</text>')
    return "\n".join([*parts, "</svg>"]) + "\n"


def main() -> None:
    """Measure and, where asked, draw."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0] if __doc__ else None)
    parser.add_argument("--scenes", type=int, default=24)
    parser.add_argument("--seed", type=int, default=5)
    parser.add_argument("--reference", type=int, default=60, help="steps of Heun")
    parser.add_argument("--rows", default="", help="regular expression of the rows to measure")
    parser.add_argument("--dit", default="embedded")
    parser.add_argument("--json", type=Path, help="write the rows to this file")
    parser.add_argument("--plot", type=Path, help="draw the solvers' lines to this SVG")
    args = parser.parse_args()
    found = measure(args)
    if args.json:
        args.json.write_text(json.dumps(found, indent=1) + "\n")
    if args.plot:
        args.plot.write_text(plot(found))


if __name__ == "__main__":
    main()
