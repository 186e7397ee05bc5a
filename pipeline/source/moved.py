"""Clips whose ends a person moved by frames: the plan of a source with other cuts than its shots say.

A move names the clip that it was made on. Moves follow each other: one on the clip that another made comes after it. No
frame is in two clips: where a moved end runs into a neighbour, the neighbour gives way.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from pipeline import schema as s
from pipeline.config import IngestConfig
from pipeline.motion.analysis import Analysis
from pipeline.source.clips import ClipRecord, Dropped, Plan, clip_source, frame_range
from pipeline.source.overlap import shared_part
from pipeline.video.cut import Span

BY_HAND = "by_hand"
"""How a clip begins or ends where a person moved it, and why a stretch is in no clip."""
OVERLAP = 0.9
"""Share of their union that a clip and the one that a move names have in common when it holds for that clip."""
TINY_S = 1e-6
"""Stretches shorter than this are rounding, seconds."""


@dataclass(frozen=True, kw_only=True)
class Move:
    """The ends of one clip, moved."""

    clip_id: str
    """The clip as it was."""
    start_s: float | None = None
    """Where it started in its source, seconds; finds the clip where its id is another by now."""
    end_s: float | None = None
    """Where it ended."""
    start: int = 0
    """Frames by which its first frame moves; negative is earlier."""
    end: int = 0
    """Frames by which its end moves."""


def clip_moved(
    path: str, config: IngestConfig, samples: int, source: str, moves: Sequence[Move]
) -> Iterator[Plan | ClipRecord | float]:
    """``source.clips.clip_source`` with the moves of people. Runs in the decoding child."""
    mend = partial(move_cuts, source=source, moves=moves, min_clip_s=config.min_clip_s)
    return clip_source(path, config, samples, mend if moves else None)


def move_cuts(
    plan: Plan, analysis: Analysis, *, source: str, moves: Sequence[Move], min_clip_s: float
) -> Plan:
    """The plan with every move that finds its clip; one that would leave no frame is not made.

    Clips that gave way to a neighbour and are shorter than ``min_clip_s`` afterwards are dropped; what a person
    shortened stays.
    """
    spans = list(plan.spans)
    changed: set[int] = set()
    left = {move.clip_id: move for move in moves}
    for at in range(len(spans)):
        follow(spans, at, left, changed, analysis, source)
    for move in list(left.values()):  # its clip is another by now
        near = nearest(move, spans, changed, float(analysis.probe.time_base))
        if near is not None and move.clip_id in left:
            del left[move.clip_id]
            after = shifted(spans[near], move, analysis)
            if after is not None:
                spans[near] = after
                changed.add(near)
                follow(spans, near, left, changed, analysis, source)
    if not changed:
        return plan
    base = float(analysis.probe.time_base)
    kept = apart(spans, changed, int(min_clip_s / base))
    return replace(plan, spans=tuple(kept), dropped=rest(plan, kept, base))


def follow(
    spans: list[Span],
    at: int,
    left: dict[str, Move],
    changed: set[int],
    analysis: Analysis,
    source: str,
) -> None:
    """Make the moves of a clip, then those of the clip that it became; they are taken from ``left``."""
    while move := left.pop(s.clip_id(source, spans[at].start_pts, spans[at].end_pts), None):
        after = shifted(spans[at], move, analysis)
        if after is None:
            return
        spans[at] = after
        changed.add(at)


def shifted(span: Span, move: Move, analysis: Analysis) -> Span | None:
    """A span with its ends moved, inside the file; None where no frame would be left, or nothing moves."""
    edges = np.append(analysis.pts, analysis.end_pts)
    first, stop = frame_range(analysis, span)
    last = len(analysis.pts)
    new_first, new_stop = (int(np.clip(x, 0, last)) for x in (first + move.start, stop + move.end))
    if new_stop <= new_first or (new_first, new_stop) == (first, stop):
        return None
    if new_first != first:
        span = replace(span, start_pts=int(edges[new_first]), transition_in=BY_HAND)
    if new_stop != stop:
        span = replace(span, end_pts=int(edges[new_stop]), transition_out=BY_HAND)
    return span


def nearest(move: Move, spans: Sequence[Span], taken: set[int], base: float) -> int | None:
    """Number of the clip that shares most of its time with the one that a move names, at least ``OVERLAP``."""
    if move.start_s is None or move.end_s is None:
        return None
    best, found = OVERLAP, None
    for at, span in enumerate(spans):
        part = shared_part(span.start_pts * base, span.end_pts * base, move.start_s, move.end_s)
        if at not in taken and part >= best:
            best, found = part, at
    return found


def apart(spans: Sequence[Span], changed: set[int], least: int) -> list[Span]:
    """The spans without overlaps, in order: those that were moved stay, the earlier first, the others give way."""
    kept: list[Span] = []
    for span in sorted((spans[at] for at in changed), key=lambda each: each.start_pts):
        whole = without(span, kept)
        if whole is not None:
            kept.append(whole)
    moved = list(kept)
    for at, span in enumerate(spans):
        if at in changed:
            continue
        left = without(span, moved)
        if left is None or (left != span and left.end_pts - left.start_pts < least):
            continue
        kept.append(left)
    return sorted(kept, key=lambda each: each.start_pts)


def without(span: Span, others: Iterable[Span]) -> Span | None:
    """The longest stretch of a span that is in none of the others."""
    for other in others:
        if other.end_pts <= span.start_pts or other.start_pts >= span.end_pts:
            continue
        before, after = other.start_pts - span.start_pts, span.end_pts - other.end_pts
        if max(before, after) <= 0:
            return None
        if before >= after:
            span = replace(span, end_pts=other.start_pts, transition_out=BY_HAND)
        else:
            span = replace(span, start_pts=other.end_pts, transition_in=BY_HAND)
    return span


def rest(plan: Plan, kept: Sequence[Span], base: float) -> tuple[Dropped, ...]:
    """What is in no clip now: what was dropped before, and what moved ends left behind."""
    clips = [(span.start_pts * base, span.end_pts * base) for span in kept]
    left = [
        Dropped(start_s=start, end_s=end, reason=old.reason)
        for old in plan.dropped
        for start, end in gaps(old.start_s, old.end_s, clips)
    ]
    for span in plan.spans:
        for start, end in gaps(span.start_pts * base, span.end_pts * base, clips):
            left.append(Dropped(start_s=start, end_s=end, reason=BY_HAND))
    return tuple(sorted(left, key=lambda each: each.start_s))


def gaps(
    start: float, end: float, clips: Iterable[tuple[float, float]]
) -> list[tuple[float, float]]:
    """The parts of a stretch that no clip covers."""
    found, at = [], start
    for first, stop in clips:
        if stop <= at or first >= end:
            continue
        if first - at > TINY_S:
            found.append((at, first))
        at = max(at, stop)
    return [*found, (at, end)] if end - at > TINY_S else found
