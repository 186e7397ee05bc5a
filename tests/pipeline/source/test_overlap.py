"""Stretches of time that overlap."""

from __future__ import annotations

import pytest

from pipeline.source.overlap import shared_part


@pytest.mark.parametrize(
    ("stretch", "other", "part"),
    [
        ((1.0, 3.0), (1.0, 3.0), 1.0),
        ((0.0, 4.0), (1.0, 2.0), 0.25),
        ((0.0, 2.0), (1.0, 4.0), 0.25),
        ((0.0, 1.0), (1.0, 2.0), 0.0),
        ((0.0, 1.0), (3.0, 4.0), -0.5),
        ((2.0, 2.0), (2.0, 2.0), 0.0),
    ],
)
def test_the_shared_part_of_the_union(
    stretch: tuple[float, float], other: tuple[float, float], part: float
) -> None:
    assert shared_part(*stretch, *other) == shared_part(*other, *stretch) == part
