"""Judge captions that came with the sources. They are never repaired: their authors meant what they wrote."""

from __future__ import annotations

from captioner.check.checks import ENGLISH, Verdict, is_looped, is_malformed, verdict_of
from captioner.check.language import is_off_language
from pipeline.schema import CaptionOutcome

MODEL = "source"
"""In the place of a model's name."""


def judge_original(text: str, *, language: str = ENGLISH) -> Verdict:
    """Outcome of an original caption that should be in ``language``.

    A title needs no full stop and a person may say "I cannot", so neither is held against it.
    """
    return verdict_of(
        (CaptionOutcome.EMPTY, not text.strip()),
        (CaptionOutcome.LOOPED, is_looped(text)),
        (CaptionOutcome.MALFORMED, bool(text.strip()) and is_malformed(text)),
        (CaptionOutcome.OFF_LANGUAGE, is_off_language(text, language)),
    )
