"""An object of "the video shows" as a subject: ``the wave closing`` becomes ``the wave is closing``."""

from __future__ import annotations

import re

_DETERMINER = (
    r"(?:an?|the|his|her|its|their|this|that|these|those|another|one|two|three|four|five|several|some"
    r"|many|both)"
)
_WORD = (
    r"(?!(?:of|in|on|at|with|from|by|to|for|as|and|or|who|that|which|is|are|was|were|has|have|being|while|where|into"
    r"|over|under|behind|near|then|so)\b)(?!\w+ing\b)[\w'’-]+"
)
_SUBJECT = re.compile(rf"^((?:{_DETERMINER} )?(?:{_WORD} ){{1,4}})((?!during\b)[a-z]+ing)\b", re.I)
_SECOND = re.compile(rf"( and (?:{_DETERMINER}) (?:{_WORD} ){{1,3}})((?!during\b)[a-z]+ing)\b")
_AFTER = re.compile(
    r"[.,;]|$| (?:an?|the|his|her|their|its|one|two|three|some|him|them|it|in|on|at|to|with|from|by|past|over|under"
    r"|through|behind|into|around|along|up|down|out|off|away|home|back|across|onto|towards?|for|and|as|while|against|between|beside"
    r"|inside|outside|about|together|\w+ly)\b",
    re.I,
)
"""What follows a verb, and no thing: ``the old swimming pool`` is a subject and no more."""
_MANY = re.compile(
    r"^(?:(?:these|those|two|three|four|five|several|some|many|both)\b|.*\b(?:people|men|women|children|feet|hands"
    r"|police|\w+[^siu'’]s)$)",
    re.I,
)
_NOUNS = frozenset(
    re.findall(
        r"\w+",
        "building ceiling string spring morning evening wedding clothing lighting "
        "ring king wing thing railing awning parking "
        "dining flooring paving "
        "housing meeting greeting pudding stocking ending "
        "beginning engraving lightning duckling ",
    )
)
"""Words that end like what somebody does and are things."""


def as_sentence(rest: str) -> str:
    """The phrase with a verb, where it is a thing and what it is doing; any other as it is.

    ``the wave closing behind him and the board shooting out`` becomes ``the wave is closing behind him and the board is
    shooting out``.
    """
    hit = _SUBJECT.match(rest)
    if hit is None or hit[2].lower() in _NOUNS or len(hit[2]) < 5:
        return rest
    if hit[2] != "being" and not (
        re.match(rf"{_DETERMINER}\b", rest, re.I) and _AFTER.match(rest, hit.end())
    ):
        return rest
    out = f"{hit[1]}{_is(hit[1])} {hit[2]}"
    tail = _SECOND.sub(
        lambda m: m[0] if m[2] in _NOUNS else f"{m[1]}{_is(m[1][5:])} {m[2]}",
        rest[hit.end() :],
        count=1,
    )
    return out + tail


def _is(subject: str) -> str:
    return "are" if _MANY.match(subject.strip()) else "is"
