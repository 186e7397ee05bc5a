"""Figures of verdicts: shares and counts as they are, truth at 100 %, intervals beside shares."""

from __future__ import annotations

import numpy as np
import pytest

from pipeline.world.claims import claims_of
from pipeline.world.figures import figures, table
from pipeline.world.intervals import wilson
from pipeline.world.strict import FRAME_FAULTS, Verdict

CLAIMS = claims_of("A red circle bounces up and down. The camera is static.")


def verdict(wrong: int = 0, jumps: int = 0) -> Verdict:
    faults = {name: np.zeros(4, bool) for name in FRAME_FAULTS}
    faults["shape"][:wrong] = True
    return Verdict(
        faults=faults,
        ground_frames=np.ones(4, bool),
        identity_changes=wrong,
        jumps=jumps,
        marks={"motion": True, "camera": jumps == 0},
        objects=({"colour": True, "shape": wrong == 0, "motion": True},),
    )


def test_shares_and_counts() -> None:
    found = figures([verdict(), verdict(1), verdict(0, 2), verdict()], [CLAIMS] * 4)
    assert (found["right"], found["every_frame"], found["frames_right"]) == (0.5, 0.75, 15 / 16)
    assert found["every_frame_bouncing"] == 0.75
    assert (found["identity_changes"], found["jumps"]) == (0.25, 0.5)
    assert (found["shape_wrong"], found["shape"], found["camera_right"]) == (1 / 16, 0.75, 0.75)
    assert "speed_right" not in found


def test_the_table_has_a_column_for_each_kind() -> None:
    text = table(
        {"generated": figures([verdict(1)], [CLAIMS]), "vae": figures([verdict()], [CLAIMS])}
    )
    line = next(
        line for line in text.splitlines() if line.startswith("videos right in every frame")
    )
    assert line.split()[-8:] == ["0.0", "(0", "to", "79)", "100.0", "(21", "to", "100)"]


def test_wilson_is_the_known_interval() -> None:
    assert wilson(40, 200) == pytest.approx((0.1504, 0.2609), abs=1e-3)
    assert wilson(0, 0) == (0.0, 1.0)
    assert wilson(5, 5)[1] == 1.0
