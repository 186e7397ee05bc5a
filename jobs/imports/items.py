"""One clip of somebody's dataset, whatever its format, and what the columns of tables are called."""

from __future__ import annotations

import ast
import json
import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from jobs.core.errors import UserError
from pipeline import schema as s
from pipeline.source.given import GivenSpan
from pipeline.store.paths import Location

ROLES: dict[str, tuple[str, ...]] = {
    "path": (
        *("path", "video", "video_path", "file_name", "filename", "file_path", "media_path"),
        *("vision_path", "clip_path", "clip_location", "filepath", "mp4", "mov", "file"),
    ),
    "id": ("id", s.CLIP_ID, "video_id", "videoid", "uuid", "key", "video_name", "name"),
    "start": ("start", "start_s", "start_time", "start_sec", "start_seconds", "begin", "t_start"),
    "end": ("end", "end_s", "end_time", "end_sec", "end_seconds", "stop", "t_end"),
    "start_frame": ("start_frame", "frame_start", "first_frame"),
    "end_frame": ("end_frame", "frame_end", "stop_frame"),
    "times": ("timestamp", "timestamps", "duration_span"),
    "original": ("caption", "text", "prompt", "cap", "original_caption", "caption_original"),
    "dense": ("dense_caption", "caption_dense", "long_caption", "detailed_caption", "dense"),
    "short": ("short_caption", "caption_short", "brief_caption", "short"),
    "structured": ("structured_caption", "caption_structured", "caption_json", "structured"),
}
"""What a column is for -> names by which tables have it, compared without case; the first that there is counts."""
KINDS = tuple(kind for kind in s.CAPTION_KINDS if kind != s.FACTS)
"""Roles that are captions; the kind ``original`` is for what a table calls a caption and no more."""
ROLES |= {kind: (s.caption_column(kind),) for kind in KINDS if kind not in ROLES}
SCORE = "score"
"""Role of a column of numbers; without any that is named, every column of numbers that has no role is one."""
NOT_SCORES = frozenset(
    ("width", "height", "fps", "num_frames", "n_frames", "duration", "duration_s", "frames")
    + ("resolution", "aspect_ratio", "index", "__index_level_0__", s.START_PTS, s.END_PTS, "crc")
)
"""Columns of numbers that are no scores: what they say is measured."""
LONGEST_CAPTION = 20_000
"""Characters of a caption that are taken at most."""


@dataclass(frozen=True, kw_only=True)
class Item:
    """One clip of a dataset, or a row that names none."""

    name: str
    """What the dataset calls it: an id, or a path below it."""
    uri: str = ""
    """Its video: a path or a URI; empty with a problem."""
    span: GivenSpan = GivenSpan()
    """Which part of the video it is."""
    captions: Mapping[str, str] = field(default_factory=dict)
    """Kind of caption -> text."""
    scores: Mapping[str, float] = field(default_factory=dict)
    """Name of a score -> value."""
    problem: tuple[str, str] | None = None
    """Type and message of what is wrong with its row."""


