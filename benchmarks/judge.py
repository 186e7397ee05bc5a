"""How often the judge is right about rendered held-out scenes after H.264: the error of every figure it gives.

    python -m benchmarks.judge --clips 600

Each line is one kind of video; a clip counts as right on colour, shape or motion only if all of its objects are.
``soft`` adds what generated video suffers: a 3x3 blur and noise of 8 levels, on top of H.264.
"""

from __future__ import annotations

import argparse
import json
import time
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

import numpy as np

from pipeline.video.decode import decode_clip
from pipeline.video.encode import encode_mp4
from pipeline.world.judge import judge, score_against
from pipeline.world.render import render
from pipeline.world.scene import random_scene

CRF = 23
SMALL = ((64, 64, 8, 17), (80, 48, 8, 17), (48, 80, 8, 17))
FILM = ((192, 128, 24, 60), (128, 192, 25, 60), (160, 160, 30, 72))
"""(width, height, frames per second, frames)."""
KINDS = {
    "64x64-area": (SMALL, "heldout", False),
    "film sizes": (FILM, "heldout", False),
    "64x64-area, soft": (SMALL, "heldout", True),
    "64x64-area, novel pairs": (SMALL, "novel", False),
    "64x64-area, one frame": (((64, 64, 8, 1), (80, 48, 8, 1), (48, 80, 8, 1)), "heldout", False),
}


def one(kind: str, index: int) -> dict[str, bool]:
    """Render, encode, decode and judge clip ``index`` of ``kind``."""
    forms, split, soft = KINDS[kind]
    width, height, fps, n_frames = forms[index % len(forms)]
    scene = random_scene(70_000_000 + index, split=split, duration_s=max(17, n_frames) / fps)
    n_frames = max(1, min(n_frames, int(scene.duration_s * fps)))
    frames = render(scene, width=width, height=height, fps=fps, n_frames=n_frames)
    frames, _ = decode_clip(encode_mp4(frames, fps, crf=CRF))
    if soft:
        frames = soften(frames, index)
    seen = judge(frames, fps)
    score = score_against(scene, seen)
    if n_frames == 1:
        shapes = {(o.colour, o.shape) for o in scene.objects}
        score = {"colour": score["colour"], "shape": shapes == {(c, s) for c, s, _ in seen.objects}}
    return {**score, "background": seen.background == scene.background}


def soften(frames: np.ndarray, seed: int) -> np.ndarray:
    """Binomial 3x3 blur, then Gaussian noise of 8 levels."""
    out = frames.astype(np.float32)
    for axis in (1, 2):
        out = (np.roll(out, 1, axis) + 2 * out + np.roll(out, -1, axis)) / 4
    out += np.random.default_rng(seed).normal(0, 8, out.shape)
    return np.clip(out + 0.5, 0, 255).astype(np.uint8)


def main() -> None:
    """Print a table, and the same as JSON with --json."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clips", type=int, default=600, help="clips of each kind")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--kinds", nargs="*", default=list(KINDS), choices=list(KINDS))
    parser.add_argument("--json", help="also write the figures to this file")
    args = parser.parse_args()
    results = {}
    with ProcessPoolExecutor(args.workers, mp_context=get_context("spawn")) as pool:
        for kind in args.kinds:
            start = time.monotonic()
            right: Counter[str] = Counter()
            scores = pool.map(one, [kind] * args.clips, range(args.clips), chunksize=10)
            for score in scores:
                right.update({name: int(value) for name, value in score.items()})
            results[kind] = {name: count / args.clips for name, count in right.items()}
            figures = "  ".join(f"{name} {100 * v:.2f} %" for name, v in results[kind].items())
            seconds = time.monotonic() - start
            print(f"{kind:<24} n={args.clips}  {figures}  ({seconds:.0f} s)", flush=True)
    if args.json:
        with open(args.json, "w") as handle:
            json.dump({"clips": args.clips, "crf": CRF, "right": results}, handle, indent=1)


if __name__ == "__main__":
    main()
