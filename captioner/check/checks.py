"""What is wrong with a reply, from its text alone: typed defects, the gravest of which is the caption's outcome."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass

from captioner.check.language import SENTENCES, is_off_language, unquoted
from captioner.check.phrases import ADJECTIVES, GIVEN, MEDIUM, OF
from pipeline.schema import CaptionOutcome

_MEDIA = r"(?:videos?|clips?|footage|images?|pictures?|photos?|frames?|media|attachments?|material|visuals?|file)"
_CANNOT = (
    r"(?:can(?:no|['’]?)t|can not|could(?: not|n['’]?t)|w(?:ill not|on['’]?t)|(?:am|['’]m) (?:not|un|only)|"
    r"not (?:able|permitted|allowed|comfortable|going)|unable|do(?:es)?(?: not|n['’]?t)|did(?: not|n['’]?t)|"
    r"have no|no (?:way|access|ability)|lack|decline|refuse|refrain|rather not|can only|afraid|sorry|apologi[sz]e|"
    r"must|would need|need you)"
)
_REFUSAL = re.compile(
    # In its own first person, which captions do not have: what it cannot, will not or may not do.
    rf"\bI\b[^.!?\n]{{0,60}}?\b{_CANNOT}|\bI['’]m (?:not|un|only|sorry|afraid|just|an? (?:AI|language))"
    rf"|^\W*(?:(?:my |sincere )?apologies|(?:I['’]m |I am )?(?:so |very )?sorry)\b\s*[,.;!—-]"
    r"|^\W*as an? (?:AI|artificial|(?:large )?language model|text|vision|assistant)\b"
    r"|\b(?:unfortunately|regrettably|sadly)\b,? (?:I\b|the (?:frames|images?|video) (?:could|can|was|were|did)"
    r"|no\b)"
    # It asks for the pictures, or finds none.
    r"|(?:^|[.!?\n]\s*)(?:please|kindly|(?:could|can|would) you)\b[^.!?\n]{0,30}"
    r"\b(?:provide|upload|share|send|attach|try|describe|supply|re-?send|re-?upload)"
    rf"|\bno {_MEDIA} (?:(?:was|were|is|are|has been|have been) )?(?:attached|uploaded|provided|included|given"
    rf"|shared|found)"
    rf"|\b{_MEDIA} (?:did not|didn['’]t|could not|couldn['’]t|was not|were not|wasn['’]t|weren['’]t|cannot"
    rf"|can['’]t|"
    r"failed)\b[^.!?\n]{0,20}\b(?:load|come through|upload|be (?:loaded|opened|read|processed|displayed"
    r"|described)|attached|"
    r"provided|included|received)"
    # It names its rules.
    r"|\b(?:violat|breach|against|outside|comply with|contrary to|not allowed (?:by|under))\w*\b[^.!?\n]{0,40}"
    r"\b(?:polic(?:y|ies)|guidelines|terms of|rules|allowed to|what I)"
    r"|\b(?:description|caption|request|content|material)\b[^.!?\n]{0,40}"
    r"\b(?:cannot|can['’]t|could not|will not|won['’]t) be (?:described|given|provided|generated|fulfilled"
    r"|processed|shown)",
    re.IGNORECASE,
)
_SHOWS = (
    r"(?:shows?|depicts?|features?|captures?|displays?|presents?|portrays?|illustrates?|showcases?|contains?"
    r"|consists? of|"
    r"includes?|begins?|starts?|opens?|ends?|concludes?|focus(?:es)?|follows?|documents?|reveals?|records?"
    r"|highlights?|"
    r"unfolds?|conveys?|provides?|offers?|cent(?:er|re)s|revolves?|transitions?|chronicles?|zooms?|appears? to"
    r"|seems? to|"
    r"takes? place|is (?:of|about|set|taken|shot|filmed|a)|are (?:of|about|taken)|was (?:taken|shot|filmed)"
    r"|can be seen)"
)
_BOILERPLATE = re.compile(
    rf"^(?:this|the|these|that|those|our|your|provided) {ADJECTIVES}{MEDIUM}{OF}{GIVEN},?(?: (?:\w+ly|also"
    rf"|then|first|that))? {_SHOWS}\b"
    rf"|^(?:an?|one) {ADJECTIVES}(?:video|clip|footage|gif|snippet|recording|series|sequence|animation){OF}"
    rf" (?:of|showing|show(?:s|cases)|featuring|depicting|capturing|in which|where|that shows|from)\b"
    rf"|^(?:an?|one) {ADJECTIVES}(?:image|picture|photo(?:graph)?|frame|still|scene|shot|screenshot){OF}"
    r" (?:showing|featuring|depicting|capturing|in which|that shows|of (?![^.]*\b(?:is|are|hangs?|stands?|lies"
    r"|sits|fills?)\b))"
    rf"|^(?:in|throughout|within|across|during|over the course of) (?:this|the|these|that|our|your"
    rf"|all) {ADJECTIVES}{MEDIUM}\b"
    rf"|^(?:based on|from|judging (?:by|from)|according to|looking at|given) (?:this|the|these|your"
    rf"|all) {ADJECTIVES}{MEDIUM}\b"
    rf"|^(?:there is|this is|these are|it is|it['’]s|here is|here['’]s)(?: an?| the)? {ADJECTIVES}{MEDIUM}{OF} "
    r"(?:of|in which|where|show\w*|that|featuring|depicting|from|taken)\b"
    r"|^(?:we|you|one|viewers|the viewers?)(?: can| could| may| will)?(?: clearly| first)? (?:see|observe|watch"
    r"|notice|witness|find)s?\b"
    r"|^what (?:we|you|is shown|can be seen)\b"
    r"|^here,? (?:we|you)(?: can)? (?:have|see|find|observe)\b"
    r"|^here(?: is|['’]s| are) [^.:\n]{0,60}\b(?:captions?|descriptions?|summary|answer|paragraph|analysis"
    r"|breakdown|json|it)\b"
    r"|^(?:below|the following|what follows) (?:is|are)\b"
    r"|^(?:sure|certainly|of course|okay|ok|absolutely|great|alright|got it|no problem|definitely"
    r"|gladly)\b(?: thing)?\s*[,!.:—]"
    r"|^(?:[\w-]+ ){0,3}(?:caption|description|answer|summary|response|output|title|overview)(?: of (?:the"
    r"|this) \w+)?\W{0,3}:",
    re.IGNORECASE,
)
"""At the opening of a text."""
_ASIDE = re.compile(
    rf"(?:^|[.!?] +)(?:this|the) (?:video|clip|footage|frames?)(?: clip| sequence)?(?: (?:\w+ly|also"
    rf"|then))? {_SHOWS}\b"
    r"|\b(?:in|throughout|of) (?:this|the|these) (?:short |entire |whole )?(?:video|clip|footage|frames"
    r"|image)\b(?! (?:camera|screen|game|of))",
    re.IGNORECASE,
)
"""Anywhere in a text."""
_RESIDUE = re.compile(
    r"<\|?[a-z_/]+\|?>|\[/?INST\]|```|^\s*[{\[]|^\s*#{1,6} |�|[ÂÃ][-¿]|â€"
    r"|(?:^|\n)\s*(?:assistant|user|system|human)\s*:|\b(?:Assistant|User|System|Human|ASSISTANT|USER|SYSTEM"
    r"|HUMAN):",
    re.IGNORECASE,
)
_ENDED = re.compile(r"[.!?…:;)\]\"'”’*]\W*$")
LONG_WORDS = 12
"""A text of so many words that ends without a mark was cut off, when the server does not say how it ended."""
STUTTER = re.compile(
    r"\b(the|an?|of|in|on|at|to|is|are|and|with|by|for|from|it|its|this|that)(?:\W+\1\b){2,}",
    re.IGNORECASE,
)
"""A word that only leads to another, said three times in a row: the model has lost the noun it led to."""
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
            (CaptionOutcome.TRUNCATED, is_truncated(text, finish)),
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
    """The model declines, or finds nothing to describe; what a sign or a person says in quotes is no refusal."""
    return bool(_REFUSAL.search(unquoted(text)[:400]))


def has_boilerplate(text: str) -> bool:
    """A phrase about the video, or about answering, at the opening; or about the video further on."""
    own = unquoted(text)
    return bool(_BOILERPLATE.search(own.lstrip(" \n\t*_#>-\"'"))) or bool(_ASIDE.search(own))


def is_truncated(text: str, finish: str | None) -> bool:
    """Cut at the token limit; when the backend does not say how it ended, a long text that ends without a mark."""
    if finish is not None:
        return finish == "length"
    return len(text.split()) >= LONG_WORDS and not _ENDED.search(text)


def is_malformed(text: str) -> bool:
    """Left-over markup, chat roles or JSON, undecodable bytes, or no words at all."""
    return bool(_RESIDUE.search(text)) or not re.search(r"[^\W\d_]{2}", text)


def is_looped(text: str) -> bool:
    """Some phrase is said over and over in a row, some sentence again and again, or one long word never ends."""
    words = re.findall(r"\w+", text.lower())
    if _repeats(words, shortest=1) or _repeats([re.sub(r"\d+", "0", w) for w in words], shortest=3):
        return True  # in the second case it counts: progress 5 %, progress 10 %, ...
    if STUTTER.search(unquoted(text)):
        return True
    said = Counter(" ".join(_) for s in SENTENCES.split(text) if len(_ := s.lower().split()) >= 4)
    return max(said.values(), default=0) >= LOOP_REPEATS or bool(
        re.search(r"(.{1,8}?)\1{15,}", text)
    )


def _repeats(words: list[str], shortest: int) -> bool:
    for period in range(shortest, min(40, len(words) // LOOP_REPEATS) + 1):
        needed = LOOP_REPEATS if period >= 3 else 2 * LOOP_REPEATS
        run = 0
        for i in range(period, len(words)):
            run = run + 1 if words[i] == words[i - period] else 0
            if run >= period * (needed - 1):
                return True
    return False
