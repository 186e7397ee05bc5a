"""F1 of classes, against figures made by hand."""

from __future__ import annotations

from collections import Counter

import pytest

from benchmarks.camera_classes import macro_f1


def test_f1_of_classes() -> None:
    counts: Counter[tuple[str, str | None]] = Counter(
        {("pan", "pan"): 8, ("pan", None): 2, ("tilt", "tilt"): 5, ("tilt", "pan"): 5}
    )
    mean, each = macro_f1(counts)
    assert each == {"pan": pytest.approx(16 / 23), "tilt": pytest.approx(10 / 15)}
    assert mean == pytest.approx((16 / 23 + 10 / 15) / 2)
