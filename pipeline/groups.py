"""Under which title an option stands in a command's help: said beside each field of a config, by its type.

``lr: Annotated[Positive, OPTIMISATION] = 1e-3``; a field of its own config class passes its fields' groups on.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields, is_dataclass
from functools import cache
from typing import Annotated, Any, get_args, get_origin, get_type_hints


@dataclass(frozen=True)
class Group:
    """A title in a help."""

    title: str


DATA = Group("data")
MODEL = Group("model")
OBJECTIVE = Group("objective")
OPTIMISATION = Group("optimisation")
SCHEDULE = Group("schedule")
EVALUATION = Group("evaluation")
DEVICES = Group("devices")
OUTPUT = Group("output")
PROMPTS = Group("prompts")
VIDEO = Group("video")
MODELS = Group("models")
SAMPLER = Group("sampler")
GUIDANCE = Group("guidance")
CHOICE = Group("choice among several")
SAFETY = Group("safety and provenance")

ORDER = (
    *(PROMPTS, VIDEO, DATA, MODEL, MODELS, SAMPLER, GUIDANCE, CHOICE, OBJECTIVE, OPTIMISATION, SCHEDULE),
    *(EVALUATION, DEVICES, OUTPUT, SAFETY),
)  # fmt: skip
"""In this order they stand in a help."""


@cache
def groups_of(cls: type) -> dict[str, Group]:
    """Field -> group, of a dataclass and of the dataclasses that its fields are."""
    found: dict[str, Group] = {}
    hints = get_type_hints(cls, include_extras=True)
    for each in fields(cls):
        parts = list(_parts(hints[each.name]))
        group = next((part for part in parts if isinstance(part, Group)), None)
        if group is not None:
            found[each.name] = group
        for part in parts:
            if isinstance(part, type) and is_dataclass(part) and part is not Group:
                found |= groups_of(part)
    return found


def _parts(hint: Any) -> Iterator[Any]:
    """What an annotation is made of: its metadata before its type."""
    if get_origin(hint) is Annotated:
        inner, *metadata = get_args(hint)
        yield from metadata
        yield from _parts(inner)
        return
    yield hint
    for part in get_args(hint):
        yield from _parts(part)
