"""What is stored of a structured reply: the canonical JSON of its fields, judged by the prose that they render to.

The embedded captioner knows no JSON: its structured caption is its dense caption taken apart, a pure function of that
reply, and the row carries the check ``derived``. A dense reply in any other wording than the world's is not guessed
at; it stays as it is and ends ``malformed``.
"""

from __future__ import annotations

import json

from captioner.check.checks import ENGLISH, Verdict, judge_reply
from pipeline.schema import CaptionOutcome

DERIVED = "derived"
"""Check of a structured caption that was taken from prose instead of asked for as JSON."""


def judge_structured(
    text: str, *, finish: str | None = None, language: str = ENGLISH
) -> tuple[str, Verdict]:
    """(text to store, verdict) of a reply that should be a structured caption."""
    from captioner.ask.structured import parse, to_json
    from captioner.render import plain

    derived = derive_structured(text)
    try:
        fields = parse(text if derived is None else derived)
    except ValueError:
        verdict = judge_reply(text, finish=finish, language=language)
        worse = (CaptionOutcome.EMPTY, CaptionOutcome.REFUSED, CaptionOutcome.LOOPED)
        outcome = CaptionOutcome.MALFORMED
        if verdict.outcome in (*worse, CaptionOutcome.TRUNCATED):
            outcome = verdict.outcome
        checks = tuple(
            dict.fromkeys([str(outcome), *verdict.checks, str(CaptionOutcome.MALFORMED)])
        )
        return text, Verdict(outcome=outcome, checks=checks)
    verdict = judge_reply(plain(fields), finish=finish, language=language)
    if derived is not None:
        verdict = Verdict(outcome=verdict.outcome, checks=(*verdict.checks, DERIVED))
    return to_json(fields), verdict


def judge_kind(kind: str, text: str, *, language: str = ENGLISH) -> tuple[str, Verdict]:
    """(text to store, verdict) of a whole caption of any kind, whoever wrote it."""
    if kind == "structured":
        return judge_structured(text, finish="stop", language=language)
    return text, judge_reply(text, finish="stop", language=language)


def derive_structured(dense: str) -> str | None:
    """Stored form of the structured caption that a dense caption in the world's wording states, or None."""
    from captioner.ask.structured import parse, to_json
    from pipeline.world.captions import structured_from_dense

    fields = None if dense.lstrip().startswith("{") else structured_from_dense(dense)
    return None if fields is None else to_json(parse(json.dumps(fields)))
