"""What is still said of the recording when every known frame is gone, in any words.

A caption that speaks of "the video" speaks of a thing that nobody sees in it. So where one is left, its clause is
judged by what else is in it: a style ("relies on macro close-ups") stays without the recording; something that is seen
stays; a clause with neither goes.
"""

from __future__ import annotations

import re

from captioner.check.asides import LOOKS
from captioner.check.talk import EMPTY, GIVEN

_NOUN = (
    r"(?:videos?(?! (?:games?|cameras?|walls?|screens?|monitors?|calls?|artists?|projectors?|tapes?|players?|feed"
    r"|stores?))"
    r"|clips?(?! (?:on|holds?|in))|footage|recording|video (?:clip|footage|segment)|frames(?! of (?:his|her|their"
    r"|the|a))|stills)"
)
THE = rf"(?:the|this|our|your|these|those|that|said) (?:{EMPTY})*{_NOUN}{GIVEN}"
_WITHIN = re.compile(
    rf",? (?:(?:as )?(?:seen|shown|visible|depicted|captured|featured|presented|present|observed) )?"
    rf"(?:in|from|throughout|within|during|across|for|by|of) {THE}(?! (?:on|of|from|in) (?:his|her|its|the"
    r"|an?)\b)(?=[\s.,;:!?)]|$)",
    re.I,
)
_PLACE = re.compile(
    r"\b(?:cent(?:er|re)|middle|left|right|top|bottom|side|corner|edge|foreground|background|half|part|third|area"
    r"|frame)s?$",
    re.I,
)
_LINK = r"(?:(?:and|but|so|also|overall|here|then|finally|next|\w+ly),? )?"
_SUBJECT = re.compile(
    rf"^(?:{_LINK}){THE}(?: itself)?,? (?! ?(?:on|of) (?:his|her|its|the|an?)\b)", re.I
)
_OPENS = re.compile(
    rf"^{_LINK}{THE}(?: (?:\w+ly|then|also))* (?:begins?|starts?|opens?|commences?|ends?|closes?|concludes?"
    r"|finish(?:es)?|continues?|resumes?"
    r"|unfolds?|proceeds?|culminates?|wraps? up|picks? up|goes on|carries on|plays out|progress(?:es)?)(?: (?:off"
    r"|out|up|just|right|there))*"
    r" (?:as|with|by|while|when|where|in|on|at|from|to) (?:show(?:ing)? |reveal(?:ing)? )?(?=\w|\ue000)",
    re.I,
)
_STYLED = re.compile(
    rf"^{_LINK}{THE}(?: itself)? (?!(?:is|are|was|were|has|have|plays? (?:in|back|at)|fades?|loops?|remains?"
    r"|stays?)\b)(?:\w+ly )?[a-z]+\b[^,.;:]{0,60}?"
    r"(?<=\s)(?=(?:(?:an?|the|its) )?(?:(?!(?:of|on|in|with|by|at|as|from|through|to|for|upon)\b)[\w-]+,? ){0,3}?"
    r"(?:close-?ups?|(?:[\w-]+ )?shots?|slow[- ]motion"
    r"|time-?lapses?|hyperlapse|black[- ]and[- ]white"
    r"|split[- ]screen|montages?|angles?|viewpoints?|perspectives?|point of view|pans?|zooms?|cuts|lighting"
    r"|depth of field|colou?rs?|palette"
    r"|tones|lens|focus|framing|aspect ratio|orientation|transitions|(?:animation|visual) style|filter)\b)",
    re.I,
)
_OTHER = re.compile(
    r"(?:,|;|:| –| —)(?: (?:and|while|as|but|with|where))? (?=(?:\ue000|(?:an?|the(?! (?:video|clip|footage))|two"
    r"|three|four|several|some|he|she|they|his"
    r"|her|their)\b))",
    re.I,
)
_OBJECT = re.compile(
    r"\b(?:of|with|on|how|that|where|as|into|through|to|at|show\w*|featur\w*|depict\w*) (?:an?|two|three|four"
    r"|several|some|his|her|their|people|someone"
    r"|men|women|children|\ue000)(?:\b|(?<=\ue000))",
    re.I,
)
_DIVIDED = re.compile(
    r"\binto \w+ (?:distinct |main |short )?(?:parts|sections|segments|phases|stages|scenes|acts)\b",
    re.I,
)
_NOT = re.compile(
    r"\b(?:does not|doesn['’]t|do not|don['’]t|did not|didn['’]t|cannot|can['’]t)\b(?![^.;]*\b(?:cuts?|moves?"
    r"|zooms?|pans?|stops?|loops?)\b)",
    re.I,
)
_LOOK = re.compile(
    r"\b(?:look|feel|aesthetics?|pastel|dream\w*|soft|sharp|vivid|vibrant|sepia|mono\w*)\b", re.I
)
GUESS = re.compile(
    r"^\W*(?:(?:given|judging|based|considering|from)[^,.;]*, )?(?:it|this|that|these)(?:['’]s| is| are| was"
    r"| were| could| may| might| would| must| seems?| appears?| looks?)\b(?=[^.;]*\b(?:likely|probably|possibly"
    r"|perhaps"
    r"|presumably|apparently|could|may|might|must|seems?|appears?|looks like|part of|excerpt|taken from"
    r"|from)\b)[^.;,:]*?\b(?:video|clip|footage|film|movie"
    r"|commercial|advertisement|ad|tutorial|vlog|documentary|trailer|broadcast|episode|show|campaign"
    r"|scene from(?![^.;,:]* (?:in which|where|showing|featuring) (?:an?|the|two|some)\b)"
    r"|social media \w+|recording)\b"
    r"(?! (?:of|in which|where|showing|featuring) (?:an?|the|two|some)\b)(?! (?:screen|wall|game))[^.;,:]*[.!]?\s*$",
    re.I,
)
"""``It is likely a promotional video for``: where the recording comes from, as a guess."""


def left_of(sentence: str, named: set[str]) -> tuple[str, str] | None:
    """A sentence without what it still says of the recording, "" where it says nothing else, and what went.

    ``named``: media that were spoken of before as things in the scene; None where nothing is said of a recording.
    """
    if {"video", "clip", "footage", "recording"} & named:
        return None
    for pattern in (_OPENS, _STYLED):
        if hit := pattern.match(sentence):
            rest = sentence[hit.end() :]
            if len(rest.split()) >= 2:
                return rest[:1].upper() + rest[1:], hit[0]
    subject = _SUBJECT.match(sentence)
    if subject is None:
        for hit in _WITHIN.finditer(sentence):
            if (
                not _PLACE.search(sentence[: hit.start()])
                and len(sentence[: hit.start()].split()) >= 2
            ):
                return sentence[: hit.start()] + sentence[hit.end() :], hit[0]
        return None
    other = _OTHER.search(sentence)
    clause = sentence[: other.start()] if other else sentence
    if _NOT.search(clause) or _DIVIDED.search(clause):
        return (sentence[other.end() :] if other else ""), clause
    if LOOKS.search(clause) or _LOOK.search(clause) or _OBJECT.search(clause):
        return None
    rest = sentence[other.end() :] if other else ""
    return rest[:1].upper() + rest[1:], clause
