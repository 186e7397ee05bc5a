"""Recall and precision of each kind of duplicate detection on altered copies of world clips.

``python benchmarks/duplicates.py --scenes 40`` renders held-out scenes and makes copies of each: the same bytes,
re-encoded, made smaller, cropped, re-timed, trimmed, colour-shifted, grey, mirrored. Originals and copies go through
the same hash, embedding and ``find_duplicates`` as in ``filmstock select``, one kind of detection and bound at a time.

recall: share of the copies of a kind that are found as a duplicate of their own scene. precision: share of all clips
rejected as duplicates that point at a clip of their own scene. The scenes are as alike as the world's few shapes,
colours and backgrounds make them, so bounds on the embedding look worse here than on footage of many things.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

WIDTH, HEIGHT, FPS, FRAMES = 192, 112, 8.0, 24
SEED = 70_000_000
"""First seed of the scenes, which nothing was trained or tuned on."""
PHASH_BITS = (0, 4, 8, 12, 16)
COSINES = (0.999, 0.995, 0.99, 0.98, 0.95)


def copies(frames: np.ndarray) -> Iterator[tuple[str, np.ndarray, float, int]]:
    """(kind, frames, frames per second, crf) of altered copies of frames (T, H, W, 3)."""
    y, x = np.array(frames.shape[1:3]) // 20
    faster = frames[np.arange(0, len(frames), 1.25).astype(int)]
    colours = frames.astype(np.float32) * [1.12, 1.0, 0.85] + 10
    grey = frames @ np.array([0.2126, 0.7152, 0.0722])
    yield "re-encoded, crf 30", frames, FPS, 30
    yield "half size", frames[:, ::2, ::2], FPS, 18
    yield "cropped to 90 %", frames[:, y:-y, x:-x], FPS, 18
    yield "cropped to 80 %", frames[:, 2 * y : -2 * y, 2 * x : -2 * x], FPS, 18
    yield "1.25 times as fast", faster, FPS, 18
    yield "12 instead of 8 fps", np.repeat(frames, 3, axis=0)[::2], 1.5 * FPS, 18
    yield "first half second cut", frames[int(FPS / 2) :], FPS, 18
    yield "colours shifted", np.clip(colours, 0, 255).astype(np.uint8), FPS, 18
    yield "grey", np.repeat(grey[..., None], 3, axis=3).astype(np.uint8), FPS, 18
    yield "mirrored", np.ascontiguousarray(frames[:, :, ::-1]), FPS, 18


def main() -> None:
    """Measure and print."""
    import pyarrow as pa

    from pipeline.config import OpenClipConfig
    from pipeline.openclip.model import load_openclip
    from pipeline.scores.look import clip_look, perceptual_hash
    from pipeline.select.duplicates import Candidates, find_duplicates
    from pipeline.shards.part import video_hash
    from pipeline.video.cut import sample_indices
    from pipeline.video.decode import decode_clip
    from pipeline.video.encode import encode_mp4
    from pipeline.world.render import render
    from pipeline.world.scene import random_scene

    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--scenes", type=int, default=40)
    args = parser.parse_args()
    start = time.monotonic()
    model = load_openclip("embedded")
    samples = OpenClipConfig().frames
    kinds, scenes, digests, hashes, looks, vectors = [], [], [], [], [], []

    def measure(kind: str, scene: int, video: bytes) -> np.ndarray:
        frames, _ = decode_clip(video)
        seen = frames[list(sample_indices(len(frames), samples))]
        kinds.append(kind)
        scenes.append(scene)
        digests.append(video_hash(video))
        hashes.append(perceptual_hash(seen))
        looks.append(clip_look(seen))
        vectors.append(model.embed_clip(seen))
        return frames

    for index in range(args.scenes):
        scene = random_scene(SEED + index, split="heldout", duration_s=FRAMES / FPS)
        shot = render(scene, width=WIDTH, height=HEIGHT, fps=FPS, n_frames=FRAMES)
        video = encode_mp4(shot, FPS, crf=18)
        original = measure("original", index, video)
        measure("same bytes", index, video)
        for kind, frames, fps, crf in copies(original):
            measure(kind, index, encode_mp4(np.ascontiguousarray(frames), fps, crf=crf))

    kind_of, scene_of = np.array(kinds), np.array(scenes)
    clips = Candidates(
        # all originals come first, as larger or earlier clips would: a copy is rejected, never its original
        worth=(kind_of != "original", np.arange(len(kinds))),
        video_hash=pa.array(digests),
        phash=np.array(hashes, np.uint64),
        has_phash=np.ones(len(hashes), bool),
        looks=pa.array(looks),
        embeddings=np.stack(vectors).astype(np.float16),
    )
    settings: dict[str, dict] = {"exact": {"exact": True}}
    settings |= {f"phash, {b} bits": {"exact": False, "phash_bits": b} for b in PHASH_BITS}
    settings |= {f"clip, cosine {c}": {"exact": False, "cosine": c} for c in COSINES}
    altered = list(dict.fromkeys(kind for kind in kinds if kind != "original"))
    print(f"{'recall, %':<24}" + "".join(f"{name.split(', ')[-1]:>14}" for name in settings))
    rows: dict[str, list[float]] = {kind: [] for kind in [*altered, "precision", "originals lost"]}
    for setting in settings.values():
        keeper = find_duplicates(clips, **setting).keeper
        gone = keeper != np.arange(len(keeper))
        right = gone & (scene_of[keeper] == scene_of)
        for kind in altered:
            rows[kind].append(float(right[kind_of == kind].mean()))
        rows["precision"].append(float(right.sum() / gone.sum()) if gone.any() else float("nan"))
        rows["originals lost"].append(float(gone[kind_of == "original"].mean()))
    for kind, values in rows.items():
        print(f"{kind:<24}" + "".join(f"{100 * value:>14.1f}" for value in values))
    print(json.dumps({"scenes": args.scenes, "seconds": round(time.monotonic() - start, 1)}))


if __name__ == "__main__":
    main()
