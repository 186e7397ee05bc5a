"""Take out talk that no rule finds: a learned judge reads every word, and only whole clauses that it is sure of go.

A net gives each word log-odds of being talk. What goes is a piece between marks or joining words: a sentence, the
end of one, its opening, or what stands between two marks. Each kind has a limit of its own.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from captioner.check.boilerplate import MEDIA_WORD
from captioner.check.checks import ENGLISH
from captioner.check.effects import SEEN
from captioner.check.grammar import as_sentence
from captioner.check.judge_net import Judge, letter_odds, load_judge
from captioner.check.judge_tokens import DASH, Token, sentences_of

Scorer = Callable[[str, list[list[Token]]], list[np.ndarray]]
"""A caption and its sentences -> log-odds that each token is talk."""
MARKS = frozenset((",", ";", ":", "(", DASH))
JOINS = frozenset(
    re.findall(
        r"\w+",
        "and but which that while as with to so where though although who whose or because if in "
        "for by from at on like",
    )
)
"""Words at which the end of a sentence may begin without a mark."""
_NEVER_FIRST = frozenset(
    re.findall(
        r"\w+",
        "is are was were be being been has have had them him and or but of to as that which by "
        "with from into who whose does do can could will would may might must then not",
    )
)
"""With these the rest of a sentence does not stand by itself."""
_NEVER_LAST = frozenset(
    re.findall(r"\w+", "the a an this these those his her its their my our your two three some and")
)
"""With these an opening does not end."""
_GOES_ON = frozenset(
    re.findall(
        r"\w+",
        "and but while as with then before after until which who a an the his her its their he "
        "she it they two three one some several",
    )
)
"""Words before which a comma stays when what stood before it goes."""
_ROUNDS = 4
LANGUAGES = frozenset((ENGLISH, "de", "es", "fr", "zh"))
"""Languages that the judge has learned from."""
LONGEST = 250
"""Tokens of a sentence from which on it is left alone: no caption has such, loops have."""


@dataclass(frozen=True, kw_only=True)
class Limit:
    """How sure the net must be of a piece: on average, and of its least sure word."""

    mean: float
    least: float


LIMITS = {
    "whole": Limit(mean=1.0, least=-2.0),
    "tail": Limit(mean=1.0, least=-1.5),
    "open": Limit(mean=1.0, least=-1.5),
    "mid": Limit(mean=1.0, least=-1.5),
}
FEWEST_ODDS = min(limit.mean for limit in LIMITS.values())
"""A sentence none of whose words reaches this holds nothing to take out."""
LOOKS = 1.2
"""What the average must be more where a piece names a camera, light, colours or a style."""
FOREIGN, FRAME_WORDS = Limit(mean=3.0, least=1.0), 4
"""Limits in other languages than English, and the most words of a piece there that no mark sets off."""
REST = 0.5
"""Log-odds that the words that stay may have at most on average."""
NEXT, NEXT_MARKED = 1.0, 2.0
"""The same of the two words on either side, without and with a mark between."""


@dataclass(frozen=True, kw_only=True)
class Piece:
    """Tokens ``start`` to ``end`` of a sentence, which go together."""

    kind: str
    start: int
    end: int


@dataclass(frozen=True, kw_only=True)
class Told:
    """A piece and what the net says of it."""

    piece: Piece
    mean: float
    least: float
    rest: float
    """Average of the words of the sentence that stay."""
    near: float
    """Most of the two words on either side."""
    gain: float


def strip_learned(
    text: str, score: Scorer | None = None, *, language: str = ENGLISH
) -> tuple[str, tuple[str, ...]]:
    """A text without the talk that the judge is sure of, and what went; "" where nothing stays."""
    score = score or scored
    english = language == ENGLISH
    found: list[str] = []
    for _ in range(_ROUNDS):
        sentences = sentences_of(text)
        cuts: list[tuple[list[Token], Piece]] = []
        things: set[str] = set()
        for sentence, told in zip(sentences, score(text, sentences), strict=True):
            piece = best_piece(sentence, told, english=english)
            if piece is not None and not things & media_in(sentence[piece.start : piece.end]):
                cuts.append((sentence, piece))
            things |= media_in(
                [one if odds < 0 else None for one, odds in zip(sentence, told, strict=True)]
            )
        if not cuts:
            break
        phrases = []
        for sentence, piece in reversed(cuts):  # places before a cut stay where they are
            text, phrase = without(text, sentence, piece, english=english)
            phrases.append(phrase)
        found += reversed(phrases)
    return text, tuple(found)


def media_in(tokens: Sequence[Token | None]) -> set[str]:
    """The media that tokens name as things of the scene, not as where something is: "the left of the image"."""
    names = [token.name if token else "" for token in tokens]
    return {
        name.removesuffix("s")
        for at, name in enumerate(names)
        if MEDIA_WORD.fullmatch(name) and names[max(0, at - 2) : at] != ["of", "the"]
    }


def scored(text: str, sentences: list[list[Token]], judge: Judge | None = None) -> list[np.ndarray]:
    """For each sentence of a text the log-odds that each token is talk: the mean of its letters'."""
    odds = letter_odds(judge or load_judge(), text)
    return [np.array([_mean(odds[token.start : token.end]) for token in one]) for one in sentences]


def _mean(odds: np.ndarray) -> float:
    known = odds[~np.isnan(odds)]
    return float(known.mean()) if len(known) else 0.0


