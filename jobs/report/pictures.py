"""Pictures of a run as JPEG data URIs, within a budget of bytes: thresholds, cuts, duplicates, kept clips.

Each section has a share of the budget. When it is spent, the section says how many pictures it left out, so the page
has one size limit for ten clips and for ten million.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from jobs.core.run import RunFolder
from jobs.report.data import Run
from jobs.report.edges import Edge
from pipeline import schema as s
from pipeline.select.duplicates import KINDS
from pipeline.video.sheets import jpeg_base64, picks, side_by_side

BOX = (176, 110)
"""Largest picture of one frame, pixels (width, height); frames are never scaled up."""
STRIP_BOX = (128, 80)
"""Largest frame of a strip, pixels."""
STRIP_FRAMES = 4
"""Frames in the strip of a kept clip."""
QUALITY = 74
"""JPEG quality."""
CUTS_SHOWN = 36
"""Cuts shown at most, spread over the kinds of transition."""
PAIRS_SHOWN = 8
"""Pairs of duplicates shown at most per kind."""
SAMPLES_SHOWN = 24
"""Kept clips shown at most, evenly spaced over the set."""


@dataclass(frozen=True, kw_only=True)
class Picture:
    """One frame, or frames side by side."""

    src: str
    """Data URI, empty when the clip's bytes cannot be read."""
    alt: str
    """What it shows."""
    label: str
    """Line under it."""
    note: str = ""
    """Second line, dimmer."""
    bad: bool = False
    """True when the note is a reason for which the clip was rejected."""


