"""Native sizes against square crops: how many objects does a generated picture cut off at its edge?

    python -m benchmarks.evidence.native_sizes --scratch runs/evidence

The Sora report ("Improved framing and composition") says that a model trained on square crops shows subjects only
partly in view. Two DiTs, the same scenes and steps: one sees 96x64 and 64x96 pictures as they are, the other their
middle 64x64; a third of the pictures is square for both. Generated at 64x64 from held-out captions, whose rendered
pictures cut hardly anything off.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from benchmarks.evidence.runs import HEAD, SIDE, arguments, compare, with_frame, write_shards
from pipeline import schema as s
from pipeline.video.decode import decode_clip
from pipeline.world.judge import find_tracks

SIZES = ((96, 64), (64, 96), (64, 64))
EDGE = 2
"""Pixels of an object along one edge of the picture from which it counts as cut off."""


def cut_off(images: list[np.ndarray]) -> float:
    """Share of the objects in uint8 images (1,H,W,3) that touch an edge."""
    touching = objects = 0
    for image in images:
        for track in find_tracks(image.astype(np.float32)):
            mask = track.mask[0]
            edges = (mask[0], mask[-1], mask[:, 0], mask[:, -1])
            touching += any(edge.sum() > EDGE for edge in edges)
            objects += 1
    return touching / max(1, objects)


def centre(row: dict[str, Any], index: int) -> dict[str, Any]:
    """The row with the middle square of its picture."""
    frame = decode_clip(row[s.VIDEO])[0][0]
    height, width = frame.shape[:2]
    y, x = (height - SIDE) // 2, (width - SIDE) // 2
    return with_frame(row, frame[y : y + SIDE, x : x + SIDE])


def main() -> None:
    """Train both, measure, print the table."""
    args = arguments(__doc__)
    kind: dict[str, Any] = {"seed": 37, "sizes": SIZES}
    folders = {
        "native sizes": write_shards(args.scratch / "native", args.images, **kind),
        "square crops": write_shards(args.scratch / "crops", args.images, edit=centre, **kind),
    }
    print(HEAD + f"{'cut off':>9}")
    compare("native", folders, args, lambda found: f"{cut_off(found.images):9.1%}")
    print(f"rendered: {cut_off(rendered(args.prompts)):.1%} cut off")


def rendered(prompts: int) -> list[np.ndarray]:
    """The scenes that the captions describe."""
    from jobs.generate.adherence import Args, draw_scenes
    from pipeline.world.render import render

    scenes = draw_scenes(Args(prompts=prompts, seed=1, frames=1))
    return [render(scene, width=SIDE, height=SIDE, fps=8.0, n_frames=1) for scene in scenes]


if __name__ == "__main__":
    main()
