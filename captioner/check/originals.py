"""Judge captions that came with the sources. They are never repaired: their authors meant what they wrote."""

from __future__ import annotations

from captioner.check.checks import ENGLISH, Verdict, is_looped, is_malformed
from captioner.check.language import is_off_language
from pipeline.schema import CaptionOutcome

MODEL = "source"
"""In the place of a model's name."""


def judge_original(text: str, *, language: str = ENGLISH) -> Verdict:
    """Outcome of an original caption that should be in ``language``.

    A title needs no full stop and a person may say "I cannot", so neither is held against it.
    """
    found = [
        outcome
        for outcome, hit in (
            (CaptionOutcome.EMPTY, not text.strip()),
            (CaptionOutcome.LOOPED, is_looped(text)),
            (CaptionOutcome.MALFORMED, bool(text.strip()) and is_malformed(text)),
            (CaptionOutcome.OFF_LANGUAGE, is_off_language(text, language)),
        )
        if hit
    ]
    return Verdict(
        outcome=found[0] if found else CaptionOutcome.OK, checks=tuple(str(o) for o in found)
    )
