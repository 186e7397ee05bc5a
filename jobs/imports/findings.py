"""What is wrong with a dataset of clips, clip by clip, and what would mend it."""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from jobs.core.run import RunFolder
from jobs.imports.results import TABLE
from pipeline import schema as s
from pipeline.bounds import Bounded, Count, NonNegative, Whole
from pipeline.store.paths import parquet_input

FIXES = {
    "unreadable": "fetch the file again, or remove it: a trainer stops at it or skips it in silence",
    "row": "mend the row of the table",
    "duplicate": "keep one of them: what is shown twice is learned by heart first",
    "near_duplicate": "keep the better of the two (filmstock select does)",
    "no_caption": "write a caption: filmstock import, then filmstock caption",
    "caption_empty": "write a caption: filmstock import, then filmstock caption",
    "caption_looped": "write the caption anew: it repeats itself",
    "caption_refused": "write the caption anew: it is a refusal",
    "caption_malformed": "clean the caption of markup, roles or JSON",
    "caption_boilerplate": "leave out what is said about the video instead of what is seen",
    "caption_off_language": "write the caption in the language of the others",
    "caption_long": "shorten the caption: a text encoder of 512 tokens does not read its end",
    "short": "leave the clip out, or ask the trainer for fewer frames",
    "small": "leave the clip out, or train at its size: enlarging adds nothing",
    "several_shots": "split it at its cuts: filmstock import --split-shots",
    "bars": "cut the bars away",
    "static": "leave the clip out: nothing moves, and the model learns stills",
    "dark": "leave the clip out: it is black",
    "flat": "leave the clip out: it is of one colour",
    "shaking": "leave the clip out, or stabilise it",
    "text": "leave the clip out, or say in the caption what is written",
    "blurred": "leave the clip out: it is far less sharp than the others",
    "frame_rate": "bring the clips to one rate, by their times: a trainer that ignores it speeds motion up",
}
"""Problem -> what would mend it."""
BARS = 0.02
"""Share of a side that bars take at least to be named."""
BLURRED = 0.2
"""Sharpness below this share of the dataset's median is named."""
LEAST_CLIPS = 8
"""Clips that a dataset must have for one to be compared with the others."""


