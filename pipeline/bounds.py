"""Limits of settings, stated once beside each field of a config and checked when one is made.

A field says what it may be by its type, as in ``steps: Count = 2000``; the base ``Bounded`` does the rest, or
``check_bounds(self)`` in a ``__post_init__`` of its own. A number that is not finite is never allowed.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from numbers import Integral, Real
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints


@dataclass(frozen=True, kw_only=True)
class Limits:
    """What a number may be; None is no limit."""

    least: float | None = None
    """Smallest value allowed."""
    above: float | None = None
    """The value must be larger than this."""
    most: float | None = None
    """Largest value allowed."""
    below: float | None = None
    """The value must be smaller than this."""

    def allows(self, value: float) -> bool:
        """Whether ``value`` is finite and within the limits."""
        return (
            _is_finite(value)
            and (self.least is None or value >= self.least)
            and (self.above is None or value > self.above)
            and (self.most is None or value <= self.most)
            and (self.below is None or value < self.below)
        )

    def __str__(self) -> str:
        names = {
            "at least": self.least,
            "above": self.above,
            "at most": self.most,
            "below": self.below,
        }
        words = [f"{name} {_plain(value)}" for name, value in names.items() if value is not None]
        return " and ".join(words) or "a finite number"


@dataclass(frozen=True)
class Filled:
    """A text that says something."""


def _is_finite(value: float) -> bool:
    return isinstance(value, int) or math.isfinite(value)  # an int may be too large for a float


def _plain(value: float) -> str:
    """Whole numbers in all their digits."""
    return str(int(value)) if value == int(value) and abs(value) < 1e18 else f"{value:g}"


NUMBERS_IN = (None, tuple, Annotated, Union, UnionType)
"""What a type hint is made of that stands for numbers alone, or tuples of them."""

Count = Annotated[int, Limits(least=1)]
"""A number of things of which there must be some."""
Steps = Annotated[int, Limits(least=1, most=10**9)]
"""Optimizer steps of a training."""
Whole = Annotated[int, Limits(least=0)]
"""A number of things of which there may be none."""
Positive = Annotated[float, Limits(above=0)]
"""A number above 0."""
NonNegative = Annotated[float, Limits(least=0)]
"""A number that may be 0."""
Share = Annotated[float, Limits(least=0, most=1)]
"""A part of a whole, 0 to 1."""
PartShare = Annotated[float, Limits(least=0, below=1)]
"""A part of a whole that leaves something over: 0 to below 1."""
Decay = Annotated[float, Limits(least=0, below=1)]
"""A decay of a moving average, 0 to below 1."""
Some = Annotated[float, Limits(above=0, most=1)]
"""A part of a whole, above 0, up to all of it."""
Seed = Annotated[int, Limits(least=0, below=2**63)]
"""Seed of random numbers."""
Rate = Annotated[float, Limits(least=0.01, most=1000)]
"""Frames per second."""
Side = Annotated[int, Limits(least=16, most=16384)]
"""A side of a picture, pixels."""
Crf = Annotated[int, Limits(least=0, most=63)]
"""Quality of an encoded video, from best to least; each codec takes a part of this."""
Name = Annotated[str, Filled()]
"""A name of something, such as a model: never empty, which a path would take for the current folder."""


class BoundsError(ValueError):
    """A setting outside its limits; the message is ``<field> is <value>; it must be <limits>``."""

    def __init__(self, field: str, value: object, must: str) -> None:
        super().__init__(f"{field} is {value}; it must be {must}")
        self.field, self.value, self.must = field, value, must


class Bounded:
    """Base of a dataclass of settings: one that breaks a limit of a field is refused when it is made."""

    def __post_init__(self) -> None:
        check_bounds(self)


def check_bounds(config: Any) -> None:
    """Raise ``BoundsError`` for the first field of a dataclass that is outside its limits, not finite, or no number.

    The last is what a config of a stranger may hold, which no type checker has seen.
    """
    for name, limits, choices, numbers, filled in _rules(type(config)):  # type: ignore[arg-type]
        value = getattr(config, name)
        if filled and isinstance(value, str) and not value.strip():
            raise BoundsError(name, repr(value), "a name")
        several = tuple(_items(value))
        for word in several if choices else ():
            if word is not None and word not in choices:
                raise BoundsError(name, repr(word), "one of " + ", ".join(map(str, choices)))
        for number in several:
            if numbers and number is not None and not isinstance(number, numbers):
                whole = "a whole number" if numbers is Integral else "a number"
                raise BoundsError(name, repr(number), whole)
            wrong = isinstance(number, int | float) and not isinstance(number, bool)
            if wrong and not limits.allows(number):
                must = str(limits)
                if not _is_finite(number) and "finite" not in must:
                    must = f"finite and {must}"
                raise BoundsError(name, value, must)


def _items(value: Any) -> Iterator[Any]:
    """A value, or what is in a tuple and in those inside it."""
    if not isinstance(value, tuple):
        yield value
        return
    for item in value:
        yield from _items(item)


@cache
def _rules(cls: type) -> tuple[tuple[str, Limits, tuple[Any, ...], type | None, bool], ...]:
    """(field, limits, choices, kind of number that it holds and nothing else, whether it must be filled)."""
    hints = get_type_hints(cls, include_extras=True)
    found = []
    for name in cls.__dataclass_fields__:  # type: ignore[attr-defined]
        parts = list(_parts(hints[name]))
        limits = next((part for part in parts if isinstance(part, Limits)), Limits())
        choices = next((get_args(p) for p in parts if get_origin(p) is Literal), ())
        kinds = {p for p in parts if isinstance(p, type) and p is not NoneType}
        simple = all(get_origin(part) in NUMBERS_IN for part in parts)
        numeric = simple and kinds and kinds <= {int, float}
        numbers = (Real if float in kinds else Integral) if numeric else None
        found.append((name, limits, choices, numbers, Filled() in parts))
    return tuple(found)


def limits_in(hint: Any) -> Limits | None:
    """The limits that stand in a type hint (with its extras), None where there are none."""
    return next((part for part in _parts(hint) if isinstance(part, Limits)), None)


def _parts(hint: Any) -> Iterator[Any]:
    """A type hint and everything inside it."""
    yield hint
    if get_origin(hint) is Literal:
        return
    for part in get_args(hint):
        yield from _parts(part)
