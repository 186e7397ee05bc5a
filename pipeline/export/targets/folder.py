"""A folder of videos with ``.txt`` beside them: what most trainers read that are not in this list."""

from __future__ import annotations

from pipeline.export.target import Target

TARGET = Target(
    name="folder",
    reads="by convention: NAME.mp4 and NAME.txt",
    sidecars=("videos/{name}.txt",),
    audio=True,
)
