"""One source to clips: analyse, find shots, plan spans, cut, score. Runs in the decoding child, see ``video.isolate``.

``clip_source`` is a generator so that a source of any length passes through bounded memory: it yields the plan, then
every clip as it is encoded, and in between how many seconds of the file are done: once while it is looked at, before
the plan, and again while clips are cut.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from pipeline import schema as s
from pipeline.config import IngestConfig
from pipeline.motion.analysis import Analysis, analyse
from pipeline.scores.camera import camera_scores
from pipeline.scores.colours import main_colours
from pipeline.scores.look import activity, clip_look, perceptual_hash
from pipeline.scores.pixels import (
    blur_score,
    exposure_scores,
    luma_scores,
    motion_scores,
)
from pipeline.scores.scorer import (
    FunctionScorer,
    Passage,
    Scorer,
    apply_scorers,
    make_named,
)
from pipeline.scores.watermark import watermark_score
from pipeline.shots.boundaries import Shot, shots_between
from pipeline.video.cut import Clip, Span, cut
from pipeline.video.cut_short import is_cut_short
from pipeline.video.letterbox import Box, picture_boxes
from pipeline.video.probe import Probe

SHORT = "short"
"""Why a shot of less than ``min_clip_s`` becomes no clip."""

_ROW: dict[str, type] = {
    s.VIDEO: bytes,
    **dict.fromkeys((s.START_PTS, s.END_PTS, s.TIME_BASE_NUM, s.TIME_BASE_DEN), int),
    **dict.fromkeys((s.N_FRAMES, s.WIDTH, s.HEIGHT, s.SHOT), int),
    **dict.fromkeys((s.START_S, s.END_S, s.FPS), float),
    **dict.fromkeys((s.TRANSITION_IN, s.TRANSITION_OUT), str),
}
"""Columns that every clip has, and the type of their values."""
_COLUMNS = {
    *(*_ROW, *s.SCORE_COLUMNS, *s.CROP_COLUMNS, *s.HASH_COLUMNS),
    *(s.AUDIO, s.COLOURS, s.ERROR),
}
"""Columns that a clip may have when it leaves the decoding child."""


@dataclass(frozen=True, kw_only=True)
class Dropped:
    """Footage that becomes no clip."""

    start_s: float
    """Where it starts in its source, seconds."""
    end_s: float
    """Where it ends, seconds."""
    reason: str
    """``short``: less than ``min_clip_s``. ``dissolve``, ``wipe`` or ``fade``: its frames show two shots at once."""

    def __post_init__(self) -> None:
        """Refuse what ``plan_clips`` never makes, as ``ClipRecord`` does."""
        _check_word(self.reason, "a dropped stretch")
        if not (math.isfinite(self.start_s) and math.isfinite(self.end_s)):
            raise ValueError("a dropped stretch without a time")


@dataclass(frozen=True, kw_only=True)
class Match:
    """What became of one clip that was given beforehand: an interval of the source, or the reason why there is none."""

    number: int
    """Which of the given clips, from 0; one that is split at its shots has several intervals."""
    start_pts: int = 0
    """Timestamp of its first frame, in the source's time base."""
    end_pts: int = 0
    """Timestamp at which its last frame stops being shown (exclusive)."""
    reason: str | None = None
    """``outside`` the file, or ``empty``: no frame begins in it; None when there is a clip."""

    def __post_init__(self) -> None:
        """Refuse a reason that is no word, as ``Dropped`` does."""
        if self.reason is not None:
            _check_word(self.reason, "a given clip")


def _check_word(reason: str, of: str) -> None:
    if not reason.isidentifier() or len(reason) > 40:
        raise ValueError(f"{of} whose reason is no word: {reason[:40]!r}")


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What a source will become."""

    probe: Probe
    """The stream that is cut."""
    duration_s: float
    """Length of what was decoded, in seconds, gaps left out."""
    n_frames: int
    """Frames that were decoded."""
    spans: tuple[Span, ...]
    """The clips to cut."""
    dropped: tuple[Dropped, ...] = ()
    """Footage that becomes no clip, in order."""
    partial: str | None = None
    """What is missing of a file that is cut short; None for a whole one."""
    matches: tuple[Match, ...] = ()
    """Where clips that were given beforehand (``source.given``) lie; empty where the file's shots decide."""


