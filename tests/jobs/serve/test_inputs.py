"""What people upload, as frames and masks of the size and rate that a verb takes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from jobs.serve.inputs import Inputs
from pipeline.video.encode import encode_mp4

SHAPE = (3, 16, 24, 3)
"""Frames, rows, columns, colours."""


def test_a_region_may_reach_every_edge_and_not_pass_one(tmp_path: Path) -> None:
    inputs = Inputs(tmp_path)
    mask = inputs.mask("16,8,8x8", SHAPE)
    assert mask.shape == SHAPE[:3] and mask.all(0).sum() == 64
    assert mask[:, 8:, 16:].all(), "columns from 16, rows from 8"
    assert inputs.mask("0,0,24x16", SHAPE).all(), "the whole picture"
    for region in ("17,8,8x8", "16,9,8x8", "0,0,25x16", "0,0,24x17", "0,0,0x8", "0,0,8x0"):
        with pytest.raises(ValueError, match="does not lie inside the video, 24x16"):
            inputs.mask(region, SHAPE)


@pytest.mark.parametrize(("fps", "shown"), [(8.0, range(8)), (4.0, (0, 2, 4, 6)), (16.0, None)])
def test_frames_are_those_of_the_asked_rate(
    tmp_path: Path, fps: float, shown: range | tuple[int, ...] | None
) -> None:
    """One frame too few, and all that follows is shown too early."""
    inputs = Inputs(tmp_path)
    levels = np.arange(20, 180, 20, dtype=np.uint8)
    video = np.broadcast_to(levels[:, None, None, None], (8, 32, 32, 3))
    name = inputs.keep(encode_mp4(np.ascontiguousarray(video), 8.0, crf=8))
    found = inputs.frames(name, fps, 8).mean((1, 2, 3))
    want = levels.repeat(2) if shown is None else levels[list(shown)]
    assert len(found) == len(want)
    assert np.abs(found - want).max() < 6
