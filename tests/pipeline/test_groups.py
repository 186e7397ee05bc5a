"""Under which title an option stands: by its field's type, also inside other configs."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated

from pipeline.bounds import Count, limits_in
from pipeline.groups import DATA, ORDER, OUTPUT, SCHEDULE, groups_of


@dataclass(frozen=True, kw_only=True)
class Inner:
    steps: Annotated[Count, SCHEDULE] = 3
    plain: int = 4


@dataclass(frozen=True, kw_only=True)
class Outer:
    batch: Annotated[Count | None, DATA] = None
    inner: Inner = field(default_factory=Inner)
    out: Annotated[str, OUTPUT] = "x"


def test_groups_come_from_fields_and_from_what_they_hold() -> None:
    assert groups_of(Outer) == {"batch": DATA, "steps": SCHEDULE, "out": OUTPUT}
    limits = limits_in(Annotated[Count, SCHEDULE])
    assert limits is not None and limits.least == 1, "a group takes no limit away"
    assert len({group.title for group in ORDER}) == len(ORDER)
