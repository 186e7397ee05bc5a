"""Does a reply decline, or only say what it cannot make out?

A caption of a whole scene that ends "I am unable to read the smaller ticker text" is a caption, and that sentence is no
part of it. "I cannot describe this video" is a refusal, whatever follows.
"""

from __future__ import annotations

import re
from functools import lru_cache

from captioner.check.language import hide_quotes, show_quotes, unquoted

LEAST_WORDS = 6
"""Words that must be left of a caption without the sentences about what cannot be made out."""
LEAST_CLAUSE = 8
"""Words of such a sentence after its comma that may be a sentence of the caption."""
_MEDIA = r"(?:videos?|clips?|footage|images?|pictures?|photos?|frames?|media|attachments?|material|visuals?|file)"
_CANNOT = (
    r"(?:can(?:no|['’]?)t|can not|could(?: not|n['’]?t)|w(?:ill not|on['’]?t)|(?:am|['’]m) (?:not|un|only)|"
    r"not (?:able|permitted|allowed|comfortable|going)|unable|do(?:es)?(?: not|n['’]?t)|did(?: not|n['’]?t)|"
    r"have no|no (?:way|access|ability)|lack|decline|refuse|refrain|rather not|can only|afraid|sorry|apologi[sz]e|"
    r"must|would need|need you)"
)
_REFUSAL = re.compile(
    # In its own first person, which captions do not have: what it cannot, will not or may not do.
    rf"(?<!War )(?<!Part )(?<!Terminal )(?<!Phase )\bI\b[^.!?\n]{{0,60}}?\b{_CANNOT}"
    r"|\bI['’]m (?:not|un|only|sorry|afraid|just|an? (?:AI|language))"
    r"|^\W*(?:(?:my |sincere )?apologies|(?:I['’]m |I am )?(?:so |very )?sorry)\b\s*[,.;!—-]"
    r"|^\W*as an? (?:AI|artificial|(?:large )?language model|text|vision|assistant)\b"
    r"|\b(?:unfortunately|regrettably|sadly)\b,? (?:I\b|the (?:frames|images?|video) (?:could|can|was|were|did)"
    r"|no\b)"
    # It asks for the pictures, or finds none.
    r"|^\W*(?:please|kindly|(?:could|can|would) you)\b[^.!?\n]{0,30}"
    r"\b(?:provide|upload|share|send|attach|try|describe|supply|re-?send|re-?upload)"
    rf"|\bno {_MEDIA} (?:(?:was|were|is|are|has been|have been) )?(?:attached|uploaded|provided|included|given"
    rf"|shared|found)"
    rf"|\b{_MEDIA} (?:did not|didn['’]t|could not|couldn['’]t|was not|were not|wasn['’]t|weren['’]t|cannot"
    rf"|can['’]t|"
    r"failed)\b[^.!?\n]{0,20}\b(?:load|come through|upload|be (?:loaded|opened|read|processed|displayed"
    r"|described)|attached|"
    r"provided|included|received)"
    # It names its rules.
    r"|\b(?:violat\w+|breach\w*|(?:goes|go|is|be) (?:against|outside)|comply with|contrary to|not allowed (?:by|under))"
    r"\b[^.!?\n]{0,40}\b(?:polic(?:y|ies)|guidelines|terms of|rules|allowed to|what I)"
    r"|\b(?:description|caption|request|content|material)\b[^.!?\n]{0,40}"
    r"\b(?:cannot|can['’]t|could not|will not|won['’]t) be (?:described|given|provided|generated|fulfilled"
    r"|processed|shown)",
    re.IGNORECASE,
)
_TASK = re.compile(
    r"\b(?:help|assist|comply|continue|fulfil\w*|describ\w+|captions?|captioning|generat\w+|provid\w+|view|watch"
    r"|process|access|open|load|discuss|engage)\b[^.!?\n]{0,30}\b(?:that|this|these|request|images?|videos?|clips?"
    r"|footage|content|frames?|pictures?|media|file|captions?|descriptions?)\b|\brequest\b|\bmy guidelines\b",
    re.IGNORECASE,
)
"""What the model was asked to do: to decline that is to decline."""
_TALK = re.compile(r"\b(?:I|I['’](?:m|d|ll|ve)|you|your|my|me)\b", re.I)
_SEES = re.compile(r"(?:^|(?<=[.!?] ))I (?:can )?(?:see|notice|observe)\b", re.I)
_SENTENCE = re.compile(r"(?<=[.!?])\s+|\n+")


def is_refusal(text: str) -> bool:
    """The model declines, or finds nothing to describe; what a sign or a person says in quotes is no refusal."""
    return _refuses(unquoted(text)) and without_limits(text) is None


def _speaks(text: str) -> bool:
    """The model speaks of itself or to whoever asked, other than by "I can see"."""
    return bool(_TALK.search(_SEES.sub("", text)))


@lru_cache(maxsize=64)
def without_limits(text: str) -> str | None:
    """A caption without its sentences about what cannot be made out; None where there are none, or nothing else is."""
    own, quotes = hide_quotes(text.strip())
    sentences = _SENTENCE.split(own)
    limits = [sentence for sentence in sentences if _refuses(sentence)]
    left = " ".join(filter(None, map(_seen, sentences)))
    if not limits or any(_TASK.search(sentence) for sentence in limits):
        return None
    if len(left.split()) < LEAST_WORDS or _speaks(left):
        return None
    return show_quotes(left, quotes)


def _seen(sentence: str) -> str:
    """A sentence, or what follows "I'm unable to identify the person," in it, if that is a sentence by itself."""
    if not _refuses(sentence):
        return sentence
    _, _, rest = sentence.partition(",")
    rest = re.sub(r"^\s*(?:but|however,?|though|yet)\s+", "", rest).strip()
    long = len(rest.split()) >= LEAST_CLAUSE or "\ue000" in rest  # what is quoted was read
    alone = long and re.match(
        r"(?:an?|the|two|three|four|several|some|in|on|at|he|she|they|there|it|both|his|her|their|people)\b",
        rest,
        re.I,
    )
    return rest[:1].upper() + rest[1:] if alone and not _refuses(rest) else ""


@lru_cache(maxsize=1024)
def _refuses(text: str) -> bool:
    return bool(_REFUSAL.search(text))
