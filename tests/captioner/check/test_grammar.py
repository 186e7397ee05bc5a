"""An object gets a verb where it is surely a thing and what it is doing; else it stays."""

from __future__ import annotations

import pytest

from captioner.check.grammar import as_sentence


@pytest.mark.parametrize(
    ("rest", "sentence"),
    [
        ("the wave closing behind him.", "the wave is closing behind him."),
        ("two boys running home.", "two boys are running home."),
        (
            "the wave closing and the board shooting out.",
            "the wave is closing and the board is shooting out.",
        ),
        ("flour being mixed with water.", "flour is being mixed with water."),
        ("a quiet morning on a river.", "a quiet morning on a river."),
        ("a slow-motion replay of the flip.", "a slow-motion replay of the flip."),
        ("steam rising from a pot.", "steam rising from a pot."),
        ("the old swimming pool.", "the old swimming pool."),
        ("the dog in the ring.", "the dog in the ring."),
    ],
)
def test_objects(rest: str, sentence: str) -> None:
    assert as_sentence(rest) == sentence
