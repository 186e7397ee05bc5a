"""Repairs of a reply's wording that need no second question; each leaves only words of the reply."""

from __future__ import annotations

import re

from captioner.check.phrases import ADJECTIVES, GIVEN, MEDIUM, OF

_TAKES_OBJECT = (
    r"(?:(?:appears? to |seems? to )?(?:shows?|depicts?|features?|captures?|displays?|presents?|portrays?|illustrates?|"
    r"showcases?|contains?|includes?|documents?|reveals?|records?|highlights?|chronicles?|follows?|consists? of|"
    r"focus(?:es)? (?:closely )?on|cent(?:er|re)s (?:on|around)|(?:begins?|starts?|opens?) (?:with|on)|"
    r"(?:is|are) of (?=(?:an?|the|two|three|four|several|some|many)\b))|showing|featuring|depicting|capturing)"
)
"""What stands after these describes the clip by itself."""
_LEAD = re.compile(
    r"^\W*(?:(?:sure|certainly|of course|okay|ok|absolutely|great|alright)\b[^.!:,\n]{0,20}[.!:,]\s*)?"
    r"(?:(?:here(?: is|['\u2019]s| are)|below is|the following is)\b[^:.\n]{0,90}[:.]\s+)?"
    r"(?:\W*(?:[\w-]+ ){0,3}(?:caption|description|answer|summary|response|output)(?: of (?:the|this) \w+)?"
    r"\W{0,3}:\W{0,3}\s*)?",
    re.IGNORECASE,
)
"""Phrases about answering, before the answer."""
_OPENINGS = tuple(
    re.compile(pattern, re.IGNORECASE)
    for pattern in (
        # In this clip, [we see | there is] ...
        rf"^(?:in|throughout|within|across|based on|from|judging (?:by|from)|according to|looking at) "
        rf"(?:this|the|these) {ADJECTIVES}{MEDIUM}{OF}{GIVEN},?\s+(?:it (?:can be|is) (?:seen|clear) that\s+)?",
        # The frames provided show that ...
        rf"^(?:this|the|these|that|those|our|your) {ADJECTIVES}{MEDIUM}{OF}{GIVEN},?(?: (?:\w+ly|also|then|first))? "
        rf"{_TAKES_OBJECT}(?: (?:us|that|how))?\s+",
        # [This is] a video of ... | There is a video in which ...
        rf"^(?:(?:this is|there is|it is|it['\u2019]s) )?(?:an?|the) {ADJECTIVES}{MEDIUM}{OF} "
        rf"(?:of|in which|where|(?:that )?{_TAKES_OBJECT})(?: (?:that|how))?\s+",
        r"^(?:here,? )?(?:we|you|one|viewers)(?: can)? (?:see|observe|watch|have)\s+",
        r"^what (?:we|you)(?: are|['\u2019]re| can)? (?:see|seeing|look at|looking at)(?: here)? (?:is|are)\s+",
        r"^there (?:is|are)\s+(?=(?:an?|two|three|several|some|many) )",
    )
)
"""Phrases about the video, before what it shows."""
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
    """A sentence without its phrases about the video, if the rest stands by itself; else as it is."""
    rest = _ASIDE.sub("", sentence)
    changed = rest != sentence
    for phrase in _OPENINGS:
        shorter = phrase.sub("", rest, count=1)
        stands = re.search(r"\w{2}", shorter) and not _NOT_ALONE.match(shorter)
        # "There is a dog" is plain English; only after a phrase that is gone has it become one too.
        if shorter != rest and stands and (changed or phrase is not _OPENINGS[-1]):
            rest, changed = shorter, True
    return rest[:1].upper() + rest[1:]
