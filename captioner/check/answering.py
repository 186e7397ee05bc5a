"""Talk to whoever asked: whole sentences in the first and second person, and about the answer itself.

A caption has neither a speaker nor a listener, so a sentence that has one outside quotation marks is no part of it,
once the frames around what is seen ("you can see a dog") are gone.
"""

from __future__ import annotations

import re
from functools import lru_cache

from captioner.check.talk import BARE

_ANSWER = (
    r"(?:captions?|descriptions?|summar(?:y|ies)|response|answer|analysis|breakdown|interpretation|account|overview"
    r"|output|reply|transcript|wording|prompt|request|question|task|instructions?|word count|assumptions?|guess)"
)
_SPOKEN = (
    r"(?:(?<!War )(?<!Part )(?<!Act )(?<!Mark )\bI\b(?= [a-z])(?! (?:beam|and II)\b)|\bI['’](?:m|ve|d|ll)\b"
    r"|\b[Ll]et me\b"
    r"|\b[Ll]et us\b"
    r"|\b[Ll]et['’]s\b|\b[Mm]y (?=(?:own )?(?:\w+ )?(?:understanding|view|knowledge|training|reading|guess"
    r"|analysis|description"
    r"|caption|observation|interpretation|best|impression)))"
)
_SPEAKER = re.compile(_SPOKEN)
_LISTENER = re.compile(
    r"^\W*(?:(?:and|but|so|also|please|just|otherwise|alternatively|overall|finally|in (?:short|summary)),? )?"
    r"(?:(?:if|should|in case|whether|when(?:ever)?|as|do|would|could|can|are|will|have"
    r"|did) (?:you\b(?! (?:barely|hardly)))"
    r"|you (?:may|might|could|can|will|should|want|need|mentioned|asked|provided|requested|have|are|['’]ll|would"
    r"|['’]d)\b(?! (?:barely|hardly)))"
    r"|^\W*(?:describe|caption|summari[sz]e|write|generate|provide|give|explain|answer|watch|look at"
    r"|analy[sz]e)(?: me| us)? (?:the|this|an?|in|what|your)\b[^.;]{0,80}"
    r"\b(?:video|clip|footage|caption|description|detail|frames?|images?|happens?|happening|summary|sentences?)\b"
    r"|^\W*(?:please|kindly|feel free|thanks|thank you|enjoy|remember|note|notice how|imagine|consider|picture"
    r"|keep in mind|bear in mind"
    r"|be aware|stay tuned|happy to|glad to|hope (?:this|that|it)|want (?:me|more|a)|need (?:me|more|a)"
    r"|looking for|any (?:other )?questions)\b",
    re.I,
)
_ABOUT_ANSWER = re.compile(
    r"^\W*(?:(?:overall|note that|please note that|in short|finally),? )?(?:(?:this|the|my|the above"
    r"|the following|that|these|above|here) )"
    rf"(?:[\w-]+ ){{0,3}}{_ANSWER}(?: (?:above|below|of {BARE}|here|provided|given))? (?:is|are|was|were|has|have"
    r"|can|could|may|might|should|would|will"
    r"|does|do|did|aims?|attempts?|tries|covers?|captures?|reflects?|focus(?:es)?|follows?|avoids?|omits?"
    r"|includes?|excludes?|assumes?|relies"
    r"|adheres?|remains?|provides?|summari[sz]es|describes?|represents?|prioriti[sz]es|highlights?|stays|sticks"
    r"|draws|uses|keeps|serves)\b"
    r"(?! (?:in (?:white|black|bold|large|small)|at the (?:top|bottom)|printed|written|displayed|overlaid|visible))",
    re.I,
)
_LABELS = re.compile(
    r"^\W*(?:end of (?:the )?(?:\w+ )?(?:caption|description|video|clip|summary|transcript|scene)|word count"
    r"|total words|\d+ words|confidence"
    r"(?: level)?|tags|keywords|hashtags|disclaimer|limitations?|notes?|caveats?|n\.?b\.?|p\.?s\.?|uncertaint(?:y"
    r"|ies)|assumptions?|duration"
    r"|length|fps|resolution|aspect ratio|source|audio|sound|dialogue|speech|transcript|(?:on-?screen )?text)\W*"
    r"(?:\d|[:–—-]\s*(?:none|no |not |n/?a|unknown|unclear|unspecified|approximately|approx|about|around|~|\d"
    r"|high|medium|low|the |this |this|some|since"
    r"|as |because|absent|silent|inaudible|#)|$|\))",
    re.I,
)
_UNKNOWN = re.compile(
    r"\b(?:cannot|can['’]t|can not|could not|couldn['’]t|impossible to|difficult to|hard to|not possible to"
    r"|unable to|no way to|not enough \w+ to"
    r"|challenging to|tough to|tricky to) (?:be )?(?:\w+ly )?(?:heard|determin\w*|ascertain\w*|identif\w+"
    r"|verif\w+|confirm\w*|specif\w+|conclude\w*|infer\w*"
    r"|establish\w*|pinpoint\w*|assess\w*|know\w*|tell(?! (?:where|apart|[^.;,]* apart))|say|discern\w*|judge\w*"
    r"|gauge\w*|deduce\w*)\b"
    r"|\b(?:is|are|remains?|was|were|stays?|left) (?:entirely |completely |somewhat |largely |still |also "
    r"|otherwise )?(?:(?:not|never) (?:\w+ly |made |quite |shown to be )?(?:clear|certain|known|specified|stated"
    r"|mentioned|provided|disclosed"
    r"|identifiable|discernible|identified|determined|explained|shown|revealed|evident|apparent|given|indicated"
    r"|named|visible in|legible enough)|unclear|unknown|uncertain|unspecified"
    r"|unidentified|unstated|unexplained|undisclosed|ambiguous|indeterminate|anyone['’]s guess|a mystery"
    r"|open to interpretation|left to the|up to interpretation)\b"
    r"|^\W*(?:[^,.;]{0,40}, )?(?:nothing|no one|nobody) (?:else|unusual|further|more|notable|significant|much"
    r"|of note|in (?:the|this) \w+)? ?(?:happens|occurs|changes|indicates|suggests|reveals|shows|tells|hints"
    r"|is (?:said|shown|known|heard))\b"
    r"|^\W*there(?: is|['’]s| are) (?:no|little|hardly any) (?:significant|notable|visible|major|other|further"
    r"|real|discernible|obvious|apparent|clear)(?: \w+)? ?(?:changes?|actions?|activity|events?|interactions?"
    r"|dialogue|indication|sign|evidence|clue)\b"
    r"|\b(?:no|not|never)\b[^.;,]{0,40}\b(?:mentioned|specified|described|stated|indicated|identified|noted)\b"
    r"|\b(?:not|never|nothing|no)\b[^.;]*\b(?:the|this) (?:video|clip|footage|recording|frames?"
    r"|images?) (?:\w+ly )?(?:reveals?|shows?|says|tells|makes? clear|explains?|discloses?"
    r"|captures?|provides?|includes?|contains?|mentions?|offers?|gives?)\b"
    r"|\b(?:isn|aren|wasn|weren)['’]t (?:\w+ly )?(?:clear|certain|known|specified|stated|mentioned|provided"
    r"|disclosed|identifiable|discernible|identified"
    r"|determined|explained|shown|revealed|evident|apparent|given|indicated|named)\b",
    re.I,
)
_SOUND = re.compile(
    r"^\W*(?:(?:the|any|no|some|there (?:is|are|may be|might be|could be)(?: likely| probably| possibly| no)?"
    r"|although|though) )*(?:accompanying |background |ambient |upbeat "
    r"|soft |audible |spoken |natural |likely |original )*(?:audio|sounds?|soundtrack|music|narration|voice-?over"
    r"|dialogue|speech|sound design|noise)\b"
    r"[^.;]*\b(?:likely|probably|presumably|perhaps|possibly|may|might|could|would|no|not|cannot|can['’]t"
    r"|isn['’]t|without|absent|unknown|unavailable|included|provided|assumed"
    r"|inferred|audible|heard|present|accompan\w+)\b"
    r"|^\W*(?:one|we|you) (?:can|could|might|may) (?:almost |easily |only |nearly |practically )?(?:hear|imagine"
    r"|feel|sense|smell|taste)\b"
    r"|^\W*(?:the )?(?:video|clip|footage|recording|scene) (?:is|appears to be|seems to be|plays) (?:completely "
    r"|entirely )?(?:silent|without (?:sound|audio)|muted|soundless)\b",
    re.I,
)


