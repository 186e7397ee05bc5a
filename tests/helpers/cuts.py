"""A file cut into clips at chosen frames."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import numpy as np

from pipeline.motion.analysis import read_lowres
from pipeline.video.cut import Clip, Span, cut
from tests.helpers.counter_media import clips_of


def timeline(path: Path) -> tuple[np.ndarray, Fraction]:
    """Timestamps of all frames and the end of the last one; the time base."""
    parts = list(read_lowres(path))
    marks = np.concatenate([*(stamps for _, stamps, _, _ in parts), [parts[-1][3]]])
    return marks, parts[0][0].time_base


def clips_between(
    path: Path, marks: np.ndarray, edges: Sequence[int], *, audio: bool = False
) -> list[Clip]:
    """The clips between the frames ``edges`` of a file with the timeline ``marks``."""
    spans = [
        Span(
            start_pts=int(marks[first]),
            end_pts=int(marks[stop]),
            transition_in="cut",
            transition_out="cut",
        )
        for first, stop in pairwise(edges)
    ]
    return list(clips_of(cut(path, spans, marks[:-1], audio=audio)))
