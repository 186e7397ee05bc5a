"""Read JSON as models write it: mend its syntax, never add a value that is not in the text.

Models fence their JSON, quote with the wrong marks, forget to escape, leave commas over, and stop in the middle. All
of that leaves no doubt about the values that are complete; a value that was cut off is dropped with its key. What
cannot be read so is refused. Libraries for the purpose complete a cut string and fill in missing values, which here
would be a caption that nobody wrote.
"""

from __future__ import annotations

import json
import re
from typing import Any

_QUOTES = {'"': '"', "'": "'", "\u201c": "\u201d", "\u2018": "\u2019", "`": "`"}
_WORDS = {"true": True, "false": False, "null": None, "none": None}
_SPACE = re.compile(r"(?:\s|//[^\n]*|/\*.*?\*/)*", re.DOTALL)
_NUMBER = re.compile(r"-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?")
_ESCAPE = re.compile(r'\\(?:u[0-9a-fA-F]{4}|["\\/bfnrt])')
_HIGH = re.compile(r"\\u[dD][89abAB]")
_LOW = re.compile(r"\\u[dD][c-fC-F][0-9a-fA-F]{2}")
"""A character beyond U+FFFF is escaped as two halves."""
_NAME = re.compile(r"[A-Za-z_]\w*")
_CUT = object()
"""Stands for a value that the text ends within."""


def mend_json(text: str) -> str | None:
    """The first JSON object in ``text`` as strict JSON, or None when there is none that can be read."""
    start = text.find("{")
    if start < 0:
        return None
    try:
        value = _Reader(text, start).value()
    except (_Unreadable, RecursionError):
        return None
    if not isinstance(value, dict) or not value:
        return None
    return json.dumps(value, ensure_ascii=False)


class _Unreadable(ValueError):
    """Not JSON by any reading."""


class _Reader:
    """A recursive-descent reader; ``at`` is the next character."""

    def __init__(self, text: str, at: int) -> None:
        self.text, self.at = text, at

    def peek(self) -> str:
        """Next character that is neither space nor comment; empty at the end."""
        found = _SPACE.match(self.text, self.at)
        self.at = found.end() if found else self.at
        return self.text[self.at : self.at + 1]

    def value(self) -> Any:
        char = self.peek()
        if char == "{":
            return self.members()
        if char == "[":
            return self.elements()
        if char in _QUOTES and char:
            return self.string()
        if found := _NUMBER.match(self.text, self.at):
            self.at = found.end()
            if self.at == len(self.text):
                return _CUT  # more digits may have followed
            return json.loads(found[0])
        if found := _NAME.match(self.text, self.at):
            self.at = found.end()
            if found[0].lower() in _WORDS:
                return _WORDS[found[0].lower()]
            if self.at == len(self.text):
                return _CUT
        if not char:
            return _CUT
        raise _Unreadable

    def members(self) -> dict[str, Any]:
        self.at += 1
        found: dict[str, Any] = {}
        while (char := self.peek()) and char != "}":
            if char == ",":
                self.at += 1
                continue
            key = self.string() if char in _QUOTES else self.name()
            if key is _CUT or self.peek() == "":
                return found
            if self.peek() != ":":
                raise _Unreadable
            self.at += 1
            value = self.value()
            if value is _CUT:
                return found
            if key in found and found[key] != value:
                raise _Unreadable  # said twice, differently
            found[key] = value
        self.at += 1
        return found

    def elements(self) -> list[Any]:
        self.at += 1
        found: list[Any] = []
        while (char := self.peek()) and char not in "]}":
            if char == ",":
                self.at += 1
                continue
            value = self.value()
            if value is _CUT:
                return found
            found.append(value)
        self.at += self.peek() == "]"  # left open before the brace of what holds it
        return found

    def name(self) -> Any:
        found = _NAME.match(self.text, self.at)
        if not found:
            raise _Unreadable
        self.at = found.end()
        return found[0]

    def string(self) -> Any:
        """A string in any quotes. A quote ends it only where JSON goes on after it: inner ones need no backslash."""
        closing = _QUOTES[self.text[self.at]]
        self.at += 1
        said: list[str] = []
        while self.at < len(self.text):
            char = self.text[self.at]
            if char == "\\":
                said.append(self.escape())
                continue
            self.at += 1
            if char == closing and self.ends_here():
                return "".join(said)
            said.append(char)
        return _CUT

    def ends_here(self) -> bool:
        rest = _SPACE.sub("", self.text[self.at : self.at + 80], count=1)
        if not rest or rest[0] in ":}]":
            return True
        if rest[0] != ",":
            # A comma was forgotten before the next key or element: a quote that opens a line, or stands before a colon.
            gap = self.text[self.at : self.at + 80].partition(rest[0])[0]
            return rest[0] in _QUOTES and "\n" in gap
        after = _SPACE.sub("", rest[1:], count=1)
        return (
            not after
            or after[0] in '{[}]-\u201c\u2018"`'
            or bool(re.match(r"'|\d|(?:true|false|null|None|True|False)\b|\w+\s*:", after))
        )

    def escape(self) -> str:
        """The character of a backslash escape; a backslash that escapes nothing stands for itself."""
        found = _ESCAPE.match(self.text, self.at)
        if not found:
            self.at += 1
            following = self.text[self.at : self.at + 1]
            if following == "'":
                self.at += 1
                return "'"
            return "\\"
        self.at = found.end()
        if _HIGH.match(found[0]):
            pair = _LOW.match(self.text, self.at)
            if not pair:
                return ""
            self.at = pair.end()
            return str(json.loads(f'"{found[0]}{pair[0]}"'))
        return str(json.loads(f'"{found[0]}"'))
