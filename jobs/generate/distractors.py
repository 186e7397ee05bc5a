"""Sentences about other videos, among which a prompt's assertions are ranked."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cache

WORLD_SCENES = 60
"""Scenes whose captions are distractors for a CLIP of the synthetic world."""
EVERYDAY = (
    "A man walks along a busy street.", "A woman reads a book in a garden.", "Two children play with a ball.",
    "A dog runs across a field of grass.", "A cat sleeps on a sofa.", "A red car drives through the rain.",
    "Waves break on a sandy beach.", "Snow falls on a forest of pines.", "A chef chops vegetables in a kitchen.",
    "A crowd cheers at a concert.", "A train crosses a bridge over a river.", "An aeroplane takes off at sunset.",
    "A bird sits on a branch and sings.", "A waterfall drops into a pool.", "City lights shine at night.",
    "A boat sails on a calm lake.", "A hand draws a picture with a pencil.", "Horses gallop over a hill.",
    "A candle burns on a table.", "A bowl of fruit stands by a window.", "People skate on a frozen pond.",
    "A robot moves boxes in a warehouse.", "Clouds drift over mountains.", "A fish swims among corals.",
    "A baby laughs at its mother.", "A football player kicks the ball.", "An old man plays chess in a park.",
    "Smoke rises from a chimney.", "A bee lands on a flower.", "A surfer rides a wave.",
    "A dancer turns on a stage.", "A teacher writes on a board.", "Rain runs down a window.",
    "A fire burns in a fireplace.", "A lion lies in the shade of a tree.", "An empty room has white walls.",
    "Text scrolls over a black screen.", "A bicycle leans against a wall.", "A doctor looks at an X-ray.",
    "Balloons float over a valley.",
)  # fmt: skip
"""Distractors for a CLIP that knows the real world: everyday scenes of many kinds."""


def distractors(said: Sequence[str], prompts: Iterable[str], *, world: bool) -> list[str]:
    """Assertions of other prompts and of a fixed bank, without those that the prompt makes itself."""
    from captioner.truth.grounding import scored_assertions

    bank = list(world_sentences() if world else EVERYDAY)
    for prompt in prompts:
        bank += scored_assertions(prompt)
    own = set(said)
    return [text for text in dict.fromkeys(bank) if text not in own]


@cache
def world_sentences() -> tuple[str, ...]:
    """Assertions of dense captions of training scenes."""
    from captioner.truth.grounding import scored_assertions
    from pipeline.world.captions import caption
    from pipeline.world.scene import random_scene

    scenes = [random_scene(seed) for seed in range(WORLD_SCENES)]
    return tuple(text for scene in scenes for text in scored_assertions(caption(scene, "dense")))
