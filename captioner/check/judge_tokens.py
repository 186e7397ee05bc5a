"""Sentences of a caption as the judge of talk reads them: tokens, where they stand, and what is looked up of each."""

from __future__ import annotations

import re
from dataclasses import dataclass
from zlib import crc32

from captioner.check.language import QUOTED

_TOKEN = re.compile(
    rf"(?P<quoted>{QUOTED.pattern})|(?P<word>[^\W\d_]+(?:['’][^\W\d_]+)?)|(?P<number>\d+(?:[.:,]\d+)*)"
    r"|(?P<line>\n+)|(?P<mark>[^\w\s*#_`])"
)
_ENDS = frozenset(".!?")
SUFFIXES = 512
"""Places that the ends of words are hashed to."""
SHAPES = 8
"""Numbers that say how a token is written and where it stands."""
DASH = "--"
"""Name of a dash between words, which no hyphen is."""
MARK_NAMES = {"—": DASH, "–": DASH, "“": '"', "”": '"', "’": "'", "‘": "'", "…": "."}


@dataclass(frozen=True, kw_only=True)
class Token:
    """A word or a mark of a caption, and its place there."""

    name: str
    """What is looked up: lower case, without an ending in 's."""
    start: int
    end: int
    kind: str
    """``word``, ``number``, ``mark``, ``quoted`` or ``line``."""
    capital: bool


def tokens_of(text: str) -> list[Token]:
    """The tokens of a text; what stands in quotation marks is one."""
    found = []
    for hit in _TOKEN.finditer(text):
        kind = next(
            name for name in ("quoted", "word", "number", "line", "mark") if hit[name] is not None
        )
        said = hit[0]
        if kind == "word":
            name = re.sub(r"['’]s$", "", said.lower())
        elif kind == "mark":
            name = MARK_NAMES.get(said, said)
            if said == "-" and text[hit.start() - 1 : hit.start()].isspace():
                name = DASH
        else:
            name = f"<{kind}>"
        found.append(
            Token(
                name=name,
                start=hit.start(),
                end=hit.end(),
                kind=kind,
                capital=said[0].isupper(),
            )
        )
    return found


def sentences_of(text: str) -> list[list[Token]]:
    """The tokens of each sentence; a line is a sentence, too."""
    found: list[list[Token]] = []
    now: list[Token] = []
    tokens = tokens_of(text)
    for at, token in enumerate(tokens):
        if token.kind == "line":
            found.append(now)
            now = []
            continue
        now.append(token)
        after = tokens[at + 1] if at + 1 < len(tokens) else None
        if (
            token.name in _ENDS
            and after is not None
            and after.start > token.end
            and (after.capital or after.kind in ("quoted", "number"))
        ):
            found.append(now)
            now = []
    found.append(now)
    return [one for one in found if one]


def suffix_of(token: Token) -> int:
    """The place of a word's end among ``SUFFIXES``; 0 for what is no word."""
    if token.kind != "word" or len(token.name) < 4:
        return 0
    return 1 + crc32(token.name[-3:].encode()) % (SUFFIXES - 1)


def shape_of(token: Token, at: int, sentence: list[Token], first: bool, last: bool) -> list[float]:
    """How a token is written, and where it stands in its sentence and in the caption."""
    return [
        float(token.capital and at > 0),
        float(token.kind == "number"),
        float(token.kind == "mark"),
        float(at == 0),
        float(at == len(sentence) - 1),
        float(first),
        float(last),
        min(at, 20) / 20,
    ]
