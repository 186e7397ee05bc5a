"""Native sizes against square crops: how many objects does a generated picture cut off at its edge?

    python -m benchmarks.evidence.native_sizes --scratch runs/evidence

The Sora report ("Improved framing and composition") says that a model trained on square crops shows subjects only
partly in view. Two DiTs on the same scenes: one sees 96x64 and 64x96 pictures as they are, the other their middle
64x64; a third of the pictures is square for both. Generated at 64x64 from held-out captions, whose rendered pictures
cut hardly anything off.

Compute is equal both ways: a step holds the same tokens, so native sizes see fewer pictures in the same steps; a third
arm gives them the steps that show as many pictures as the crops had.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from benchmarks.evidence.runs import (
    FPS,
    SIDE,
    Plan,
    Row,
    compare,
    plan,
    with_frame,
    world,
    world_rows,
    write_shards,
)
from benchmarks.evidence.tables import difference, dots, keep, table
from pipeline import schema as s
from pipeline.video.decode import decode_clip
from pipeline.world.judge import find_tracks

SIZES = ((96, 64), (64, 96), (64, 64))
EDGE = 2
"""Pixels of an object along one edge of the picture from which it counts as cut off."""
AREA = sum(width * height for width, height in SIZES) / len(SIZES) / SIDE**2
"""Tokens of a native picture over those of a crop, in the mean."""


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


def cropped(rows: Iterator[Row]) -> Iterator[Row]:
    """The rows with the middle square of their pictures."""
    for row in rows:
        frame = decode_clip(row[s.VIDEO])[0][0]
        height, width = frame.shape[:2]
        y, x = (height - SIDE) // 2, (width - SIDE) // 2
        yield with_frame(row, frame[y : y + SIDE, x : x + SIDE])


def rendered(told: Plan, seed: int) -> list[np.ndarray]:
    """The scenes that the captions of a seed describe."""
    from jobs.generate.adherence import Args, draw_scenes
    from pipeline.world.render import render

    scenes = draw_scenes(Args(prompts=told.prompts, seed=1 + seed, frames=1, max_objects=1))
    return [render(scene, width=SIDE, height=SIDE, fps=FPS, n_frames=1) for scene in scenes]


def run(told: Plan) -> None:
    """Train the three arms, measure, print the table."""
    config = world(told.images, seed=37, sizes=SIZES)
    native = write_shards(told.scratch / "native", world_rows(config))
    crops = write_shards(told.scratch / "crops", cropped(world_rows(config)))
    longer = round(told.steps * AREA)
    sets = {
        "square crops": (crops, told.steps),
        "native sizes": (native, told.steps),
        "native, as many pictures": (native, longer),
    }
    arms = compare(told, "native", sets, lambda images: {"cut_off": cut_off(images)})
    truth = np.mean([cut_off(rendered(told, seed)) for seed in range(told.seeds)])
    lines = [
        f"steps: {told.steps}, and {longer} for as many pictures",
        table(arms, ("cut_off", "colour", "shape", "every_frame")),
        f"rendered scenes: {truth:.1%} cut off",
        difference(arms, "square crops", "native sizes", "cut_off"),
        difference(arms, "square crops", "native, as many pictures", "cut_off"),
    ]
    keep(
        told.scratch,
        "native",
        "\n".join(lines),
        dots("Objects cut off, colours right", arms, ("cut_off", "colour")),
        arms,
    )


if __name__ == "__main__":
    run(plan(__doc__))
