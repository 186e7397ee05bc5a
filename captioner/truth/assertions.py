"""A caption taken apart into assertions short enough to be read whole by any CLIP.

CLIP reads 77 tokens and weighs the first twenty or so (Long-CLIP, 2024): scored whole, a caption of 150 words is
judged by its first sentence. Here every sentence is scored, and long ones are cut at their clauses, each of which
keeps the sentence's subject.
"""

from __future__ import annotations

import re
from collections.abc import Callable

LIMIT = 20
"""Tokens an assertion may have."""
_ABBREVIATION = re.compile(r"\b(?:Mr|Mrs|Ms|Dr|St|No|vs|e\.g|i\.e|approx|cf|ca)\.$", re.I)
_SENTENCE_END = re.compile(r"(?:(?<=[.!?])|(?<=[.!?][\"'”’)]))\s+(?=[\"'“‘(]?[A-Z0-9])")
_CLAUSE = re.compile(
    r"\s*(?:;|:(?=\s)|\s[-\u2013\u2014]\s|,\s+(?:and|but|while|whereas|then|which|who|where|as)\b"
    r"|,|\s(?:while|whereas|before|after|until)\b|\sand\s(?=\w+(?:s|ed|ing)\b))\s*"
)
_VERB = re.compile(
    r"\b(?:is|are|was|were|has|have|stands?|sits?|lies?|moves?|walks?|runs?|stays?|bounces?|plays?|holds?|wears?"
    r"|drives?|flies|fly|swims?|rolls?|looks?|turns?|jumps?|rides?|eats?|comes?|goes|go|pans?|tilts?|zooms?)\b"
)
_SUBJECT_WORDS = 8
_OWN_SUBJECT = re.compile(
    r"^(?:an?|the|this|these|two|three|four|five|six|several|many|some|one|another|his|her|its|their|each|both"
    r"|he|she|it|they|there|[A-Z]\w+)\b"
)


def word_count(text: str) -> int:
    """Words and marks of a text, as CLIP's tokenizer counts plain English, less its start and end."""
    return len(re.findall(r"\w+|[^\w\s]", text))


def sentences(text: str) -> list[str]:
    """The sentences of a caption, in order."""
    found: list[str] = []
    for piece in _SENTENCE_END.split(" ".join(text.split())):
        if found and _ABBREVIATION.search(found[-1]):
            found[-1] += " " + piece
        elif re.search(r"\w", piece):
            found.append(piece)
    return found


def split(
    text: str, *, limit: int = LIMIT, count: Callable[[str], int] = word_count
) -> list[tuple[str, str]]:
    """(assertion, sentence that it is from) pairs; every word of the caption is in one of at most ``limit`` tokens.

    ``count`` gives the tokens of a text; use the tokenizer's own where it is at hand.
    """
    out: list[tuple[str, str]] = []
    for sentence in sentences(text):
        if count(sentence) <= limit:
            out.append((sentence, sentence))
            continue
        subject = _subject(sentence)
        for clause in _merge(_CLAUSE.split(sentence), limit, count):
            whole = clause if not subject or _has_subject(clause) else f"{subject} {clause}"
            whole = whole if count(whole) <= limit else clause
            out += [(part, sentence) for part in _wrap(whole, limit, count)]
    return out


def _subject(sentence: str) -> str:
    """The words before the first verb that is told for sure, if they are few: what later clauses are about."""
    verb = _VERB.search(sentence)
    words = sentence[: verb.start()].strip(" ,").split() if verb else []
    return " ".join(words) if 0 < len(words) <= _SUBJECT_WORDS else ""


def _has_subject(clause: str) -> bool:
    return bool(_OWN_SUBJECT.match(clause))


def _merge(clauses: list[str], limit: int, count: Callable[[str], int]) -> list[str]:
    """Clauses of one or two words are no assertion: they stay with what came before, while it fits."""
    merged: list[str] = []
    for clause in clauses:
        if not re.search(r"\w", clause):
            continue
        short = count(clause) <= 3 or (merged and count(merged[-1]) <= 3)
        if merged and short and count(f"{merged[-1]}, {clause}") <= limit:
            merged[-1] += ", " + clause
        else:
            merged.append(clause)
    return merged


def _wrap(text: str, limit: int, count: Callable[[str], int]) -> list[str]:
    """A text that is still too long, in runs of words."""
    parts: list[str] = []
    words: list[str] = []
    for word in text.split():
        if words and count(" ".join([*words, word])) > limit:
            parts.append(" ".join(words))
            words = []
        words.append(word)
    return [*parts, " ".join(words)] if words else parts
