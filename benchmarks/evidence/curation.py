"""Curated against raw: two fifths of the clips are junk; `filmstock select` drops what it finds of it.

    python -m benchmarks.evidence.curation --scratch runs/evidence

Junk is black, blurred, covered by text, letterboxed, or one of twenty clips over and over, under a caption that
describes the scene all the same, as captions of the web do. Clips are measured by `filmstock import` and chosen by
`filmstock select` with recipe demo, so junk that it misses stays in and good clips that it drops are gone. Both arms
train on first frames, and on nothing that the other could not have seen: the curated set is part of the raw one.

Compute is equal both ways: once the same steps, and once the same passes over the data, for which raw takes more steps.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq

from benchmarks.evidence.runs import (
    FPS,
    SIDE,
    Plan,
    Row,
    compare,
    filmstock,
    plan,
    with_frame,
    world,
    write_shards,
)
from benchmarks.evidence.tables import difference, dots, keep, table
from pipeline import schema as s
from pipeline.store.atomic import write_bytes
from pipeline.world.clips import world_row, world_scene
from pipeline.world.junk import junk_shot
from pipeline.world.render import render

SHARES = {
    "": 0.6,
    "black": 0.08,
    "blurred": 0.08,
    "text": 0.08,
    "letterbox": 0.08,
    "duplicate": 0.08,
}
REPEATED = 20
"""Clips that the duplicates repeat."""
SEED = 41
PER_FILE = 50
FRAMES = 9
"""Frames of a clip that is measured; its first one is trained on."""


def kinds(n: int) -> list[str]:
    """The kind of junk of each of ``n`` clips; "" is none."""
    rng = np.random.default_rng(SEED)
    return [str(each) for each in rng.choice(list(SHARES), size=n, p=list(SHARES.values()))]


def frames_of(n: int, index: int, kind: str) -> np.ndarray:
    """Frames of clip ``index``, uint8 RGB (9,64,64,3)."""
    scene, _, _ = world_scene(
        world(n, seed=SEED), index % REPEATED if kind == "duplicate" else index
    )
    plain: dict[str, Any] = {"width": SIDE, "height": SIDE, "fps": FPS, "n_frames": FRAMES}
    return junk_shot(kind, scene, **plain, seed=index) if kind else render(scene, **plain)


def write_videos(folder: Path, drawn: list[str]) -> Path:
    """MP4s of 50 clips each, marked as the world's for the embedded CLIP, and the table that names the clips."""
    from pipeline.video.encode import encode_mp4
    from pipeline.video.tags import WORLD, domain_tags

    table, lines = folder / "clips.csv", ["path,id,start_frame,end_frame"]
    for first in range(0, len(drawn), PER_FILE):
        path = folder / f"{first:05d}.mp4"
        part = range(first, min(first + PER_FILE, len(drawn)))
        if not path.exists():
            frames = np.concatenate([frames_of(len(drawn), index, drawn[index]) for index in part])
            write_bytes(path, encode_mp4(frames, FPS, tags=domain_tags(WORLD)))
        starts = {index: FRAMES * (index - first) for index in part}
        lines += [f"{path.name},{i},{start},{start + FRAMES}" for i, start in starts.items()]
    write_bytes(table, ("\n".join(lines) + "\n").encode())
    return table


def selected(run: Path) -> list[int]:
    """Indices of the clips that a run folder keeps, in order."""
    from jobs.core.run import open_run

    opened = open_run(str(run))
    kept = set(opened.kept_clips()[s.CLIP_ID].to_pylist())
    rows = pq.read_table(run / "imports.parquet").to_pylist()
    return sorted(int(row[s.GIVEN_ID]) for row in rows if row[s.CLIP_ID] in kept)


def rows_of(drawn: list[str], wanted: list[int]) -> Iterator[Row]:
    """Shard rows of first frames, under the true captions of the scenes that stood there before the junk."""
    config = world(len(drawn), seed=SEED)
    for index in wanted:
        row = world_row(config, index)
        yield (
            with_frame(row, frames_of(len(drawn), index, drawn[index])[0]) if drawn[index] else row
        )


def run(told: Plan) -> None:
    """Measure, select, train the three arms, print what was found and what came of it."""
    drawn = kinds(told.images)
    videos, folder = told.scratch / "junk", told.scratch / "junk-run"
    clips = write_videos(videos, drawn)
    filmstock("import", clips, "--out", folder, "--recipe", "demo")
    filmstock("select", folder, "--recipe", "demo")
    kept = selected(folder)
    raw = write_shards(told.scratch / "raw", rows_of(drawn, list(range(len(drawn)))))
    curated = write_shards(told.scratch / "curated", rows_of(drawn, kept))
    longer = round(told.steps * len(drawn) / len(kept))
    sets = {
        "raw": (raw, told.steps),
        "curated": (curated, told.steps),
        "raw, same passes": (raw, longer),
    }
    arms = compare(told, "curation", sets)
    before, after = Counter(drawn), Counter(drawn[index] for index in kept)
    found = ", ".join(f"{kind or 'good'} {after[kind]} of {before[kind]}" for kind in SHARES)
    lines = [
        f"select kept {len(kept)} of {len(drawn)} clips: {found}",
        f"steps: {told.steps}, and {longer} for the same passes",
        table(arms, ("colour", "shape", "ground_right", "every_frame", "right")),
        difference(arms, "curated", "raw", "colour"),
        difference(arms, "curated", "raw", "every_frame"),
        difference(arms, "curated", "raw, same passes", "colour"),
        difference(arms, "curated", "raw, same passes", "every_frame"),
    ]
    svg = dots("Curated against raw: pictures right", arms, ("colour", "shape", "every_frame"))
    keep(told.scratch, "curation", "\n".join(lines), svg, arms)


if __name__ == "__main__":
    run(plan(__doc__))
