"""Marks are taken out of prose, and nothing else: the words and the ends of sentences stay."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from captioner.check.markdown import plain_prose


@pytest.mark.parametrize(
    ("said", "stored"),
    [
        ("# A red door\nIt opens.", "A red door: It opens."),
        ("# Where is it?\nIt opens.", "Where is it? It opens."),
        ("# Is it red\nYes.", "Is it red: Yes."),
        ("# Red.\nIt opens.", "Red. It opens."),
        ("# Malcolm X\nHe speaks.", "Malcolm X: He speaks."),
        ("# Video description\nA dog runs.", "A dog runs."),
        ("**Scene:**\nA dog runs.", "Scene: A dog runs."),
        ("- a cup of brand X\n- a *red* plate;\n- e.g\n- Go?", "a cup of brand X. a red plate; e.g. Go?"),
        ("- I.D\n1) **two** dogs,\n---\nAnd a cat", "I.D. two dogs, And a cat"),
        ("Detailed caption:\n**A dog** runs", "Detailed caption: A dog runs"),
    ],
)  # fmt: skip
def test_headings_and_items_become_sentences(said: str, stored: str) -> None:
    assert plain_prose(said) == stored


LINES = st.lists(
    st.tuples(
        st.sampled_from(["", "- ", "* ", "2. ", "# ", "## "]),
        st.lists(
            st.sampled_from(["a", "**red**", "*dog*", "runs", "2", "X", "__home__", "5*3"]),
            min_size=1,
        ),
    ),
    min_size=1,
)


@given(LINES)
def test_no_word_is_lost(lines: list[tuple[str, list[str]]]) -> None:
    said = "\n".join(mark + " ".join(words) for mark, words in lines)
    kept = re.findall(r"[^\W_]+", " ".join(" ".join(words) for _, words in lines))
    assert re.findall(r"[^\W_]+", plain_prose(said)) == kept