@lru_cache(maxsize=1024)
def is_answering(sentence: str) -> bool:
    """A sentence that speaks to whoever asked, or of the answer."""
    return bool(
        _SPEAKER.search(sentence)
        or _LISTENER.search(sentence)
        or _ABOUT_ANSWER.search(sentence)
        or _LABELS.search(sentence)
    )


_BESIDE = re.compile(
    r"(?:,|;|:| -+| [–—]) ?(?!(?:as the (?:video|clip|footage|frames?|image|recording)|which|whose|who|though"
    r"|although|but|yet)\b)(?:and |while |as )?(?:an?|the|two|three|several|some|he|she|they"
    r"|his|her)\b|\b(?:as|while|when|where) (?:an?|the(?! (?:video|clip|footage|frames?|image|recording)\b)|he"
    r"|she|they|two)\b"
)
"""Another clause, which may say what is seen."""
_FULL = re.compile(r"\S+(?: \S+){4,}(?:[;:,]| [–—]) ")
"""A whole statement, and a mark after it."""
_PART = re.compile(r"(?:,|;|:| -+| [–—]|\s?\(|\)) ?|[.!?]*$")
"""What stands between two parts of a sentence."""
_HEDGES = re.compile(
    r"^(?:and |but )?(?:al)?(?:though|but|yet|while|even though|however|which|whose|so|and|since|as|because"
    r"|whether|if"
    r"|it (?:is|remains|cannot|can['’]t)|it['’]s|what|who|(?:the|his|her|their|its) (?:exact|precise|specific"
    r"|actual|true|identity|purpose|reason))\b",
    re.I,
)

