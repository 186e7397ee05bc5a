"""Check a reply, repair it as far as its own words allow, and record both."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from captioner.backends.base import Reply
from captioner.check.checks import ENGLISH, Verdict, judge_reply
from pipeline.schema import CaptionOutcome

THINKING = re.compile(r"^\s*<think(?:ing)?>.*?</think(?:ing)?>\s*", re.DOTALL | re.IGNORECASE)
"""What reasoning models say before they answer."""
ASK_AGAIN = frozenset(CaptionOutcome) - {
    CaptionOutcome.OK,
    CaptionOutcome.ERROR,
    CaptionOutcome.OUT_OF_DOMAIN,  # nothing was asked
}
"""Outcomes that another answer may better. Errors were retried by the backend, and are asked again by the next run."""

MENDED_JSON = "json"
STRIPPED = "boilerplate"
JUDGED = "judged"
FEWEST_WORDS = 3
"""Words that the judge must leave of a caption."""
UNMARKED = "markdown"
NO_LIMITS = "limits"
UNTHOUGHT = "thinking"
ASKED_AGAIN = "asked_again"
NO_SCHEMA = "schema_refused"


@dataclass(frozen=True, kw_only=True)
class CheckedReply:
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
    """What was done to it: ``asked_again``, ``schema_refused``, ``thinking``, ``json``, ``markdown``, ``limits``
    (sentences about what the model cannot make out), ``boilerplate``, ``judged`` (talk that only the learned judge
    found)."""
    error: str | None
    """Why there is no answer."""
    frames_hash: str
    """Frames that were shown; empty when they could not be read."""


def check_reply(
    reply: Reply,
    *,
    before: CheckedReply | None = None,
    language: str = ENGLISH,
    judge: bool = True,
) -> CheckedReply:
    """Repair a reply as far as its own words allow, and judge the result as a caption in ``language``.

    ``before`` is what an earlier answer to the same question checked to: the less defective of the two is taken.
    ``judge``: the learned judge takes out talk that no rule finds, of prose in the languages that it reads.
    """
    repairs: tuple[str, ...] = (NO_SCHEMA,) if reply.schema_refused else ()
    if reply.error is not None or reply.text is None:
        text: str | None = None
        done: list[str] = []
        verdict = judge_reply(reply.text, finish=reply.finish, error=reply.error)
    else:
        text, verdict, done = _repaired(reply, language, judge)
    checked = CheckedReply(
        text=text,
        raw_text=reply.text if text != reply.text else None,
        outcome=verdict.outcome,
        checks=verdict.checks,
        repairs=(*repairs, *done),
        error=reply.error,
        frames_hash=reply.frames_hash,
    )
    if before is None:
        return checked
    taken = min(checked, before, key=lambda one: _ORDER.index(one.outcome))
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


def _repaired(reply: Reply, language: str, judge: bool) -> tuple[str, Verdict, list[str]]:
    from captioner.check.derive import judge_structured
    from captioner.check.markdown import plain_prose
    from captioner.check.mend_json import mend_json
    from captioner.check.refusal import is_refusal, without_limits
    from captioner.check.refusal_languages import refuses_in, without_limits_in

    done, finish = [], reply.finish
    answer = THINKING.sub("", reply.text or "", count=1)
    if answer != reply.text:
        done.append(UNTHOUGHT)
    if reply.kind == "structured":
        stored, verdict = judge_structured(answer, finish=finish, language=language)
        if CaptionOutcome.MALFORMED in verdict.checks and (mended := mend_json(answer)):
            again, better_verdict = judge_structured(mended, finish=finish, language=language)
            if CaptionOutcome.MALFORMED not in better_verdict.checks:
                return again, better_verdict, [*done, MENDED_JSON]
        return stored, verdict, done
    prose = plain_prose(answer)
    if prose != answer:
        done.append(UNMARKED)
    told = without_limits(prose) if language == ENGLISH else without_limits_in(prose, language)
    if told is not None:
        prose = told
        done.append(NO_LIMITS)
    refused = is_refusal(prose) if language == ENGLISH else refuses_in(prose, language)
    if not refused:
        if (ruled := by_rules(prose, language)) is not None:
            prose = ruled
            done.append(STRIPPED)
        if judge and (less := _judged(prose, language)) is not None:
            prose = less
            done.append(JUDGED)
    verdict = judge_reply(prose, finish=finish, language=language)
    if verdict.outcome == CaptionOutcome.OK:
        return prose, verdict, done
    # What no repair saves stays as the model said it.
    verdict = judge_reply(answer, finish=finish, language=language)
    return answer, verdict, [UNTHOUGHT] if UNTHOUGHT in done else []


def by_rules(prose: str, language: str) -> str | None:
    """What the rules leave of a text; None where they find nothing or leave nothing."""
    from captioner.check.boilerplate import strip_boilerplate
    from captioner.check.talk_languages import strip_openings

    if language != ENGLISH:
        opened = strip_openings(prose, language)
        return opened if opened != prose else None
    stripped = strip_boilerplate(prose)
    return stripped.text if stripped.found else None


def _judged(prose: str, language: str) -> str | None:
    """What the judge leaves of a text, by the rules as well; None where it takes nothing out or leaves no caption."""
    from captioner.check.boilerplate import strip_boilerplate
    from captioner.check.judge import LANGUAGES, strip_learned
    from captioner.check.judge_tokens import tokens_of

    if language not in LANGUAGES:
        return None
    less, found = strip_learned(prose, language=language)
    if not found or sum(token.kind == "word" for token in tokens_of(less)) < FEWEST_WORDS:
        return None
    return strip_boilerplate(less).text if language == ENGLISH else less
