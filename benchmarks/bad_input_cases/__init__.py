"""Wrong inputs by command, and the folders that they are tried on."""

from __future__ import annotations

from benchmarks.bad_input_cases import (
    curation,
    fights,
    hostile,
    latest,
    latest_shapes,
    looking,
    models,
    newer,
    strange,
    stranger,
)
from benchmarks.bad_input_cases.case import Case


def all_cases() -> list[Case]:
    """Every wrong input, in the order of the data flow."""
    return [
        *curation.footage(),
        *curation.stages(),
        *models.training(),
        *models.sampling(),
        *newer.verbs(),
        *newer.exchange(),
        *looking.looking(),
        *hostile.paths(),
        *hostile.files(),
        *fights.exchange(),
        *fights.training(),
        *fights.words(),
        *looking.command_line(),
        *strange.numbers(),
        *strange.places(),
        *strange.versions(),
        *strange.fights(),
        *strange.shells(),
        *latest.generating(),
        *latest.training(),
        *latest.exchange(),
        *latest_shapes.shapes(),
        *stranger.footage(),
        *stranger.looking(),
        *stranger.generating(),
    ]
