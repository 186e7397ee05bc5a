"""Find claims of a caption that its own words or measurements can refute.

Camera and motion claims are read out to be compared with what was measured; hedging, statements of absence and
contradictions within a caption are faults of its own. Text in quotation marks is what the picture says, not what the
caption does, and is left out.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from captioner.truth.assertions import sentences

HEDGING, ABSENCE, CONTRADICTION = "hedging", "absence", "contradiction"

COLOURS = tuple(
    re.findall(
        r"\w+",
        "red orange yellow green cyan turquoise blue purple violet pink brown black white grey gray golden "
        "silver beige",
    )
)
"""Words taken for colours, in captions and prompts."""
NUMBERS = {
    word: value
    for value, word in enumerate(
        ["one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"], 1
    )
}

_HEDGES = (
    r"appear(?:s|ing)?(?! (?:in|on|at|from|behind|out|again|above|below|under|near|beside|through|with)\b|[.,;])",
    r"seem(?:s|ing|ingly)?|apparently|presumably|possibly|probably|perhaps|maybe|most likely|might",
    r"likely(?= (?:a|an|the|in|on|at|to|from|during|taken|due)\b)|may (?:be|have|suggest)|could (?:be|have)",
    r"suggest(?:s|ing)|impl(?:ies|ying)|indicat(?:es|ing) (?:that|a)|hint(?:s|ing) at|evok(?:es|ing)",
    r"as if|as though|what looks like|looks (?:like it|as)|or (?:perhaps|possibly)|some (?:kind|sort) of",
    r"i think|i believe|(?:is|are) unclear|hard to (?:tell|say)|can(?:not)? be (?:assumed|inferred)",
    r"giving the impression",
)
_HEDGING = re.compile(rf"\b(?:{'|'.join(_HEDGES)})\b", re.I)
_ABSENCES = (
    r"there (?:is|are|was|were) (?:no|not|nothing|nobody|never)|nobody|none of|never|absent|absence of",
    r"(?:no|neither) (?:\w+ ){1,4}?(?:is|are|can be|was|were|appears?|seen|visible|present|shown)",
    r"no (?:other|visible|discernible|apparent|signs?|movement|motion|text|people|camera|sound|one|zoom|pan)",
    r"no (?:background|additional|further)|nothing (?:else|moves|happens|changes|is)|without (?:any|a|an)",
    r"(?:is|are|was|were|does|do|did|has|have|can|could)(?:n['’]t| not)|cannot be seen",
    r"not (?:visible|present|shown|seen|moving|in)|lack(?:s|ing)|devoid of|free (?:of|from)",
)
_ABSENCE = re.compile(rf"\b(?:{'|'.join(_ABSENCES)})\b", re.I)
_QUOTED = re.compile(r"\"[^\"]*\"|“[^”]*”|(?<!\w)'[^']+'(?!\w)")

CAMERA_CLAIMS = (
    ("pan_left", r"\bpan(?:s|ning)?\b[^.,;]{0,40}?\bleft"),
    ("pan_right", r"\bpan(?:s|ning)?\b[^.,;]{0,40}?\bright"),
    ("tilt_up", r"\btilt(?:s|ing)?\b[^.,;]{0,40}?\bup"),
    ("tilt_down", r"\btilt(?:s|ing)?\b[^.,;]{0,40}?\bdown"),
    ("zoom_in", r"\b(?:zoom(?:s|ing)?|push(?:es|ing)?|doll(?:y|ies|ying))\b[^.,;]{0,12}?\bin\b"),
    (
        "zoom_out",
        r"\b(?:zoom(?:s|ing)?|pull(?:s|ing)?|doll(?:y|ies|ying))\b[^.,;]{0,12}?\b(?:out|back)\b",
    ),
    ("pan", r"\bpan(?:s|ning)?\b"),
    ("tilt", r"\btilt(?:s|ing)?\b"),
    ("zoom", r"\bzoom(?:s|ing)?\b"),
    ("handheld", r"\bhand-?held\b|\bshak(?:y|es|ing)\b|\bwobbl"),
    (
        "static",
        r"\b(?:static|stationary|motionless|fixed|locked(?:-off)?|steady|stays still|is still|remains? still"
        r"|does not move|doesn't move|tripod)\b",
    ),
)
_CAMERA_SENTENCE = re.compile(
    r"\b(?:camera|shot|view|frame|lens|pans|panning|zooms|zooming|tilts|tilting)\b", re.I
)
_MOVE = (
    r"(?:mov|walk|runn?|rac|driv|rid|fl(?:y|ies)|roll|slid|drift|swim|float|travel|head(?:s|ing|ed)\b|go(?:es|ing)|glid|jog|march"
    r"|crawl|sail|march|dash|sprint|skat|ski|climb|march|push|stroll|hurr)\w*"
)
_SIDE = (
    rf"\b{_MOVE}\b[^.;,]{{0,40}}?(?:\bto(?:wards?)? (?:the |its |his |her |their )?{{0}}\b"
    r"|\b{0}(?:wards?)?(?=[.,;]|$))|\bfrom (?:the )?{1} to (?:the )?{0}\b|\b{0}wards?\b"
)
_UP = (
    rf"\b{_MOVE}\b[^.;,]{{0,40}}?\bup(?:wards?)?\b(?! and down)|\bris(?:es|ing)\b|\bascend(?:s|ing)?\b"
    r"|\bfrom (?:the )?bottom to (?:the )?top\b"
)
_DOWN = (
    rf"\b{_MOVE}\b[^.;,]{{0,40}}?(?<!up and )\bdown(?:wards?)?\b(?! the\b)|\bfall(?:s|ing)\b"
    r"|\bdescend(?:s|ing)?\b|\bsink(?:s|ing)?\b"
)
_STILL = (
    r"\b(?:stays?|remains?|stands?|keeps?|sits?|lies?|is|are) (?:\w+ly )?"
    r"(?:still|motionless|stationary|immobile)\b"
)
MOTION_CLAIMS = (
    ("right", _SIDE.replace("{0}", "right").replace("{1}", "left")),
    ("left", _SIDE.replace("{0}", "left").replace("{1}", "right")),
    ("up", _UP),
    ("down", _DOWN),
    ("sideways", r"\b(?:from )?side to side\b|\bback and forth\b|\bto and fro\b"),
    ("updown", r"\bup and down\b"),
    ("still", _STILL),
)
"""Claim -> pattern within a sentence that is not about the camera."""


@dataclass(frozen=True, kw_only=True)
class Claims:
    """What a caption says that can be held against measurements."""

    camera: tuple[str, ...]
    """Names of ``CAMERA_CLAIMS``, each once, in order of mention."""
    motion: tuple[str, ...]
    """Names of ``MOTION_CLAIMS`` of things in the picture."""


def unquoted(text: str) -> str:
    """The caption without what it quotes."""
    return _QUOTED.sub('""', text)


def is_camera_sentence(sentence: str) -> bool:
    """The sentence is about the camera rather than about what it sees."""
    return bool(_CAMERA_SENTENCE.search(sentence)) and bool(_camera_claims(sentence))


def _camera_claims(sentence: str) -> list[str]:
    found: list[tuple[int, str]] = []
    low = sentence.lower()
    for name, pattern in CAMERA_CLAIMS:
        if hit := re.search(pattern, low):
            family = name.split("_")[0]
            if "_" in name or not any(n.split("_")[0] == family for _, n in found):
                found.append((hit.start(), name))
    return [name for _, name in sorted(found)]


def read_claims(text: str) -> Claims:
    """Camera and motion claims of a caption."""
    camera: list[str] = []
    motion: list[str] = []
    for sentence in sentences(unquoted(text)):
        if _CAMERA_SENTENCE.search(sentence) and (claims := _camera_claims(sentence)):
            camera += claims
            continue
        low = sentence.lower()
        motion += [name for name, pattern in MOTION_CLAIMS if re.search(pattern, low)]
    return Claims(camera=tuple(dict.fromkeys(camera)), motion=tuple(dict.fromkeys(motion)))


def text_faults(text: str) -> list[str]:
    """``hedging``, ``absence``, ``contradiction``: faults that the words alone show."""
    plain = unquoted(text)
    found = [
        name
        for name, hit in (
            (HEDGING, _HEDGING.search(plain)),
            (ABSENCE, _ABSENCE.search(plain)),
            (CONTRADICTION, contradicts_itself(plain)),
        )
        if hit
    ]
    return found


_THEN = re.compile(r"\b(?:then|before|after|until|finally|later|next|while|first)\b", re.I)
_OPPOSITES = (
    (r"\bindoors\b|\binside a (?:room|house|building)\b", r"\boutdoors\b|\bout in the open\b"),
    (r"\b(?:at|by) night\b|\bnighttime\b|\bmidnight\b", r"\bdaytime\b|\bdaylight\b|\bmidday\b|\bat noon\b"),
    (r"\bblack[- ]and[- ]white\b|\bmonochrome\b", r"\bcolou?rful\b|\bvivid colou?rs\b"),
    (r"\balone\b|\bby (?:him|her|it)self\b", r"\b(?:a group|a crowd|friends|another (?:man|woman|person))\b"),
    (r"\bempty (?:street|room|beach|road|stage)\b", r"\bcrowded\b|\bfull of people\b"),
)  # fmt: skip
_COLOURED = re.compile(rf"\b(an?|the|one)\s+(?:\w+\s+)?({'|'.join(COLOURS)})\s+(\w+)", re.I)
_IS_COLOUR = re.compile(
    rf"\bthe (\w+)(?:['’]s colour)? (?:is|turns out|looks) (?:\w+ly )?({'|'.join(COLOURS)})\b", re.I
)


def contradicts_itself(text: str) -> bool:
    """Two statements of the caption cannot both be true: on the camera, one thing's colour or number, or the scene."""
    claims = set(read_claims(text).camera)
    families = {name.split("_")[0] for name in claims}
    sequence = bool(_THEN.search(text))
    if "static" in families and families & {"pan", "tilt", "zoom", "handheld"} and not sequence:
        return True
    for one, other in (("pan_left", "pan_right"), ("tilt_up", "tilt_down"), ("zoom_in", "zoom_out")):  # fmt: skip
        if {one, other} <= claims and not sequence:
            return True
    low = text.lower()
    if any(re.search(a, low) and re.search(b, low) for a, b in _OPPOSITES):
        return True
    return _colours_clash(low) or _counts_clash(low) or _moves_and_rests(low)


