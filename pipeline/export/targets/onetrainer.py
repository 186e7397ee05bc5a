"""OneTrainer: a folder of videos with ``.txt`` beside them, and ``concepts.json`` that names it."""

from __future__ import annotations

from collections.abc import Iterator

from pipeline.export.target import Export, File, Target, to_json


def files(export: Export) -> Iterator[File]:
    """The list of concepts; a line of a text file is one of its captions."""
    concept = {
        "__version": 2,
        "name": "filmstock",
        "path": f"{export.root}/videos",
        "seed": 0,
        "enabled": True,
        "type": "STANDARD",
        "include_subdirectories": False,
        "balancing": 1.0,
        "balancing_strategy": "REPEATS",
        "loss_weight": 1.0,
        "text": {"prompt_source": "sample"},
    }
    yield "concepts.json", to_json([concept])


TARGET = Target(
    name="onetrainer",
    reads="Nerogar/OneTrainer modules/util/config/ConceptConfig.py",
    sidecars=("videos/{name}.txt",),
    many_captions=True,
    images=False,
    files=files,
)
