"""The words of the synthetic world's captions, and how far a text is from them."""

from __future__ import annotations

import re
from functools import cache

SCENES = 80
"""Scenes whose captions hold every word of the world (66 of them; 200 scenes have no other)."""
FAR = 0.3
"""Share of unknown words from which a text is not of the world."""


@cache
def world_words() -> frozenset[str]:
    """Every word that captions of the world use, of all splits, in lower case."""
    from pipeline.world.captions import caption
    from pipeline.world.scene import SPLITS, random_scene

    scenes = [random_scene(seed, split=split) for split in SPLITS for seed in range(SCENES)]
    texts = [caption(scene, kind) for scene in scenes for kind in ("short", "dense")]
    return frozenset(word for text in texts for word in words_of(text))


def words_of(text: str) -> list[str]:
    """Words of a text, in lower case and order."""
    return re.findall(r"[^\W\d_]+", text.lower())


def strange_words(text: str) -> list[str]:
    """Words of a text that the world does not have, each once, in order."""
    known = world_words()
    return list(dict.fromkeys(word for word in words_of(text) if word not in known))


def is_far(text: str) -> bool:
    """True when a text speaks of something else than the world: three words in ten are unknown there."""
    words, strange = words_of(text), set(strange_words(text))
    return bool(words) and sum(word in strange for word in words) >= FAR * len(words)
