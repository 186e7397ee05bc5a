"""Which gradual transitions are none, because the old picture is still there or comes back: things that cross.

A lorry that fills the picture of a fixed camera looks like a wipe to the lorry and another one away from it, and light
that fades and returns like two dissolves. The net sees a second or two; here the pictures before a transition and for
some seconds after it are compared cell by cell. Cuts are not touched: a film may cut away and back.
"""

from __future__ import annotations

import numpy as np

from pipeline.shots.boundaries import Transition
from pipeline.shots.signatures import Signatures

ROWS, COLUMNS = 9, 16
"""Cells of a picture."""
CELLS = ROWS * COLUMNS
"""Numbers of a picture."""
BACK_S = 5.0
"""How long after a transition its old picture may come back, seconds."""
SAME = 7
"""Steps of 8-bit luma by which a cell may differ and count as unchanged."""
BACK_SHARE = 0.9
"""Share of the cells that must be as they were for a picture to be back."""
STAYED_SHARE = 0.6
"""Share of the cells that a transition must not leave as they were."""
DARK, BRIGHT = 28, 225
"""Cells at or beyond these (limited range) say little: bars, night, white; they do not count."""
LEAST = 0.3
"""Share of the cells that must count for anything to be said."""
_BEFORE = 5
"""Frames before a transition whose median is the old picture."""


def small_pictures(seen: Signatures) -> np.ndarray:
    """uint8 (n, CELLS): mean luma of the cells of frames."""
    luma = (seen.picture[:, :CELLS] + (16 / 219 + 0.5)) * 219
    return np.clip(luma + 0.5, 0, 255).astype(np.uint8)


def without_crossings(
    found: list[Transition], pictures: np.ndarray, fps: float
) -> list[Transition]:
    """The transitions after which the picture is another one; ``pictures`` uint8 (N, CELLS) of the whole file.

    ``found`` in order. What lies between a transition and the return of its old picture belongs to what crossed.
    """
    cuts = [each.first for each in found if each.kind == "cut"]
    kept, crossed = [], 0
    for each in found:
        if each.kind != "cut":
            back = picture_back(each, pictures, fps, cuts) if each.first >= crossed else crossed
            if back is not None:
                crossed = max(crossed, back)
                continue
        kept.append(each)
    return kept


def picture_back(each: Transition, pictures: np.ndarray, fps: float, cuts: list[int]) -> int | None:
    """Frame from which the picture before a gradual transition is there again, or still; None when it stays away.

    ``cuts``: first frames of shots after cuts, where what could have crossed ends.
    """
    start = max([0, each.first - _BEFORE, *(at for at in cuts if at < each.first)])
    stop = min([len(pictures), *(at for at in cuts if at >= each.stop)])
    stop = min(stop, each.stop + max(1, round(BACK_S * fps)))
    if start >= each.first or each.stop >= stop:
        return None
    before = np.median(pictures[start : each.first], axis=0)
    telling = (before > DARK) & (before < BRIGHT)
    if telling.mean() < LEAST:
        return None
    after = pictures[each.stop : stop, telling].astype(np.float32)
    same = (np.abs(after - before[telling]) <= SAME).mean(1)
    if same[:_BEFORE].max() >= STAYED_SHARE:
        return each.stop
    at = np.flatnonzero(same >= BACK_SHARE)
    return each.stop + int(at[0]) if len(at) else None