_HIDDEN = re.compile(
    r"\b(?:clear|visible|seen|legible|apparent|evident) (?:in|through|behind|under|beneath|over|against) (?:the|an?|his"
    r"|her|their) (?!(?:video|clip|footage|frames?|image|recording)\b)",
    re.I,
)
"""What is hidden by something in the scene."""
_OPENING_HEDGE = re.compile(r"^(?:(?:al|even )?though|while|since|as|because)\b", re.I)


@lru_cache(maxsize=1024)
def is_unknown(sentence: str) -> bool:
    """A sentence on what nobody can tell from pictures, sound among it, and on nothing else."""
    hit = _UNKNOWN.search(sentence)
    alone = (
        hit
        and not _HIDDEN.search(sentence)
        and not _BESIDE.search(sentence)
        and not _FULL.search(sentence[: hit.start()])
    )
    return bool(alone or _SOUND.search(sentence))


@lru_cache(maxsize=1024)
def without_hedge(sentence: str) -> tuple[str, str] | None:
    """A sentence without the first of its parts that doubts, and that part; None where no part does."""
    start, gap = 0, 0
    for mark in _PART.finditer(sentence):
        part = sentence[start : mark.start()]
        if _HIDDEN.search(part):
            gap, start = mark.start(), mark.end()
            continue
        if (_HEDGES if start else _OPENING_HEDGE).match(part) and (
            _UNKNOWN.search(part) or _SPEAKER.search(part)
        ):
            rest = sentence[:gap] + sentence[mark.start() :] if start else sentence[mark.end() :]
            if len(rest.split()) >= 3:
                return rest[:1].upper() + rest[1:], part
        gap, start = mark.start(), mark.end()
    return None


_AGAIN = re.compile(
    rf"^\W*(?!word count)(?:[\w-]+ ){{0,2}}(?:{_ANSWER}|version)\W{{0,3}}:\s+(?=\S)", re.I
)


def answer_label(sentence: str) -> re.Match[str] | None:
    """``Longer answer:``, before a sentence."""
    return _AGAIN.match(sentence)


_LEAD = re.compile(
    rf"^\W*(?=[^:.!?\n]{{0,120}}\b(?:{_ANSWER}|rundown|recap|transcription|observations?|what (?:happens|i|we|you"
    r"|is|can|the)|here(?:['’]s| is) (?:what|how|my)|below"
    r"|as (?:requested|follows)|step[- ]by[- ]step|(?:shot|scene|frame)[- ]by[- ](?:shot|scene|frame))\b)"
    r"(?![^:.!?\n]*\b(?:style|shot|angle|slow|black|reads?|says?|sign|label|text)\b)[^:.!?\n\ue000]{3,120}:\s+(?=\S)",
    re.I,
)


def answer_lead(text: str) -> re.Match[str] | None:
    """``My reading of these frames, step by step:`` before the answer."""
    return _LEAD.match(text)
