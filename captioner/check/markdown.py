"""Markdown as prose: the same words, without the marks."""

from __future__ import annotations

import re

_MARKS = re.compile(
    r"^\s*(?:#{1,6}\s|[-*•–]\s|\d{1,2}[.)]\s)|\*\*|^\s*```|(?<![\w*])\*[^*\s][^*\n]*\*(?![\w*])",
    re.M,
)
_FENCE = re.compile(r"^\s*```\w*\s*\n?(.*?)\n?\s*```\s*$", re.S)
_TAG = re.compile(
    r"^\s*<(captions?|answer|description|output|response|result)>\s*(.*?)\s*</\1>\s*$", re.S | re.I
)
"""An answer in a tag."""
_HEADING = re.compile(r"^\s*#{1,6}\s+(.*?)\s*#*$")
_BOLD_LINE = re.compile(r"^\s*\*\*([^*]+?):?\*\*:?\s*$")
_ITEM = re.compile(r"^\s*(?:[-*•–]|\d{1,2}[.)])\s+")
_EMPHASIS = re.compile(
    r"(\*\*|__)(?=\S)(.+?)(?<=\S)\1|(?<![\w*])\*(?=[^*\s])([^*\n]+?)\*(?![\w*])", re.S
)
_CHATTER = re.compile(
    r"^(?:(?:video|detailed|dense|short|scene|overall|image|clip|full|final|brief)\s)*"
    r"(?:captions?|descriptions?|summary|overview|analysis)(?: of (?:the|this) \w+)?:?$",
    re.I,
)
"""A heading that names what was asked for."""


def plain_prose(text: str) -> str:
    """The text without marks of headings, lists, emphasis and fences; items become sentences. Others as they are."""
    if tagged := _TAG.match(text):
        text = tagged[2]
    if not _MARKS.search(text):
        return text
    if fenced := _FENCE.match(text):
        text = fenced[1]
    out: list[str] = []
    for line in text.splitlines():
        heading = _HEADING.match(line) or _BOLD_LINE.match(line)
        item = _ITEM.match(line)
        words = heading[1] if heading else line[item.end() :] if item else line
        words = _EMPHASIS.sub(lambda m: m[2] or m[3], words).strip()
        if not re.search(r"\w", words) or (heading and _CHATTER.match(words)):
            continue
        if heading and words[-1] not in ".!?:":
            words += ":"
        elif item and words[-1] not in ".!?:;,":
            words += "."
        out.append(words)
    return " ".join(out)
