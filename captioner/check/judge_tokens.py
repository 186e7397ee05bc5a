"""Sentences of a caption as the judge of talk reads them: tokens and where they stand."""

from __future__ import annotations

import re
from dataclasses import dataclass

from captioner.check.language import QUOTED

CJK = r"[\u3040-\u30ff\u3400-\u9fff]"
"""A letter that is a token by itself, for no space parts the words."""
_TOKEN = re.compile(
    rf"(?P<quoted>{QUOTED.pattern})|(?P<word>{CJK}|(?:(?!{CJK})[^\W\d_])+(?:['’][^\W\d_]+)?)|(?P<number>\d+(?:[.:,]\d+)*)"
    r"|(?P<line>\n+)|(?P<mark>[^\w\s*#_`])"
)
_ENDS = frozenset(".!?。！？")
_WIDE = frozenset("。！？")
"""Ends after which no space stands."""
DASH = "--"
"""Name of a dash between words, which no hyphen is."""
MARK_NAMES = {"—": DASH, "–": DASH, "“": '"', "”": '"', "’": "'", "‘": "'", "…": "."} | dict(
    zip("，。；：！？（）", ",.;:!?()", strict=True)
)


@dataclass(frozen=True, kw_only=True)
class Token:
    """A word or a mark of a caption, and its place there."""

    name: str
    """Lower case, without an ending in 's."""
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
        ends = token.name in _ENDS or (token.kind == "quoted" and text[token.end - 2] in _ENDS)
        if (
            ends
            and after is not None
            and (
                text[token.end - 1 - (token.kind == "quoted")] in _WIDE
                or (
                    after.start > token.end
                    and (after.capital or after.kind in ("quoted", "number"))
                )
            )
        ):
            found.append(now)
            now = []
    found.append(now)
    return [one for one in found if one]
