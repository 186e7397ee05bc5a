"""Repairs of a reply's wording that need no second question; each leaves only words of the reply."""

from __future__ import annotations

import re

_MEDIUM = (
    r"(?:video|clip|footage|image|images|picture|pictures|photo|photos|photograph|frames?|scene|scenes|shot|"
    r"sequence|recording|film|animation|gif|snippet|series of (?:\w+ )?(?:frames|images|shots|pictures))"
)
_OF = r"(?: (?:clip|sequence|of (?:\w+ )?(?:frames|images|shots|pictures)))?"
_SHOWS = (
    r"(?:shows?|showing|depicts?|depicting|features?|featuring|captures?|capturing|displays?|displaying|presents?|"
    r"presenting|portrays?|portraying|illustrates?|showcases?|showcasing|contains?|is of|are of|"
    r"(?:begins?|starts?|opens?) (?:with|on))"
)
_LEAD = re.compile(
    r"^\W*(?:(?:sure|certainly|of course|okay|ok|absolutely|great|alright)\b[^.!:\n]{0,60}[.!:,]\s*)?"
    r"(?:here(?: is|['\u2019]s| are)\b[^:.\n]{0,90}:\s*)?"
    r"(?:\**(?:caption|description|answer|summary|response|output)\**\s*:\**\s*)?",
    re.IGNORECASE,
)
"""Phrases about answering, before the answer."""
_IN_THIS = re.compile(
    rf"^(?:in|throughout|within|across) (?:this|the|these) (?:\w+[ -]){{0,2}}?{_MEDIUM}{_OF},?\s+"
    r"(?:(?:we|you|one|viewers) (?:can )?(?:see|observe|watch)\s+|there (?:is|are)\s+)?",
    re.IGNORECASE,
)
_SHOWING = re.compile(
    rf"^(?:this(?: is)?|the|these(?: are)?|an?)\s+(?:(?:an?|the)\s+)?(?:[\w-]+ ){{0,2}}?{_MEDIUM}{_OF}"
    rf"(?: (?:that|which))?(?: (?:\w+ly|also|then))?\s+{_SHOWS}(?: (?:us|that|how))?\s+",
    re.IGNORECASE,
)
_WE_SEE = re.compile(r"^(?:we|you|one|viewers) (?:can )?(?:see|observe|watch)\s+", re.IGNORECASE)
_ASIDE = re.compile(
    r",? (?:in|throughout|within|of) (?:this|the|these) (?:short )?(?:video|clip|footage|frames|image|images)"
    r"(?: clip| sequence)?(?=[,.;!?])",
    re.IGNORECASE,
)
"""``... throughout the video.``: what is described is in the video anyway."""
_NOT_ALONE = re.compile(
    r"^(?:is|are|was|were|be|being|been|has|have|had|it|them|him|and|or|but|of|to|as|that|which|by|with|from|into)\b",
    re.IGNORECASE,
)
"""Openings with which the rest of a sentence does not stand by itself."""
_SENTENCE = re.compile(r"(?<=[.!?])\s+(?=[\"'(]?[A-Z])")
THINKING = re.compile(r"^\s*<think(?:ing)?>.*?</think(?:ing)?>\s*", re.DOTALL | re.IGNORECASE)
"""What reasoning models say before they answer."""


def strip_boilerplate(text: str) -> str | None:
    """The reply without phrases about the video or about answering, re-capitalised; None when it cannot be done safely.

    ``The video shows a man. In this clip, he runs.`` becomes ``A man. He runs.`` Sentences keep their order and all
    their other words.
    """
    text = _LEAD.sub("", text.strip(), count=1)
    sentences = [_strip_sentence(sentence) for sentence in _SENTENCE.split(text)]
    if not sentences or any(not re.search(r"\w{2}", sentence) for sentence in sentences):
        return None
    stripped = " ".join(sentences)
    if _NOT_ALONE.match(stripped) or len(stripped.split()) < 2:
        return None
    return stripped


def _strip_sentence(sentence: str) -> str:
    """A sentence without its phrase about the video, if the rest stands by itself; else as it is."""
    rest = _ASIDE.sub("", sentence)
    for phrase in (_IN_THIS, _SHOWING, _WE_SEE):
        shorter = phrase.sub("", rest, count=1)
        if shorter != rest and not _NOT_ALONE.match(shorter) and re.search(r"\w{2}", shorter):
            rest = shorter
    return rest[:1].upper() + rest[1:]
