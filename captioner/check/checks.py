"""What is wrong with a reply, from its text alone: typed defects, the gravest of which is the caption's outcome."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from itertools import pairwise

from captioner.check.boilerplate import strip_boilerplate
from captioner.check.language import QUOTED, SENTENCES, is_off_language
from captioner.check.refusal import is_refusal, without_limits
from captioner.check.refusal_languages import refuses_in
from pipeline.schema import CaptionOutcome

_RESIDUE = re.compile(
    r"<\|?[a-z_/]+\|?>|\[/?INST\]|```|^\s*(?:\{|\[\s*[\"{\[\]]|\"\w+\"\s*:\s*[\"\[{\d])|^\s*#{1,6} |�|[ÂÃ][-¿]|â€"
    r"|(?:^|\n)\s*(?:assistant|user|system|human)\s*:|\b(?:Assistant|User|System|Human|ASSISTANT|USER|SYSTEM"
    r"|HUMAN):",
    re.IGNORECASE,
)
_ENDED = re.compile(r"[.!?…:;)\]\"'”’*]\W*$")
_HANGS = re.compile(r"\b(?:the|an|and|or|their|its|into)\s*$")
"""Words with which no English sentence ends."""
ENGLISH = "en"
LONG_WORDS = 12
"""A text of so many words that ends without a mark was cut off, when the server does not say how it ended."""
LOOP_REPEATS = 3
"""A phrase of at least three words said this often in a row is a loop; two words need twice as many."""
WORD_REPEATS, SMALL_REPEATS = 4, 3
"""Times that one word must stand in a row, and that an article or the like must."""
_SMALL = frozenset(
    re.findall(
        r"\w+",
        "the a an of in on at is are and to with its his her their this that as by for from it",
    )
)
LONG_QUOTE = 60
"""Letters from which what stands in quotes may be a loop, too; a crowd chants, a sign counts."""
_NUMBER = re.compile(r"\d+")


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """What the checks made of a reply."""

    outcome: CaptionOutcome
    """The gravest defect, or ``ok``."""
    checks: tuple[str, ...]
    """Every defect found, gravest first."""


def judge_reply(
    text: str | None,
    *,
    finish: str | None = None,
    error: str | None = None,
    language: str = ENGLISH,
) -> Verdict:
    """Outcome of a reply: its text, how generation ended, and the backend's error if there was one.

    ``language`` is what the caption should be written in. A refusal is found in English and in it; boilerplate counts
    as a defect in English only.
    """
    if error is not None or text is None:
        return Verdict(outcome=CaptionOutcome.ERROR, checks=(str(CaptionOutcome.ERROR),))
    english = language == ENGLISH
    refused = (
        finish == "content_filter"
        or ((english or not is_off_language(text)) and is_refusal(text))
        or refuses_in(text, language)
    )
    return verdict_of(
        (CaptionOutcome.EMPTY, not text.strip()),
        (CaptionOutcome.REFUSED, refused),
        (CaptionOutcome.LOOPED, is_looped(text)),
        (CaptionOutcome.TRUNCATED, is_truncated(text, finish) or (english and hangs(text))),
        (CaptionOutcome.MALFORMED, bool(text.strip()) and is_malformed(text)),
        (CaptionOutcome.OFF_LANGUAGE, is_off_language(text, language)),
        (CaptionOutcome.BOILERPLATE, english and not refused and has_boilerplate(text)),
    )


def verdict_of(*checks: tuple[CaptionOutcome, bool]) -> Verdict:
    """All outcomes that hold; the first one counts."""
    found = [outcome for outcome, holds in checks if holds]
    return Verdict(
        outcome=found[0] if found else CaptionOutcome.OK, checks=tuple(str(o) for o in found)
    )


def has_boilerplate(text: str) -> bool:
    """Talk about the video, about answering, or about what the model cannot make out, instead of what is seen."""
    return bool(strip_boilerplate(text).found) or without_limits(text) is not None


def is_truncated(text: str, finish: str | None) -> bool:
    """Cut at the token limit; when the backend does not say how it ended, a long text that ends without a mark."""
    if finish is not None:
        return finish == "length"
    return len(text.split()) >= LONG_WORDS and not _ENDED.search(text)


def hangs(text: str) -> bool:
    """Ends with a word that needs another, whatever the server says of how it ended."""
    return bool(_HANGS.search(text))


def is_malformed(text: str) -> bool:
    """Left-over markup, chat roles or JSON, undecodable bytes, or no words at all."""
    return bool(_RESIDUE.search(text)) or not re.search(r"[^\W\d_]{2}", text)


def is_looped(text: str) -> bool:
    """Some phrase is said over and over in a row, some sentence again and again, or one long word never ends."""
    own = QUOTED.sub(lambda quote: quote[0] if len(quote[0]) > LONG_QUOTE else ' "" ', text)
    words = re.findall(r"\w+", own.lower())
    if _stutters(words) or _repeats(words, shortest=2):
        return True
    numbered = any(map(_NUMBER.search, words))
    if numbered and _repeats([_NUMBER.sub("0", word) for word in words], shortest=3):
        return True  # it counts: progress 5 %, progress 10 %, ...
    said = Counter(" ".join(_) for s in SENTENCES.split(own) if len(_ := s.lower().split()) >= 4)
    return max(said.values(), default=0) >= LOOP_REPEATS or bool(
        re.search(r"(.{1,8}?)\1{15,}", text)
    )


def _stutters(words: list[str]) -> bool:
    """One word stands in a row more often than anybody writes it."""
    run = 1
    for before, word in pairwise(words):
        run = run + 1 if word == before else 1
        if run >= (SMALL_REPEATS if word in _SMALL else WORD_REPEATS) and not word.isdigit():
            return True
        if run >= 2 * LOOP_REPEATS:
            return True
    return False


def _repeats(words: list[str], shortest: int) -> bool:
    for period in range(shortest, min(40, len(words) // LOOP_REPEATS) + 1):
        needed = LOOP_REPEATS if period >= 3 else 2 * LOOP_REPEATS
        run = 0
        for i in range(period, len(words)):
            run = run + 1 if words[i] == words[i - period] else 0
            if run >= period * (needed - 1):
                return True
    return False
