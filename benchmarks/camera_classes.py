"""Class of the camera as ``ingest`` measures it, against the synthetic world's truth: confusion and F1.

    python -m benchmarks.camera_classes [--clips 120] [--first 1000]

Held-out scenes under a static, panning, tilting or zooming camera, encoded as H.264, and every third of them once more
with a trembling camera (``handheld``: 2 % of the side, smoothed). A clip whose class is NULL counts as missed. Scenes
from ``--first`` on: those that the thresholds were set on have lower numbers.
"""

from __future__ import annotations

import argparse
import tempfile
from collections import Counter
from pathlib import Path

from benchmarks import scores_media as media
from benchmarks.scores import Scorer
from pipeline import schema as s


def macro_f1(counts: Counter[tuple[str, str | None]]) -> tuple[float, dict[str, float]]:
    """(mean, of each class) F1 of (true, found) pairs; found None is a miss and no false alarm."""
    classes = sorted({true for true, _ in counts})
    each = {}
    for name in classes:
        hits = counts[name, name]
        true = sum(n for (a, _), n in counts.items() if a == name)
        told = sum(n for (_, b), n in counts.items() if b == name)
        each[name] = 2 * hits / max(1, true + told)
    return sum(each.values()) / len(each), each


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--clips", type=int, default=120)
    parser.add_argument("--first", type=int, default=1000)
    args = parser.parse_args()
    counts: Counter[tuple[str, str | None]] = Counter()
    with tempfile.TemporaryDirectory() as scratch:
        scorer = Scorer(Path(scratch))
        for number in range(args.first, args.first + args.clips):
            scene, size = media.a_scene(number)
            frames = media.frames_of(scene, size)
            counts[scene.camera.partition("_")[0], scorer.frames(frames)[s.CAMERA]] += 1
            if number % 3 == 0:
                counts["handheld", scorer.frames(media.shake(frames, 0.02, number))[s.CAMERA]] += 1
    mean, each = macro_f1(counts)
    for (true, found), n in sorted(counts.items(), key=str):
        print(f"{true:9} as {found or 'NULL':9} {n:4}")
    known = Counter({pair: n for pair, n in counts.items() if pair[1]})
    told = sum(known.values())
    print("F1:", ", ".join(f"{name} {value:.3f}" for name, value in each.items()))
    print(
        f"macro F1 {mean:.3f} over all {sum(counts.values())} clips; {macro_f1(known)[0]:.3f} over the {told} measured"
    )


if __name__ == "__main__":
    main()