@dataclass(frozen=True, kw_only=True)
class ReadOptions:
    """How a dataset is to be read."""

    videos: Location | None = None
    """Folder that holds the videos a table names; None is the table's own."""
    columns: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Role -> columns that the user named for it."""


def parse_columns(texts: tuple[str, ...]) -> dict[str, tuple[str, ...]]:
    """``("start=t0", "score=aes")`` as role -> columns; UserError for what is no role."""
    known = (*ROLES, SCORE)
    found: dict[str, tuple[str, ...]] = {}
    for text in texts:
        role, sign, column = text.partition("=")
        if not sign or not column or role not in known:
            raise UserError(
                f"--column {text!r}: write ROLE=COLUMN with one of {', '.join(known)} as ROLE"
            )
        if role in found and role != SCORE:
            raise UserError(
                f"--column {text!r}: {role} is {found[role][0]} already; give one of them"
            )
        found[role] = (*found.get(role, ()), column)
    return found


def roles_of(
    names: list[str], options: ReadOptions, where: str
) -> tuple[dict[str, str], tuple[str, ...]]:
    """Role -> column of a table, and the columns that are named as scores; UserError for a column that is not there."""
    folded = {name.casefold(): name for name in reversed(names)}
    roles: dict[str, str] = {}
    for role, usual in ROLES.items():
        asked = options.columns.get(role)
        if asked and asked[0] not in names:
            raise UserError(f"{where} has no column {asked[0]!r}; give one of {', '.join(names)}")
        found = asked[0] if asked else next((folded[n] for n in usual if n in folded), None)
        if found is not None and (asked or found not in roles.values()):
            roles[role] = found
    for name in options.columns.get(SCORE, ()):
        if name not in names:
            raise UserError(f"{where} has no column {name!r}; it has {', '.join(names)}")
    return roles, options.columns.get(SCORE, ())


def captions_of(row: Mapping[str, Any], roles: Mapping[str, str]) -> dict[str, str]:
    """Kind -> text of the captions of a row; of a list the first that says something."""
    found: dict[str, str] = {}
    for kind in KINDS:
        if kind in roles and (text := caption_text(row.get(roles[kind]))):
            found[kind] = text
    return found


def caption_text(value: Any) -> str:
    """A caption as one text: of a list the first that says something, of an object its JSON; empty for none."""
    if isinstance(value, list | tuple):
        return next((text for each in value if (text := caption_text(each))), "")
    if isinstance(value, dict):
        return json.dumps(value, ensure_ascii=False) if value else ""
    return value.replace("\0", " ").strip()[:LONGEST_CAPTION] if isinstance(value, str) else ""


def scores_of(
    row: Mapping[str, Any], roles: Mapping[str, str], named: tuple[str, ...]
) -> dict[str, float]:
    """Name -> value of the scores of a row; what is no finite number is left out."""
    taken = set(roles.values())
    names = named or [n for n in row if n not in taken and n.casefold() not in NOT_SCORES]
    found: dict[str, float] = {}
    for name in names:
        value = row.get(name)
        if isinstance(value, str):
            try:
                value = float(value)
            except ValueError:
                continue
        if isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value):
            found[score_name(name)] = float(value)
    return found


def score_name(name: str) -> str:
    """A name for a column, of whatever a table calls it."""
    return re.sub(r"\W+", "_", name.casefold()).strip("_") or "score"


def spans_of(row: Mapping[str, Any], roles: Mapping[str, str]) -> Iterator[GivenSpan]:
    """The intervals of a row: seconds, frames, or pairs of times; ValueError for what is none."""
    if "times" in roles and (pairs := time_pairs(row.get(roles["times"]))):
        for start, end in pairs:
            yield checked(GivenSpan(start=seconds(start), end=seconds(end)))
        return
    frames = [row.get(roles[role]) if role in roles else None for role in _FRAMES]
    if any(filled(value) for value in frames):
        first, stop = (float(str(value)) if filled(value) else None for value in frames)
        yield checked(GivenSpan(start=first, end=stop, unit="frame"))
        return
    times = [row.get(roles[role]) if role in roles else None for role in ("start", "end")]
    start, end = (seconds(value) if filled(value) else None for value in times)
    yield checked(GivenSpan(start=start, end=end))


_FRAMES = ("start_frame", "end_frame")


def filled(value: Any) -> bool:
    """Whether a cell says anything."""
    return (
        value is not None and value != "" and not (isinstance(value, float) and math.isnan(value))
    )


def checked(span: GivenSpan) -> GivenSpan:
    """The span; ValueError when it ends before it starts."""
    start, end = span.start or 0.0, math.inf if span.end is None else span.end
    if not (0 <= start < end):
        raise ValueError(f"it goes from {span.start} to {span.end}")
    return span


def seconds(value: Any) -> float:
    """A time in seconds: a number, ``12.5``, ``01:02.5`` or ``00:01:02.500``; ValueError for anything else."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        return float(value)
    parts = re.fullmatch(r"\s*(?:(?:(\d+):)?(\d{1,2}):)?(\d+(?:[.,]\d+)?)\s*s?\s*", str(value))
    if parts is None:
        raise ValueError(f"{str(value)[:40]!r} is no time")
    hours, minutes, rest = parts.groups()
    return int(hours or 0) * 3600 + int(minutes or 0) * 60 + float(rest.replace(",", "."))


def time_pairs(value: Any) -> list[tuple[Any, Any]]:
    """Pairs of times: a pair, a list of pairs, or either as text; none of what is a single time."""
    if isinstance(value, str) and value.lstrip()[:1] in ("[", "("):
        try:
            value = ast.literal_eval(value)
        except (ValueError, SyntaxError, RecursionError, MemoryError):
            raise ValueError(f"{value[:40]!r} is no pair of times") from None
    if not isinstance(value, list | tuple) or not value:
        return []
    if all(isinstance(pair, list | tuple) and len(pair) == 2 for pair in value):
        return [(pair[0], pair[1]) for pair in value]
    return [(value[0], value[1])] if len(value) == 2 else []