@dataclass(frozen=True, kw_only=True)
class Limits(Bounded):
    """From where on a clip is named."""

    min_seconds: NonNegative = 1.0
    """Clips shorter than this are named, seconds."""
    min_side: Whole = 240
    """Clips whose shorter side has fewer pixels are named."""
    max_words: Count = 380
    """Captions with more words are named; 380 words are about 512 tokens of T5."""


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One thing that is wrong with one clip, or with one row."""

    name: str
    """What the dataset calls the clip."""
    problem: str
    """A key of ``FIXES``."""
    value: str
    """What was found, in a few words."""
    clip: str | None = None
    """Our id of the clip."""

    @property
    def fix(self) -> str:
        """What would mend it."""
        return FIXES[self.problem]


def find_faults(folder: RunFolder, limits: Limits, language: str) -> list[Finding]:
    """Every finding of a dataset that was measured in ``folder``, in the order of its rows."""
    import pyarrow.parquet as pq

    from pipeline.shards.read import open_table

    rows = pq.read_table(parquet_input(folder / TABLE)).to_pylist()
    clips = {}
    if any(row[s.CLIP_ID] for row in rows):
        clips = {row[s.CLIP_ID]: row for row in open_table(folder.manifest).to_pylist()}
    captions: dict[str, list[dict[str, Any]]] = {}
    if folder.has_captions():
        for row in open_table(folder.captions).to_pylist():
            captions.setdefault(row[s.CLIP_ID], []).append(row)
    twins = near_duplicates(folder)
    names = {row[s.CLIP_ID]: row[s.GIVEN_ID] for row in reversed(rows)}
    usual = Usual.of(list(clips.values()))
    found: list[Finding] = []
    for row in rows:
        clip = clips.get(row[s.CLIP_ID])
        if clip is None or row[s.OUTCOME] != s.ImportOutcome.IMPORTED:
            found.append(of_row(row))
            continue
        told = [
            *of_captions(captions.get(row[s.CLIP_ID], []), limits, language),
            *of_clip(clip, limits, usual),
        ]
        if twin := twins.get(row[s.CLIP_ID]):
            told.append(("near_duplicate", f"looks like {names.get(twin, twin)}"))
        name = row[s.GIVEN_ID]
        found += [Finding(name=name, problem=p, value=v, clip=row[s.CLIP_ID]) for p, v in told]
    return found


def of_row(row: Mapping[str, Any]) -> Finding:
    """What is wrong with a row that became no clip."""
    problem = "row"
    if row[s.OUTCOME] == s.ImportOutcome.QUARANTINED:
        problem = "unreadable"
    elif row[s.ERROR_TYPE] in ("duplicate", "repeated"):
        problem = "duplicate"
    value = f"{row[s.ERROR_TYPE]}: {row[s.ERROR_MESSAGE]}"
    return Finding(name=row[s.GIVEN_ID], problem=problem, value=value, clip=row[s.CLIP_ID])


def of_captions(
    rows: list[dict[str, Any]], limits: Limits, language: str
) -> Iterator[tuple[str, str]]:
    """(problem, value) of the captions of a clip."""
    from captioner.check.derive import judge_kind

    if not rows:
        yield "no_caption", "there is none"
    for row in rows:
        text = row[s.TEXT] or ""
        outcome = row[s.OUTCOME]
        if outcome == s.CaptionOutcome.OK and row[s.KIND] != "structured":
            outcome = judge_kind(row[s.KIND], text, language=language)[1].outcome
        if outcome != s.CaptionOutcome.OK and f"caption_{outcome}" in FIXES:
            yield f"caption_{outcome}", text[:80]
        if (words := len(text.split())) > limits.max_words:
            yield "caption_long", f"{words} words"


@dataclass(frozen=True)
class Usual:
    """What most clips of a dataset are like; None where there are too few."""

    blur: float | None
    fps: float | None

    @classmethod
    def of(cls, clips: list[dict[str, Any]]) -> Usual:
        """Medians of the clips."""
        sharp = [clip[s.BLUR] for clip in clips if clip[s.BLUR] is not None]
        enough = len(clips) >= LEAST_CLIPS
        rates = [round(clip[s.FPS], 2) for clip in clips]
        return cls(
            statistics.median(sharp) if enough and sharp else None,
            statistics.mode(rates) if enough else None,
        )


def of_clip(clip: Mapping[str, Any], limits: Limits, usual: Usual) -> Iterator[tuple[str, str]]:
    """(problem, value) of what was measured of a clip."""
    seconds = clip[s.END_S] - clip[s.START_S]
    width, height = clip[s.WIDTH], clip[s.HEIGHT]
    if seconds < limits.min_seconds - 1e-6:
        yield "short", f"{seconds:.2f} s, {clip[s.N_FRAMES]} frames"
    if min(width, height) < limits.min_side:
        yield "small", f"{width}x{height}"
    if (shots := clip.get(s.SHOTS_INSIDE)) and shots > 1:
        yield "several_shots", f"{shots:.0f} shots"
    x, y, w, h = (clip[name] for name in s.CROP_COLUMNS)
    if w and h and (w < (1 - BARS) * width or h < (1 - BARS) * height):
        yield "bars", f"picture {w}x{h} at {x},{y} of {width}x{height}"
    bounds = (
        ("static", s.MOTION_MEAN, lambda v: v <= 0.0005),
        ("dark", s.LUMA_MEAN, lambda v: v <= 0.02),
        ("flat", s.LUMA_STD, lambda v: v <= 0.02),
        ("shaking", s.JITTER, lambda v: v >= 0.1),
        ("text", s.TEXT_AREA, lambda v: v >= 0.3),
        ("blurred", s.BLUR, lambda v: usual.blur is not None and v < BLURRED * usual.blur),
        ("frame_rate", s.FPS, lambda v: usual.fps is not None and abs(v - usual.fps) > 0.5),
    )
    for problem, column, is_bad in bounds:
        value = clip[column]
        if value is not None and is_bad(value):
            yield problem, f"{column} {value:.4g}"


def near_duplicates(folder: RunFolder) -> dict[str, str]:
    """Clip -> the clip that it looks like, of those that select told apart from it."""
    import pyarrow.parquet as pq

    if not folder.selection.exists():
        return {}
    table = pq.read_table(parquet_input(folder.selection), columns=[s.CLIP_ID, s.DUPLICATE_OF])
    return {row[s.CLIP_ID]: row[s.DUPLICATE_OF] for row in table.to_pylist() if row[s.DUPLICATE_OF]}
