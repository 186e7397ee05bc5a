"""Drop transitions that are none: the old picture is still there or comes back (objects that cross, pop-ups).

A lorry that fills the picture of a fixed camera looks like a wipe to the lorry and another one away from it, and light
that fades and returns like two dissolves. The net sees a second or two; here the pictures before a transition and for
some seconds after it are compared cell by cell. Cuts may lead away and back, so of them only those go that change a
rectangle and leave the rest as it was: a picture in the picture, a graphic.
"""

from __future__ import annotations

import numpy as np

from pipeline.shots.boundaries import Transition
from pipeline.shots.signatures import Signatures

ROWS, COLUMNS = 9, 16
"""Cells of a picture."""
CELLS = ROWS * COLUMNS
"""Numbers of a picture."""
BACK_S = 8.0
"""How long after a transition its old picture may come back, seconds."""
SAME = 7
"""Steps of 8-bit luma by which a cell may differ and count as unchanged."""
BACK_SHARE = 0.8
"""Share of the cells that must be as they were for a picture to be back."""
STAYED_SHARE = 0.6
"""Share of the cells that a transition must not leave as they were."""
DARK, BRIGHT = 28, 225
"""Cells at or beyond these (limited range) say little: bars, night, white; they do not count."""
LEAST = 0.3
"""Share of the cells that must count for anything to be said."""
POPUP_AREA, POPUP_FILL = 0.6, 0.8
"""Largest share of the picture that a pop-up covers, and share of its cells that must have changed."""
LATER = 15
"""Frames after a transition whose median is the new picture; what leaves is gone from most of them."""
_BEFORE = 5
"""Frames before a transition whose median is the old picture."""
_BESIDE = 3
"""Frames on either side of a cut whose medians are compared."""


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
    cuts = [
        each.first for each in found if each.kind == "cut" and not pops_up(each.first, pictures)
    ]
    kept, crossed = [], 0
    for each in found:
        if each.kind == "cut":
            if each.first not in cuts:
                continue
        else:
            back = picture_back(each, pictures, fps, cuts) if each.first >= crossed else crossed
            if back is None and was_there(each, pictures, fps, cuts):
                back = each.stop
            if back is not None:
                crossed = max(crossed, back)
                continue
        kept.append(each)
    return kept


def picture_back(each: Transition, pictures: np.ndarray, fps: float, cuts: list[int]) -> int | None:
    """Frame from which the picture before a gradual transition is there again, or still; None when it stays away.

    That is the picture just before it, or the one that was usual for some seconds: something may be crossing already.

    ``cuts``: first frames of shots after cuts, where what could have crossed ends.
    """
    start = max([0, each.first - _BEFORE, *(at for at in cuts if at < each.first)])
    stop = min([len(pictures), *(at for at in cuts if at >= each.stop)])
    stop = min(stop, each.stop + max(1, round(BACK_S * fps)))
    if start >= each.first or each.stop >= stop:
        return None
    before = np.median(pictures[start : each.first], axis=0)
    same = _alike(before, pictures[each.stop : stop])
    if same is not None and same[:_BEFORE].max() >= STAYED_SHARE:
        return each.stop
    began = max([0, each.first - round(BACK_S * fps), *(at for at in cuts if at < each.first)])
    usual = _alike(np.median(pictures[began : each.first], axis=0), pictures[each.stop : stop])
    at = [
        int(np.flatnonzero(shares >= BACK_SHARE)[0])
        for shares in (same, usual)
        if shares is not None and shares.max() >= BACK_SHARE
    ]
    return each.stop + min(at) if at else None


def _alike(picture: np.ndarray, others: np.ndarray) -> np.ndarray | None:
    """Share of a picture's telling cells that each of ``others`` (n, CELLS) has, too; None where too few tell."""
    telling = (picture > DARK) & (picture < BRIGHT)
    if telling.mean() < LEAST:
        return None
    apart = np.abs(others[:, telling].astype(np.float32) - picture[telling])
    return (apart <= SAME).mean(1)


def was_there(each: Transition, pictures: np.ndarray, fps: float, cuts: list[int]) -> bool:
    """Whether the picture after a gradual transition was there some seconds before it, in the same shot.

    What came in too slowly for a transition, or stood there a while, leaves as if a wipe took it away.
    """
    start = max(
        [0, each.first - max(1, round(BACK_S * fps)), *(at for at in cuts if at < each.first)]
    )
    stop = min([len(pictures), *(at for at in cuts if at >= each.stop)])
    if start >= each.first or each.stop >= stop:
        return False
    after = np.median(pictures[each.stop : min(stop, each.stop + LATER)], axis=0)
    shares = _alike(after, pictures[start : each.first])
    return shares is not None and bool(shares.max() >= BACK_SHARE)


def pops_up(at: int, pictures: np.ndarray) -> bool:
    """Whether all that changes at frame ``at`` is a rectangle that is not the whole picture."""
    before, after = pictures[max(0, at - _BESIDE) : at], pictures[at : at + _BESIDE]
    if not len(before) or not len(after):
        return False
    apart = np.abs(np.median(after, axis=0) - np.median(before, axis=0)) > SAME
    changed = apart.reshape(ROWS, COLUMNS)
    rows, columns = np.flatnonzero(changed.any(1)), np.flatnonzero(changed.any(0))
    if not len(rows):
        return False  # it is the net's to know what it saw
    box = changed[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    return bool(box.size <= POPUP_AREA * CELLS and box.mean() >= POPUP_FILL)
