"""How the decoding child answers: framed MessagePack that is read as plain data, so that nothing in it can run.

A frame is its length in 8 bytes (little-endian) and a MessagePack array. The parent decides what it reads: the classes
that the called function's return annotation names, their fields checked against their annotations, arrays as a numeric
type, a shape and raw bytes. A child that a damaged file has taken over can lie about pictures, and nothing else.
"""

from __future__ import annotations

import math
import types
import typing
from collections.abc import Callable, Iterator
from dataclasses import is_dataclass
from fractions import Fraction
from functools import cache
from typing import Any

import numpy as np

PLAIN = "plain"
"""Name of an answer that is made of None, booleans, numbers, texts, bytes, lists and dicts."""
NUMBERS = frozenset(f"{kind}{size}" for kind in "iu" for size in (1, 2, 4, 8)) | {
    "b1",
    "f2",
    "f4",
    "f8",
}
"""Kinds of arrays that may come, as in ``numpy.dtype.str`` without the byte order."""
LONGEST_TEXT = 2000
"""Characters of an error's message that are kept."""


class BadAnswer(ValueError):
    """The child's answer is not what the function that was called returns."""


def pack(kind: str, value: object) -> bytes:
    """A message: ``kind`` is ``item``, ``done``, ``error`` or ``hello``; an item carries its class's name."""
    import msgspec

    name = type(value).__name__ if is_dataclass(value) else PLAIN
    return msgspec.msgpack.Encoder(enc_hook=_plain).encode([kind, name, value])


def unpack(body: bytes, allowed: dict[str, Any]) -> tuple[str, Any]:
    """(kind, value) of a message; raises ``BadAnswer`` for anything that is not of ``allowed``."""
    import msgspec

    try:
        kind, name, raw = msgspec.msgpack.decode(body, type=tuple[str, str, msgspec.Raw])
        if kind == "item":
            if name not in allowed:
                raise BadAnswer(f"it holds a {name[:40]!r}")
            return kind, msgspec.msgpack.decode(raw, type=allowed[name], dec_hook=_special)
        if kind == "error":
            parts = msgspec.msgpack.decode(raw, type=tuple[str, str, str])
            return kind, tuple(printable(part) for part in parts)
        if kind == "hello":
            return kind, msgspec.msgpack.decode(raw, type=dict[str, str])
        if kind == "done":
            return kind, None
    except (msgspec.MsgspecError, TypeError, ValueError, OverflowError, RecursionError) as error:
        if isinstance(error, BadAnswer):
            raise
        raise BadAnswer(printable(str(error))) from None
    raise BadAnswer(f"it is a {kind[:40]!r}")


def answers(fn: Callable[..., Any]) -> dict[str, Any]:
    """Class name -> class of what ``fn`` returns or yields, by its annotation; plain data where it has none."""
    return dict(_answers(fn))


@cache
def _answers(fn: Callable[..., Any]) -> tuple[tuple[str, Any], ...]:
    try:
        returned = typing.get_type_hints(fn).get("return", Any)
    except (NameError, TypeError, AttributeError):
        returned = Any  # a builtin, or a class
    if typing.get_origin(returned) is Iterator:
        (returned,) = typing.get_args(returned)
    united = typing.get_origin(returned) in (typing.Union, types.UnionType)
    parts = typing.get_args(returned) if united else (returned,)
    found: list[tuple[str, Any]] = [
        (getattr(part, "__name__", ""), part) for part in parts if is_dataclass(part)
    ]
    rest = tuple(part for part in parts if not is_dataclass(part))
    return tuple(found + ([(PLAIN, typing.Union[rest])] if rest else []))  # noqa: UP007 - of a tuple


def printable(text: str) -> str:
    """One line of ``text`` without control characters, which a terminal would obey."""
    return "".join(c if c.isprintable() else " " for c in text[:LONGEST_TEXT])


def _plain(value: Any) -> Any:
    """What MessagePack has no word for, in words that it has."""
    if isinstance(value, np.ndarray):
        return [value.dtype.str, list(value.shape), np.ascontiguousarray(value).tobytes()]
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, Fraction):
        return [value.numerator, value.denominator]
    raise TypeError(f"a {type(value).__name__} cannot be sent from the decoding child")


def _special(kind: type, raw: Any) -> Any:
    """The inverse of ``_plain``, for the classes that a field is annotated with."""
    if kind is object:
        return raw  # plain data
    if kind is Fraction:
        numerator, denominator = raw
        if type(numerator) is not int or type(denominator) is not int or denominator == 0:
            raise ValueError("a fraction of something other than integers, or by zero")
        return Fraction(numerator, denominator)
    if kind is np.ndarray:
        code, shape, data = raw
        if not isinstance(code, str) or code[1:] not in NUMBERS or code[:1] not in "<|":
            raise ValueError("an array of something other than numbers")
        if not isinstance(shape, list) or any(type(side) is not int or side < 0 for side in shape):
            raise ValueError("an array without a shape")
        dtype = np.dtype(code)
        if not isinstance(data, bytes) or math.prod(shape) * dtype.itemsize != len(data):
            raise ValueError("an array whose bytes do not fill its shape")
        return np.frombuffer(data, dtype).reshape(shape)
    raise NotImplementedError(f"{kind} is not sent by the decoding child")