@dataclass(frozen=True, kw_only=True)
class ClipRecord:
    """One clip with everything known about it but CLIP scores."""

    row: dict[str, object]
    """Values of the ``clips`` and ``manifest`` columns, ``video`` among them."""
    samples: np.ndarray
    """Uniformly spaced frames, uint8 RGB (k, h, w, 3)."""
    extra: dict[str, float | None] = field(default_factory=dict)
    """Values of the scorers that the recipe names, as far as they run in the decoding child."""

    def __post_init__(self) -> None:
        """Refuse what ``clip_source`` never makes: a record comes from a process that a file may have taken over."""
        for name, kind in _ROW.items():
            if type(self.row.get(name)) is not kind:
                raise ValueError(f"a clip whose {name} is no {kind.__name__}")
        if strange := self.row.keys() - _COLUMNS:
            raise ValueError(f"a clip with columns of its own: {', '.join(sorted(strange))[:80]}")
        for name, value in self.row.items():
            values = value if name in s.LIST_COLUMNS and isinstance(value, list) else [value]
            if name != s.VIDEO and not all(isinstance(v, str | int | float | None) for v in values):
                raise ValueError(f"a clip whose {name} is no number or word")
        for name, value in self.extra.items():
            if name in _COLUMNS or not (value is None or type(value) in (int, float)):
                raise ValueError(f"a clip whose {name[:40]} is no number of a scorer's own")
        if self.samples.ndim != 4 or self.samples.dtype != np.uint8 or self.samples.shape[3] != 3:
            raise ValueError("a clip whose samples are no pictures")


PASSAGE_SCORERS: tuple[Scorer, ...] = (
    FunctionScorer(
        (s.MOTION_MEAN, s.MOTION_P95, s.STATIC_SHARE),
        "passage",
        lambda seen: motion_scores(seen.analysis, seen.first, seen.stop),
    ),
    FunctionScorer(
        (s.LUMA_MEAN, s.LUMA_STD),
        "passage",
        lambda seen: luma_scores(seen.analysis, seen.first, seen.stop),
    ),
    FunctionScorer(
        s.CAMERA_COLUMNS,
        "passage",
        lambda seen: camera_scores(seen.analysis, seen.first, seen.stop),
    ),
)
"""Scores of every clip, read off the low-resolution pass."""
SAMPLE_SCORERS: tuple[Scorer, ...] = (
    FunctionScorer((s.OVEREXPOSED, s.UNDEREXPOSED), "samples", exposure_scores),
    FunctionScorer((s.BLUR,), "samples", lambda frames: {s.BLUR: blur_score(frames)}),
    FunctionScorer((s.COLOURS,), "samples", lambda frames: {s.COLOURS: main_colours(frames)}),
    FunctionScorer(
        (s.WATERMARK,), "samples", lambda frames: {s.WATERMARK: watermark_score(frames)}
    ),
    FunctionScorer((s.ACTIVITY,), "samples", lambda frames: {s.ACTIVITY: activity(frames)}),
    FunctionScorer(
        s.HASH_COLUMNS,
        "samples",
        lambda frames: {s.PHASH: perceptual_hash(frames), s.LOOK: clip_look(frames)},
    ),
)
"""Scores of every clip that cost next to nothing beside decoding, so they are taken in the decoding child."""


def analysed(path: str, detector: str) -> Generator[float, None, Analysis]:
    """The analysis of a source; until it is there, yields how many seconds of the source are done."""
    analysis: Analysis | None = None
    for item in analyse(path, detector=detector):
        if isinstance(item, Analysis):
            analysis = item
        else:
            yield item
    assert analysis is not None
    return analysis


