"""Prompts of the world are told from those of anything else."""

import pytest

from pipeline.world.captions import caption
from pipeline.world.scene import SPLITS, random_scene
from pipeline.world.vocabulary import is_far, strange_words


@pytest.mark.parametrize("split", SPLITS)
def test_captions_of_the_world_are_never_far(split: str) -> None:
    for seed in range(5000, 5025):
        scene = random_scene(seed, split=split)
        for kind in ("short", "dense"):
            assert not is_far(caption(scene, kind)), caption(scene, kind)


@pytest.mark.parametrize(
    "text",
    [
        "A dog runs across a lawn in the evening sun.",
        "A woman in a red coat walks through a crowded street.",
        "Drone footage of a coastline with waves breaking on rocks.",
        "ein roter Kreis bewegt sich nach links",
    ],
)
def test_other_prompts_are_far(text: str) -> None:
    assert is_far(text) and strange_words(text)


def test_a_short_prompt_of_the_world_is_near() -> None:
    assert not is_far("A red circle moves right.") and not is_far("")
