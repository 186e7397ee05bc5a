"""One source to clips: analyse, find shots, plan spans, cut, score. Runs in the decoding child, see ``video.isolate``.

``clip_source`` is a generator so that a source of any length passes through bounded memory: it yields the plan, then
every clip as it is encoded, and ``None`` in between as a sign of life.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np

from pipeline import schema as s
from pipeline.analysis import Analysis, analyse
from pipeline.config import IngestConfig
from pipeline.scores import blur_score, luma_scores, motion_scores, perceptual_hash
from pipeline.shots import Shot, find_transitions, shots_between
from pipeline.video.cut import Span, cut
from pipeline.video.probe import Probe, media_type


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What a source will become."""

    probe: Probe
    """The stream that is cut."""
    duration_s: float
    """Length of what was decoded, in seconds."""
    n_frames: int
    """Frames that were decoded."""
    spans: tuple[Span, ...]
    """The clips to cut."""
    dropped: dict[str, int] = field(default_factory=dict)
    """Reason -> number of shots that become no clip."""


@dataclass(frozen=True, kw_only=True)
class ClipRecord:
    """One clip with everything known about it but CLIP scores."""

    row: dict[str, object]
    """Values of the ``clips`` and ``manifest`` columns, ``video`` among them."""
    samples: np.ndarray
    """Uniformly spaced frames, uint8 RGB (k, h, w, 3)."""


def clip_source(
    path: str, config: IngestConfig, samples: int
) -> Iterator[Plan | ClipRecord | None]:
    """Yield the source's ``Plan``, then its ``ClipRecord``s in order, and ``None`` as a sign of life."""
    analysis: Analysis | None = None
    for analysis in analyse(path):
        if analysis is None:
            yield None
    assert analysis is not None
    plan = plan_clips(analysis, config)
    yield plan
    pieces = cut(
        path, plan.spans, analysis.pts, crf=config.crf, height=config.height, samples=samples
    )
    for clip in pieces:
        if clip is None:
            yield None
            continue
        first, stop = frame_range(analysis, clip.span)
        base = analysis.probe.time_base
        row: dict[str, object] = {
            s.VIDEO: clip.video,
            s.START_PTS: clip.span.start_pts,
            s.END_PTS: clip.span.end_pts,
            s.TIME_BASE_NUM: base.numerator,
            s.TIME_BASE_DEN: base.denominator,
            s.START_S: float(clip.span.start_pts * base),
            s.END_S: float(clip.span.end_pts * base),
            s.TRANSITION_IN: clip.span.transition_in,
            s.TRANSITION_OUT: clip.span.transition_out,
            s.N_FRAMES: clip.n_frames,
            s.FPS: clip.fps,
            s.WIDTH: clip.width,
            s.HEIGHT: clip.height,
        }
        row |= measure(analysis, first, stop, clip.samples)
        yield ClipRecord(row=row, samples=clip.samples)


def measure(analysis: Analysis, first: int, stop: int, samples: np.ndarray) -> dict[str, object]:
    """Every score of one clip; one that fails is None, and the ``error`` column says which and why."""
    scores: dict[str, object] = {}
    errors = []
    for names, function in (
        (
            (s.MOTION_MEAN, s.MOTION_P95, s.STATIC_SHARE),
            lambda: motion_scores(analysis, first, stop),
        ),
        ((s.LUMA_MEAN, s.LUMA_STD), lambda: luma_scores(analysis, first, stop)),
        ((s.BLUR,), lambda: {s.BLUR: blur_score(samples)}),
        ((s.PHASH,), lambda: {s.PHASH: perceptual_hash(samples)}),
    ):
        try:
            scores |= function()
        except (ValueError, ArithmeticError, IndexError) as error:
            scores |= dict.fromkeys(names)
            errors.append(f"{names[0]}: {media_type(error)}: {error}")
    scores[s.ERROR] = "; ".join(errors) or None
    return scores


def frame_range(analysis: Analysis, span: Span) -> tuple[int, int]:
    """Frames [first, stop) whose timestamps lie in the span."""
    first, stop = np.searchsorted(analysis.pts, [span.start_pts, span.end_pts])
    return int(first), int(stop)


def plan_clips(analysis: Analysis, config: IngestConfig) -> Plan:
    """Which clips a file becomes: one per shot, long shots split evenly without losing a frame, short ones dropped."""
    n = len(analysis.pts)
    shots = shots_between(find_transitions(analysis), n)
    spans: list[Span] = []
    dropped: dict[str, int] = {}
    base = float(analysis.probe.time_base)
    edges = np.append(analysis.pts, analysis.end_pts)
    for shot in shots:
        for piece in split_shot(shot, edges * base, config.max_clip_s):
            start, end = int(edges[piece.first]), int(edges[piece.stop])
            if (end - start) * base < config.min_clip_s:
                dropped["short"] = dropped.get("short", 0) + 1
                continue
            spans.append(
                Span(
                    start_pts=start,
                    end_pts=end,
                    transition_in=piece.transition_in,
                    transition_out=piece.transition_out,
                )
            )
    length = int(analysis.end_pts - analysis.pts[0]) * base
    return Plan(
        probe=analysis.probe, duration_s=length, n_frames=n, spans=tuple(spans), dropped=dropped
    )


def split_shot(shot: Shot, edges_s: np.ndarray, max_clip_s: float) -> list[Shot]:
    """Cut a shot that is longer than ``max_clip_s`` into the fewest pieces of nearly equal length, frame to frame.

    ``edges_s``: start of every frame in seconds, and the end of the last.
    """
    start, end = edges_s[shot.first], edges_s[shot.stop]
    count = max(1, math.ceil((end - start) / max_clip_s - 1e-6))
    inner = np.linspace(start, end, count + 1)[1:-1]
    at = np.searchsorted(edges_s[shot.first : shot.stop], inner - 1e-9) + shot.first
    at = np.unique([shot.first, *at.tolist(), shot.stop])
    return [
        Shot(
            first=int(first),
            stop=int(stop),
            transition_in=shot.transition_in if first == shot.first else "split",
            transition_out=shot.transition_out if stop == shot.stop else "split",
        )
        for first, stop in zip(at[:-1], at[1:], strict=True)
    ]