def best_piece(sentence: list[Token], told: np.ndarray, *, english: bool = True) -> Piece | None:
    """The piece of a sentence that goes, or None."""
    best: Told | None = None
    if len(sentence) > LONGEST or told.max() < FEWEST_ODDS:
        return None
    for piece in pieces_of(sentence):
        one = judged(piece, sentence, told)
        limit = LIMITS[piece.kind]
        if not english and not _sure_abroad(one, sentence):
            continue
        if one.mean < limit.mean:
            continue
        if one.mean < limit.mean + LOOKS and SEEN.search(said(piece, sentence)):
            continue
        if (
            one.least < limit.least
            or one.rest > REST
            or one.near > (NEXT_MARKED if _is_marked(piece, sentence) else NEXT)
        ):
            continue
        if best is None or one.gain > best.gain:
            best = one
    return best.piece if best else None


def _sure_abroad(one: Told, sentence: list[Token]) -> bool:
    """Whether a piece may go in another language than English, of which the net saw less."""
    if one.piece.kind == "whole":
        return True
    words = len(said(one.piece, sentence).split())
    frame = one.piece.kind == "open" and words <= FRAME_WORDS
    return (
        one.mean >= FOREIGN.mean
        and one.least >= FOREIGN.least
        and (frame or _is_marked(one.piece, sentence))
    )


def _is_marked(piece: Piece, sentence: list[Token]) -> bool:
    """Whether a mark stands between a piece and what stays."""
    if piece.kind == "open":
        return sentence[piece.end - 1].kind == "mark"
    if piece.kind == "whole":
        return True
    return sentence[piece.start].kind == "mark"


def said(piece: Piece, sentence: list[Token]) -> str:
    """The words of a piece."""
    return " ".join(
        token.name for token in sentence[piece.start : piece.end] if token.kind == "word"
    )


def judged(piece: Piece, sentence: list[Token], told: np.ndarray) -> Told:
    """What the net says of a piece and of the words beside it."""
    words = [at for at, token in enumerate(sentence) if token.kind != "mark"]
    inside = [float(told[at]) for at in words if piece.start <= at < piece.end]
    first = next(at for at in words if at >= piece.start)
    if piece.kind == "tail" and sentence[first].name in JOINS and len(inside) > 1:
        inside = inside[1:]  # a joining word alone says nothing
    beside = [float(told[at]) for at in words if not piece.start <= at < piece.end]
    near = [
        float(told[at])
        for at in [w for w in words if w < piece.start][-2:]
        + [w for w in words if w >= piece.end][:2]
    ]
    return Told(
        piece=piece,
        near=max(near, default=-9.0),
        mean=sum(inside) / len(inside),
        least=min(inside),
        rest=sum(beside) / len(beside) if beside else -9.0,
        gain=sum(inside) - len(inside),
    )


def pieces_of(sentence: list[Token]) -> list[Piece]:
    """Every piece of a sentence that could go, whatever the net says of it."""
    words = [at for at, token in enumerate(sentence) if token.kind != "mark"]
    if not words:
        return []
    stop = len(sentence)
    while stop > 0 and sentence[stop - 1].name in (".", "!", "?"):
        stop -= 1
    found = [Piece(kind="whole", start=0, end=len(sentence))]
    marks = [at for at in range(1, stop) if sentence[at].name in MARKS]
    starts = [
        at for at in marks if sentence[at].name != ":"
    ]  # after a colon stands a label's value
    found += [
        Piece(kind="tail", start=at, end=stop) for at in starts if sum(w < at for w in words) >= 2
    ]
    for at in range(1, stop):
        if sum(w >= at for w in words) < 2 or sentence[at].kind == "mark":
            continue
        marked = at - 1 in marks or sentence[at - 1].name in (".", "!")
        if sentence[at - 1].name in _NEVER_LAST:
            continue
        if sentence[at].name not in _NEVER_FIRST and (marked or sentence[at - 1].kind != "mark"):
            found.append(Piece(kind="open", start=0, end=at))
    closing = [*marks, *(at for at in range(1, stop) if sentence[at].name == ")")]
    for left in starts:
        for right in closing:
            if (
                right > left + 1
                and words[0] < left
                and (sentence[left].name == "(") == (sentence[right].name == ")")
            ):
                found.append(Piece(kind="mid", start=left, end=right))
    return [one for one in found if _has_words(one, sentence)]


def _has_words(piece: Piece, sentence: list[Token]) -> bool:
    """At least two words, or one before a comma."""
    count = sum(token.kind == "word" for token in sentence[piece.start : piece.end])
    return count >= 2 or (count == 1 and sentence[piece.end - 1].name in (",", ":"))


def without(
    text: str, sentence: list[Token], piece: Piece, *, english: bool = True
) -> tuple[str, str]:
    """A text without a piece of one of its sentences, and what went."""
    start, end = sentence[piece.start].start, sentence[piece.end - 1].end
    before, after = text[:start], text[end:]
    if piece.kind == "mid":
        follows = sentence[piece.end + 1] if piece.end + 1 < len(sentence) else None
        paired = sentence[piece.end].name in (")", DASH) or (
            follows is not None
            and follows.name not in _GOES_ON
            and not follows.name.endswith("ing")
        )
        if paired:
            end = sentence[piece.end].end
        before, after = text[:start].rstrip(), text[end:]
    elif piece.kind == "tail":
        before = before.rstrip()
    else:
        after = after.lstrip()
        if piece.kind == "open":
            rest = text[end : sentence[-1].end].lstrip()
            said_so = as_sentence(rest) if english and before.strip() else rest
            after = said_so[:1].upper() + said_so[1:] + text[sentence[-1].end :]
    phrase = text[start:end].strip(" ,;:-–—")
    return (before + after).rstrip() if before.strip() else (before + after).strip(), phrase
