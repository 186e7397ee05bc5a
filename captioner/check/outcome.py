"""What becomes of a reply: repaired where its own words allow it, judged, and never changed in silence."""

from __future__ import annotations

from dataclasses import dataclass, replace

from captioner.backends.base import Reply
from captioner.check.checks import Verdict, judge_reply
from pipeline.schema import CaptionOutcome

ASK_AGAIN = frozenset(CaptionOutcome) - {
    CaptionOutcome.OK,
    CaptionOutcome.ERROR,
    CaptionOutcome.OUT_OF_DOMAIN,  # nothing was asked
}
"""Outcomes that another answer may better. Errors were retried by the backend, and are asked again by the next run."""

MENDED_JSON = "json"
STRIPPED = "boilerplate"
UNTHOUGHT = "thinking"
ASKED_AGAIN = "asked_again"
NO_SCHEMA = "schema_refused"


@dataclass(frozen=True, kw_only=True)
class Settled:
    """A reply after repair."""

    text: str | None
    """What is stored as the caption."""
    raw_text: str | None
    """What the model said, when that differs; else None."""
    outcome: CaptionOutcome
    """The gravest defect of ``text``, or ``ok``."""
    checks: tuple[str, ...]
    """Every defect of ``text``, gravest first."""
    repairs: tuple[str, ...]
    """What was done to it: ``asked_again``, ``schema_refused``, ``thinking``, ``json``, ``boilerplate``."""
    error: str | None
    """Why there is no answer."""
    frames_hash: str
    """Frames that were shown; empty when they could not be read."""


def settle(reply: Reply, *, before: Settled | None = None) -> Settled:
    """Repair a reply as far as its own words allow, and judge the result.

    ``before`` is what an earlier answer to the same question settled to: the less defective of the two is taken.
    """
    repairs: tuple[str, ...] = (NO_SCHEMA,) if reply.schema_refused else ()
    if reply.error is not None or reply.text is None:
        text: str | None = None
        done: list[str] = []
        verdict = judge_reply(reply.text, finish=reply.finish, error=reply.error)
    else:
        text, verdict, done = _repaired(reply.text, reply.kind, reply.finish)
    settled = Settled(
        text=text,
        raw_text=reply.text if text != reply.text else None,
        outcome=verdict.outcome,
        checks=verdict.checks,
        repairs=(*repairs, *done),
        error=reply.error,
        frames_hash=reply.frames_hash,
    )
    if before is None:
        return settled
    taken = min(settled, before, key=lambda one: _ORDER.index(one.outcome))
    return replace(taken, repairs=(ASKED_AGAIN, *taken.repairs))


_ORDER = (
    CaptionOutcome.OK,
    CaptionOutcome.BOILERPLATE,
    CaptionOutcome.TRUNCATED,
    CaptionOutcome.OFF_LANGUAGE,
    CaptionOutcome.MALFORMED,
    CaptionOutcome.LOOPED,
    CaptionOutcome.REFUSED,
    CaptionOutcome.EMPTY,
    CaptionOutcome.ERROR,
)


def _repaired(text: str, kind: str, finish: str | None) -> tuple[str, Verdict, list[str]]:
    from captioner.check.derive import judge_structured
    from captioner.check.mend_json import mend_json
    from captioner.check.repair import THINKING, strip_boilerplate

    done = []
    answer = THINKING.sub("", text, count=1)
    if answer != text:
        done.append(UNTHOUGHT)
    if kind == "structured":
        stored, verdict = judge_structured(answer, finish=finish)
        if CaptionOutcome.MALFORMED in verdict.checks and (mended := mend_json(answer)):
            again, better_verdict = judge_structured(mended, finish=finish)
            if CaptionOutcome.MALFORMED not in better_verdict.checks:
                return again, better_verdict, [*done, MENDED_JSON]
        return stored, verdict, done
    verdict = judge_reply(answer, finish=finish)
    if CaptionOutcome.BOILERPLATE in verdict.checks and (stripped := strip_boilerplate(answer)):
        judged = judge_reply(stripped, finish=finish)
        if CaptionOutcome.BOILERPLATE not in judged.checks and len(judged.checks) < len(
            verdict.checks
        ):
            return stripped, judged, [*done, STRIPPED]
    return answer, verdict, done