def clip_source(
    path: str,
    config: IngestConfig,
    samples: int,
    mend: Callable[[Plan, Analysis], Plan] | None = None,
) -> Iterator[Plan | ClipRecord | float]:
    """Yield the source's ``Plan``, then its ``ClipRecord``s in order; before and between, how many seconds are done.

    ``mend`` is given the plan that the shots come to, and returns the one that is cut.
    """
    analysis = yield from analysed(path, config.shot_detector)
    plan = plan_clips(analysis, config)
    if mend is not None:
        plan = mend(plan, analysis)
    plan = marked(plan, path)
    yield plan
    passing, paired = own_scorers(config)
    pieces = cut(
        path,
        plan.spans,
        analysis.pts,
        crf=config.crf,
        height=config.height,
        samples=samples,
        audio=config.audio,
        boxes=find_boxes(analysis, plan.spans),
        crop_bars=config.crop_bars,
        codec=config.codec,
        neighbours=bool(paired),
    )
    for clip in pieces:
        yield clip_record(clip, analysis, passing, paired) if isinstance(clip, Clip) else clip


def marked(plan: Plan, path: str) -> Plan:
    """The plan, with what is missing of a file that is cut short."""
    return replace(plan, partial=missing(plan)) if is_cut_short(path) else plan


def own_scorers(config: IngestConfig) -> tuple[list[Scorer], list[Scorer]]:
    """The recipe's own scorers of passages, and those of neighbouring frames."""
    return make_named(config.scorers, "passage"), make_named(config.scorers, "neighbours")


def clip_record(
    clip: Clip, analysis: Analysis, passing: Sequence[Scorer], paired: Sequence[Scorer]
) -> ClipRecord:
    """A clip with its scores; ``passing`` and ``paired`` are the recipe's scorers of passages and of neighbours."""
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
        s.SHOT: clip.span.shot,
        s.N_FRAMES: clip.n_frames,
        s.FPS: clip.fps,
        s.WIDTH: clip.width,
        s.HEIGHT: clip.height,
        s.AUDIO: clip.audio,
    }
    row |= box_columns(clip.picture)
    row[s.ERROR] = None
    passage = Passage(analysis=analysis, first=first, stop=stop)
    apply_scorers([*PASSAGE_SCORERS, *passing], passage, row)
    apply_scorers(SAMPLE_SCORERS, inside(clip, clip.samples), row)
    apply_scorers(paired, inside(clip, clip.neighbours), row)
    extra: dict[str, Any] = {
        name: row.pop(name) for scorer in (*passing, *paired) for name in scorer.columns
    }
    return ClipRecord(row=row, samples=clip.samples, extra=extra)


def find_boxes(analysis: Analysis, spans: Sequence[Span]) -> list[Box | None]:
    """The picture of every span between its bars, in pixels of the decoded frames."""
    ranges = [np.searchsorted(analysis.looks, frame_range(analysis, span)) for span in spans]
    bars = [analysis.bars[first:stop] for first, stop in ranges]
    return picture_boxes(bars, *analysis.size)


def box_columns(box: Box | None) -> dict[str, int | None]:
    """The columns that say where the picture lies."""
    values = (box.x, box.y, box.width, box.height) if box else (None,) * 4
    return dict(zip(s.CROP_COLUMNS, values, strict=True))


def inside(clip: Clip, frames: np.ndarray) -> np.ndarray:
    """Frames of the clip (..., h, w, 3) without the bars that they still have."""
    if clip.picture is None:
        return frames
    height, width = frames.shape[-3:-1]
    box = clip.picture.scaled((clip.width, clip.height), (width, height))
    return frames[..., box.y : box.y + box.height, box.x : box.x + box.width, :]


def frame_range(analysis: Analysis, span: Span) -> tuple[int, int]:
    """Frames [first, stop) whose timestamps lie in the span."""
    first, stop = np.searchsorted(analysis.pts, [span.start_pts, span.end_pts])
    return int(first), int(stop)


