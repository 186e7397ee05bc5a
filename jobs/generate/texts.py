"""Whether a text can be a prompt at all: asked before anything is loaded, alike for every command that takes one."""

from __future__ import annotations

from jobs.core.console import warn
from jobs.core.errors import UserError

MOST_LETTERS = 10_000
"""Longest prompt; a text encoder reads some hundred words, and a server's limit is about as many."""


def check_prompt(text: str, option: str = "--prompt") -> None:
    """UserError for text that is not UTF-8, holds what no keyboard writes, or is longer than any caption."""
    shown = repr(text[:60])
    if any(
        "\ud800" <= letter <= "\udfff" for letter in text
    ):  # bytes that the shell could not decode
        raise UserError(f"{option} {shown} is not UTF-8 text; write it as UTF-8")
    if any(letter < " " and not letter.isspace() for letter in text):
        raise UserError(f"{option} {shown} holds control characters; remove them")
    if len(text) > MOST_LETTERS:
        raise UserError(
            f"{option} {shown}... has {len(text):,} letters; give at most {MOST_LETTERS:,}"
        )


def warn_of_other_worlds(prompts: list[str]) -> None:
    """Say which prompts the embedded DiT cannot follow: it has seen coloured shapes and nothing else."""
    from pipeline.world.vocabulary import is_far, strange_words

    for prompt in filter(is_far, prompts):
        words = ", ".join(strange_words(prompt)[:5])
        warn(
            f"the embedded DiT knows the synthetic world only, coloured shapes that move, and not {words} of "
            f"{prompt[:60]!r}: it will draw something else; train one on footage of such things (train-dit)"
        )
