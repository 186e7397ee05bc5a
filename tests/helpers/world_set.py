"""A run folder of scenes of the world, with their captions and embeddings, written without Ray."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa

from jobs.core.run import open_run
from jobs.select import command as select
from pipeline import schema as s
from pipeline.openclip.model import OpenClipModel
from pipeline.store.parquet import write_table
from pipeline.tables import captions_schema, embeddings_schema
from pipeline.world.captions import caption
from pipeline.world.render import render
from pipeline.world.scene import Scene, random_scene
from tests.helpers.run_folder import table, write_run

RECIPE = """
[openclip]
model = "embedded"
[select]
dedup_phash = false
dedup_exact = false
[select.where]
moving = "motion_mean < 0.55"
"""
LOOKS = [
    ("red", "circle", "right"), ("blue", "square", "still"), ("red", "circle", "right"),
    ("green", "ring", "up"), ("yellow", "square", "left"), ("yellow", "diamond", "still"),
    ("red", "circle", "right"),
]  # fmt: skip
"""Colour, shape and motion of the object of each clip; clip 6 is rejected by the rules."""


def scene_of(number: int) -> Scene:
    """A scene of the world with the object of clip ``number``."""
    colour, shape, motion = LOOKS[number]
    scene = next(
        scene
        for scene in (random_scene(1000 * number + i, max_objects=1) for i in range(1000))
        if scene.objects[0].motion == motion and scene.camera == "static"
    )
    return replace(scene, objects=(replace(scene.objects[0], colour=colour, shape=shape),))


SCENES = [scene_of(number) for number in range(len(LOOKS))]
TEXTS = [caption(scene, "dense") for scene in SCENES]


def prepare(folder: Path, clip: OpenClipModel) -> list[str]:
    """A run folder whose clips are embedded as the scenes of their captions; returns the clip ids."""
    ids = [row[s.CLIP_ID] for row in write_run(folder, len(TEXTS))]
    videos = [render(x, width=64, height=64, fps=2.0, n_frames=3) for x in SCENES]
    vectors = np.stack([clip.embed_clip(video) for video in videos]).astype(np.float16)
    rows = [{s.CLIP_ID: i, s.CLIP_EMBEDDING: v} for i, v in zip(ids, vectors, strict=True)]
    embeddings = pa.Table.from_pylist(rows, schema=embeddings_schema(vectors.shape[1]))
    write_table(folder / "embeddings" / "part-00000.parquet", embeddings)
    captions = [
        {s.CLIP_ID: i, s.KIND: "dense", s.TEXT: text, s.OUTCOME: "ok"}
        for i, text in zip(ids, TEXTS, strict=True)
    ]
    write_table(folder / "captions" / "part-00000.parquet", table(captions, captions_schema()))
    (folder / "recipe.toml").write_text(RECIPE)
    run = open_run(folder)
    select.run(run.recipe().select, run)
    return ids