def plan_clips(analysis: Analysis, config: IngestConfig) -> Plan:
    """Which clips a file becomes: one per shot, long shots split evenly without losing a frame, short ones dropped.

    A frame that alone is shown for longer than a clip may last (a gap in a recording) ends its clip, after a usual
    frame's time.
    """
    n = len(analysis.pts)
    transitions = analysis.transitions()
    shots = shots_between(transitions, n)
    spans: list[Span] = []
    base = float(analysis.probe.time_base)
    edges = np.append(analysis.pts, analysis.end_pts)
    shown, times_s = np.diff(edges), edges * base
    shown[shown * base > config.max_clip_s] = max(1, int(np.median(shown)))
    dropped = [
        Dropped(start_s=float(times_s[t.first]), end_s=float(times_s[t.stop]), reason=t.kind)
        for t in transitions
        if t.stop > t.first
    ]
    for number, shot in enumerate(shots):
        for piece in split_shot(shot, times_s, config.max_clip_s):
            start = int(edges[piece.first])
            end = int(edges[piece.stop - 1] + shown[piece.stop - 1])
            if (end - start) * base < config.min_clip_s:
                dropped.append(Dropped(start_s=start * base, end_s=end * base, reason=SHORT))
                continue
            spans.append(
                Span(
                    start_pts=start,
                    end_pts=end,
                    transition_in=piece.transition_in,
                    transition_out=piece.transition_out,
                    shot=number,
                )
            )
    return Plan(
        probe=analysis.probe,
        duration_s=int(shown.sum()) * base,
        n_frames=n,
        spans=tuple(spans),
        dropped=tuple(sorted(dropped, key=lambda each: each.start_s)),
    )


def missing(plan: Plan) -> str:
    """How much of a file that is cut short could be decoded."""
    whole = plan.probe.duration_s
    of = f" of {whole:.1f}" if whole else ""
    return f"the file is cut short: {plan.duration_s:.1f}{of} s could be decoded and were kept"


def split_shot(shot: Shot, edges_s: np.ndarray, max_clip_s: float) -> list[Shot]:
    """Cut a shot into the fewest pieces of nearly equal length, at most ``max_clip_s``, without losing a frame.

    A frame that alone is shown for longer ends its piece. ``edges_s``: start of every frame in seconds, and the end of
    the last.
    """
    shown = np.diff(edges_s[shot.first : shot.stop + 1])
    gaps = shown > max_clip_s
    elapsed = np.append(0, np.cumsum(np.where(gaps, 0, shown)))
    runs = np.unique([0, *(np.flatnonzero(gaps) + 1).tolist(), len(shown)]).tolist()
    marks: list[int] = []
    for first, stop in zip(runs, runs[1:], strict=False):
        marks += split_run(elapsed[first : stop + 1], max_clip_s, first)
    at = shot.first + np.array([*marks, len(shown)])
    return [
        Shot(
            first=int(first),
            stop=int(stop),
            transition_in=shot.transition_in if first == shot.first else "split",
            transition_out=shot.transition_out if stop == shot.stop else "split",
        )
        for first, stop in zip(at[:-1], at[1:], strict=True)
    ]


def split_run(edges_s: np.ndarray, max_clip_s: float, first: int) -> list[int]:
    """First frame of every piece of a run of frames, counted from ``first``; ``edges_s`` as in ``split_shot``."""
    start, end = edges_s[0], edges_s[-1]
    count = max(1, math.ceil((end - start) / max_clip_s - 1e-6))
    while True:
        even = np.linspace(start, end, count + 1)[:-1]
        at = np.unique(np.searchsorted(edges_s[:-1], even - 1e-9))
        lengths = np.diff(np.append(edges_s[at], end))
        if lengths.max() <= max_clip_s + 1e-6 or len(at) == len(edges_s) - 1:
            return (at + first).tolist()
        count += max(1, count // 8)  # long frames do not fit even pieces