def _colours_clash(low: str) -> bool:
    """A thing introduced once is referred back to in another colour."""
    introduced: dict[str, set[str]] = {}
    for which, colour, noun in _COLOURED.findall(low):
        if which != "the":
            introduced.setdefault(noun, set()).add(colour)
    said = [(noun, colour) for which, colour, noun in _COLOURED.findall(low) if which == "the"]
    said += _IS_COLOUR.findall(low)
    return any(
        noun in introduced and len(introduced[noun]) == 1 and colour not in introduced[noun]
        for noun, colour in said
    )


_NOT_COUNTED = frozenset(("of", "second", "minute", "frame", "and", "or", "the", "to", "by", "more"))  # fmt: skip


def _counts_clash(low: str) -> bool:
    """One noun is counted twice with different numbers, the later time with "the" or "all"."""
    first: dict[str, int] = {}
    for hit in re.finditer(
        rf"\b(the |all |these |those |there are |)({'|'.join(NUMBERS)}|\d+) (?:\w+ )??(\w+?)s?(?=[ .,;])",
        low,
    ):
        back, number, noun = hit.groups()
        if noun in _NOT_COUNTED or len(noun) < 3:
            continue
        value = int(number) if number.isdigit() else NUMBERS[number]
        if back and noun in first and first[noun] != value:
            return True
        first.setdefault(noun, value)
    return False


_DOER = re.compile(
    r"(?:an?|the|one) ((?:\w+ ){1,3}?)"
    r"(stays?|remains?|is|moves?|runs?|walks?|bounces?|drives?)\b"
)


def _moves_and_rests(low: str) -> bool:
    """One thing, named by the same words, both stays still and moves."""
    rests: set[str] = set()
    moves: set[str] = set()
    for sentence in sentences(low.replace(". ", ".\n").title()):
        words = sentence.lower()
        noun = _DOER.match(words)
        if not noun or "camera" in noun[1]:
            continue
        name = noun[1].split()[-1]
        if re.search(r"\b(?:stays?|remains?|is) (?:\w+ )?(?:still|motionless|stationary)\b", words):
            rests.add(name)
        elif noun[2] in ("moves", "runs", "walks", "bounces", "drives"):
            moves.add(name)
    counts = {name: len(re.findall(rf"\ban? (?:\w+ ){{0,3}}{name}\b", low)) for name in rests & moves}  # fmt: skip
    return any(counts[name] < 2 for name in counts)