class StillCache:
    """Takes pictures of a run's clips; each is decoded once, however often the page is put together."""

    def __init__(self, run: Run) -> None:
        self.run = run
        self._taken: dict[tuple[int, tuple[int, ...], tuple[int, int]], str] = {}

    def take(self, row: int, frames: Sequence[int], box: tuple[int, int] = BOX) -> str:
        """Data URI of these frames of a clip side by side, empty when its bytes cannot be read or decoded."""
        key = (row, tuple(frames), box)
        if key not in self._taken:
            self._taken[key] = _data_uri(self.run.folder, self.run.row(row), frames, box)
        return self._taken[key]

    def middle(self, row: int) -> str:
        """The middle frame of a clip."""
        return self.take(row, [self.run.row(row)[s.N_FRAMES] // 2])


@dataclass(kw_only=True)
class PictureBudget:
    """What a section may still spend on pictures."""

    left: int
    """Bytes of base64."""

    def pay(self, *sources: str) -> bool:
        """Take the size of these pictures out of the budget; False, and nothing taken, when it is too empty."""
        cost = sum(map(len, sources))
        if cost > self.left:
            return False
        self.left -= cost
        return True


@dataclass(frozen=True, kw_only=True)
class Sheet:
    """Pictures that belong together."""

    title: str
    """What they show."""
    items: tuple[tuple[Picture, ...], ...]
    """One or two pictures each."""
    total: int
    """How many there would be without any limit."""


def edge_sheets(stills: StillCache, edge: Edge, budget: PictureBudget) -> tuple[Sheet, Sheet]:
    """The clips just below a threshold and just above it, nearest first: their middle frames."""
    run = stills.run
    # a keep-rate target may rank by an expression, whose values are no column
    values = run.numbers(edge.column) if edge.column in run.clips.column_names else None
    sheets = []
    for name, rows, total, passes in (
        ("below", edge.below, edge.n_below, not edge.keeps_above),
        ("above", edge.above, edge.n_above, edge.keeps_above),
    ):
        items = []
        for row in rows:
            src = stills.middle(row)
            if not budget.pay(src):
                break
            value = "" if values is None else f"{values[row]:.4g}"
            others = [reason for reason in run.reasons[row] if reason != edge.reason]
            note = ", ".join(others) or place(run, row)
            items.append(
                (Picture(src=src, alt=alt(run, row), label=value, note=note, bad=bool(others)),)
            )
        title = f"just {name}: {'kept by this rule' if passes else 'rejected'}"
        sheets.append(Sheet(title=title, items=tuple(items), total=total))
    return sheets[0], sheets[1]


def cut_sheets(stills: StillCache, budget: PictureBudget) -> list[Sheet]:
    """Last frame of a clip beside the first frame of the next clip of its source, by kind of transition."""
    run = stills.run
    source, first, last = (run.column(name) for name in (s.SOURCE_ID, s.START_S, s.END_S))
    into, out, n = (run.column(name) for name in (s.TRANSITION_IN, s.TRANSITION_OUT, s.N_FRAMES))
    kinds: dict[str, list[int]] = {}
    for row in range(len(source) - 1):
        if source[row] == source[row + 1]:
            # the kinds differ where a shot between the two was too short to become a clip
            kind = (
                str(out[row])
                if out[row] == into[row + 1]
                else f"{out[row]}, dropped, {into[row + 1]}"
            )
            kinds.setdefault(kind, []).append(row)
    # rare kinds first: what they leave unused goes to the frequent ones
    ordered = sorted(kinds.items(), key=lambda item: (len(item[1]), item[0]))[-CUTS_SHOWN:]
    sheets: list[Sheet] = []
    for number, (kind, rows) in enumerate(ordered):
        left = CUTS_SHOWN - sum(len(sheet.items) for sheet in sheets)
        share = max(1, left // (len(ordered) - number))
        items = []
        for row in spread(rows, share):
            pair = (stills.take(row, [n[row] - 1]), stills.take(row + 1, [0]))
            if not budget.pay(*pair):
                break
            gap = first[row + 1] - last[row]
            when = (
                f"{last[row]:.2f} s"
                if gap < 0.005
                else f"{last[row]:.2f} to {first[row + 1]:.2f} s"
            )
            items.append(
                (
                    Picture(
                        src=pair[0],
                        alt=f"last frame before a {kind}",
                        label=when,
                        note=file_name(run, row),
                    ),
                    Picture(src=pair[1], alt=f"first frame after a {kind}", label="", note=""),
                )
            )
        sheets.append(Sheet(title=kind, items=tuple(items), total=len(rows)))
    return sheets[::-1]


def duplicate_sheets(stills: StillCache, budget: PictureBudget) -> list[Sheet]:
    """Clips rejected as duplicates beside the clip that was kept instead."""
    run = stills.run
    row_of = {clip: row for row, clip in enumerate(run.column(s.CLIP_ID))}
    sheets = []
    for kind in KINDS:
        rows = np.flatnonzero(run.hit(kind)).tolist()
        items = []
        for row in spread(rows, PAIRS_SHOWN):
            keeper = row_of.get(run.duplicate_of[row] or "")
            pair = [stills.middle(each) for each in (row, keeper) if each is not None]
            if not budget.pay(*pair):
                break
            shown = [
                Picture(
                    src=pair[0],
                    alt=alt(run, row),
                    label="rejected",
                    note=place(run, row),
                    bad=False,
                )
            ]
            if keeper is not None:
                shown.append(
                    Picture(
                        src=pair[1], alt=alt(run, keeper), label="kept", note=place(run, keeper)
                    )
                )
            items.append(tuple(shown))
        if rows:
            sheets.append(Sheet(title=kind, items=tuple(items), total=len(rows)))
    return sheets


def kept_cards(stills: StillCache, budget: PictureBudget) -> list[dict[str, Any]]:
    """A sample of the kept clips: four frames of each, and its captions."""
    from pipeline.video.decode import sample_indices

    run = stills.run
    chosen = spread(np.flatnonzero(run.kept).tolist(), SAMPLES_SHOWN)
    captions = _captions(run, {run.row(row)[s.CLIP_ID] for row in chosen})
    cards = []
    for row in chosen:
        clip = run.row(row)
        strip = stills.take(row, sample_indices(clip[s.N_FRAMES], STRIP_FRAMES), STRIP_BOX)
        if not budget.pay(strip):
            break
        facts = f"{clip[s.WIDTH]}×{clip[s.HEIGHT]}, {clip[s.END_S] - clip[s.START_S]:.1f} s"
        cards.append(
            {
                "strip": strip,
                "captions": captions.get(clip[s.CLIP_ID], []),
                "where": f"{place(run, row)}, {facts}",
                "id": clip[s.CLIP_ID],
            }
        )
    return cards


def spread(rows: Sequence[int], most: int) -> list[int]:
    """At most ``most`` of the rows, evenly spaced, the first and the last among them."""
    return [rows[i] for i in picks(len(rows), most)]


def file_name(run: Run, row: int) -> str:
    """Last part of a clip's source URI."""
    uri = str(run.clips.column(s.SOURCE_URI)[row].as_py())
    return uri.rstrip("/").rpartition("/")[2] or uri


def place(run: Run, row: int) -> str:
    """File and second at which a clip starts."""
    return f"{file_name(run, row)} at {run.clips.column(s.START_S)[row].as_py():.1f} s"


def alt(run: Run, row: int) -> str:
    """What a picture of a clip is, for those who do not see it."""
    return f"clip {run.clips.column(s.CLIP_ID)[row].as_py()}"


def _captions(run: Run, clips: set[str]) -> dict[str, list[tuple[str, str, str]]]:
    """clip_id -> (kind, text, outcome) of its captions as they are packed, in the order of the schema's kinds."""
    import pyarrow as pa
    import pyarrow.compute as pc

    found: dict[str, list[tuple[str, str, str]]] = {}
    if run.captions is None:
        return found
    mine = pc.is_in(run.captions.column(s.CLIP_ID), value_set=pa.array(sorted(clips), pa.string()))
    rows = run.captions.filter(mine).select([s.CLIP_ID, s.KIND, s.TEXT, s.OUTCOME]).to_pylist()
    told = {(row[s.CLIP_ID], row[s.KIND]): (row[s.TEXT] or "", row[s.OUTCOME]) for row in rows}
    for clip in clips & run.corrected.keys():
        for kind, text in run.corrected[clip].items():
            told[clip, kind] = (text, str(s.CaptionOutcome.OK))
    for (clip, kind), (text, outcome) in sorted(
        told.items(), key=lambda item: s.CAPTION_KINDS.index(item[0][1])
    ):
        found.setdefault(clip, []).append((kind, text[:600], outcome))
    return found


def _data_uri(
    run: RunFolder, row: dict[str, Any], frames: Sequence[int], box: tuple[int, int]
) -> str:
    import av

    from pipeline.shards.ranges import ClipError
    from pipeline.video.seek import decode_frames

    scale = min(1.0, box[0] / row[s.WIDTH], box[1] / row[s.HEIGHT])
    size = (max(2, round(row[s.WIDTH] * scale)), max(2, round(row[s.HEIGHT] * scale)))
    try:
        pixels = decode_frames(run.read_clip(row), indices=frames, size=size)
    except (ClipError, av.FFmpegError, ValueError, OSError):
        return ""
    return "data:image/jpeg;base64," + jpeg_base64(side_by_side(pixels), QUALITY)
