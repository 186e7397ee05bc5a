"""What is wrong with a reply, from its text alone: typed defects, the gravest of which is the caption's outcome."""

from __future__ import annotations

import re
from dataclasses import dataclass

from pipeline.schema import CaptionOutcome

_REFUSAL = re.compile(
    r"^\W*(?:i['’]?m (?:very |so |really )?sorry|sorry,|i apologi[sz]e|as an ai\b|as a language model)"
    r"|\bi(?: am|['’]m)? (?:can ?not|can['’]t|could not|couldn['’]t|won['’]t|unable to|not able to)\s+"
    r"(?:\w+\s+){0,2}?(?:help|assist|provide|describe|see|view|watch|access|process|identify|comply|caption|fulfil)",
    re.IGNORECASE,
)
_MEDIUM = r"(?:video|clip|footage|image|images|picture|frames?|scene|sequence|series|photo|film|animation)"
_BOILERPLATE = re.compile(
    rf"^\W*(?:in|throughout) (?:this|the|these) (?:\w+ ){{0,2}}?{_MEDIUM}\b"
    rf"|^\W*(?:this|the|these|a|an) (?:\w+ ){{0,2}}?{_MEDIUM}(?: clip| of (?:frames|images))? (?:\w+ly )?"
    r"(?:show|depict|feature|capture|display|present|begin|open|start|portray|illustrate|contain|consist|is of|include)"
    r"|^\W*(?:sure|certainly|of course|okay|absolutely)\b[,!.:]"
    r"|^\W*here(?: is|['’]s| are) "
    r"|^\W*(?:caption|description|answer|summary)\s*:",
    re.IGNORECASE,
)
_RESIDUE = re.compile(
    r"<\|?[a-z_/]+\|?>|\[/?INST\]|```|^\s*[{\[]|\b(?:assistant|user|system)\s*:|\ufffd",
    re.IGNORECASE,
)
_ENGLISH_WORDS = (
    "a an the of in is are on at to and with it its from by as this that there while for into over "
    "under behind near between has have their his her be one two"
)
_ENGLISH = frozenset(re.findall(r"\w+", _ENGLISH_WORDS))
LOOP_REPEATS = 3
"""A phrase of at least three words said this often in a row is a loop; shorter phrases need twice as many."""


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """What the checks made of a reply."""

    outcome: CaptionOutcome
    """The gravest defect, or ``ok``."""
    checks: tuple[str, ...]
    """Every defect found, gravest first."""


def judge_reply(
    text: str | None, *, finish: str | None = None, error: str | None = None
) -> Verdict:
    """Outcome of a reply: its text, how generation ended, and the backend's error if there was one."""
    if error is not None or text is None:
        return Verdict(outcome=CaptionOutcome.ERROR, checks=(str(CaptionOutcome.ERROR),))
    found = [
        outcome
        for outcome, hit in (
            (CaptionOutcome.EMPTY, not text.strip()),
            (CaptionOutcome.REFUSED, finish == "content_filter" or is_refusal(text)),
            (CaptionOutcome.LOOPED, is_looped(text)),
            (CaptionOutcome.TRUNCATED, finish == "length"),
            (CaptionOutcome.MALFORMED, bool(text.strip()) and is_malformed(text)),
            (CaptionOutcome.OFF_LANGUAGE, is_off_language(text)),
            (CaptionOutcome.BOILERPLATE, has_boilerplate(text)),
        )
        if hit
    ]
    return Verdict(
        outcome=found[0] if found else CaptionOutcome.OK, checks=tuple(str(o) for o in found)
    )


def is_refusal(text: str) -> bool:
    """The model declines, in its own first person; a subject that "cannot" do something is no refusal."""
    return bool(_REFUSAL.search(text[:300]))


def has_boilerplate(text: str) -> bool:
    """Opens with a phrase about the video, or about answering, instead of its subject."""
    return bool(_BOILERPLATE.search(text))


def is_malformed(text: str) -> bool:
    """Left-over markup, chat roles or JSON, undecodable bytes, or no words at all."""
    return bool(_RESIDUE.search(text)) or not re.search(r"[^\W\d_]{2}", text)


def is_looped(text: str) -> bool:
    """Some phrase is said over and over in a row, anywhere in the text, or one long word never ends."""
    words = re.findall(r"\w+", text.lower())
    for period in range(1, min(40, len(words) // LOOP_REPEATS) + 1):
        needed = LOOP_REPEATS if period >= 3 else 2 * LOOP_REPEATS
        run = 0
        for i in range(period, len(words)):
            run = run + 1 if words[i] == words[i - period] else 0
            if run >= period * (needed - 1):
                return True
    return bool(re.search(r"(.{1,8}?)\1{15,}", text))


def is_off_language(text: str) -> bool:
    """Not English: letters of other scripts, or a long text with hardly any English function word."""
    letters = [c for c in text if c.isalpha()]
    foreign = sum(not ("a" <= c.lower() <= "z" or "\u00c0" <= c <= "\u024f") for c in letters)
    if foreign > 0.1 * len(letters):
        return True
    words = re.findall(r"[^\W\d_]+", text.lower())
    return len(words) >= 8 and sum(w in _ENGLISH for w in words) < 0.08 * len(words)
