"""The captions that stand for the synthetic world where no dataset is given: those of its training scenes.

Drawing the scenes takes seconds, so their captions lie in ``world_captions.jsonl``, one scene a line, its dense caption
and its fields. ``python -m captioner.expansion.world`` writes the file again; a test holds it to the scenes.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

from captioner.expansion.expand import Library, example_of

WORLD_CAPTIONS = 600
"""Captions in the file."""
FILE = Path(__file__).with_name("world_captions.jsonl")


def world_library() -> Library:
    """The captions of the synthetic world's training scenes."""
    rows = (json.loads(line) for line in FILE.read_text(encoding="utf-8").splitlines())
    return Library(example_of(row["dense"], json.dumps(row["structured"])) for row in rows)


def drawn_lines() -> Iterator[str]:
    """The lines of the file, from the scenes themselves."""
    from pipeline.world.captions import caption, structured
    from pipeline.world.scene import random_scene

    for seed in range(WORLD_CAPTIONS):
        scene = random_scene(seed, split="train")
        row = {"dense": caption(scene, "dense"), "structured": structured(scene)}
        yield json.dumps(row, sort_keys=True)


if __name__ == "__main__":
    FILE.write_text("".join(line + "\n" for line in drawn_lines()), encoding="utf-8")
