"""One clip as the page shows it: scores, captions with their assertions, duplicates, its source with the cuts."""

from __future__ import annotations

import hashlib
from contextlib import suppress
from typing import Any

import numpy as np

from jobs.edits.journal import Edit
from jobs.edits.replay import ByHand, Replayed
from jobs.search.dataset import DECISIONS, Dataset
from jobs.view.database import HIDDEN, Database
from pipeline import schema as s

MOST_LIKE = 24
"""Duplicates shown of one clip."""
MOST_CUTS = 2000
"""Clips shown on one timeline."""


def cell(data: Dataset, row: int, decided: int, hand: ByHand | None) -> dict[str, Any]:
    """What the grid shows of a clip."""
    held = data.held_row(row)
    return cells(data, [held], [decided], {held[s.CLIP_ID]: hand} if hand else {})[0]


def cells(
    data: Dataset, rows: list[dict[str, Any]], decided: list[int], hands: dict[str, ByHand]
) -> list[dict[str, Any]]:
    """What the grid shows of several clips; ``hands`` holds what people decided, by clip id."""
    found = []
    for held, code in zip(rows, decided, strict=True):
        clip = held[s.CLIP_ID]
        hand = hands.get(clip)
        one = {
            "id": clip,
            "w": held[s.WIDTH],
            "h": held[s.HEIGHT],
            "n": held[s.N_FRAMES],
            "fps": held[s.FPS],
            "s": round((held.get(s.END_S) or 0) - (held.get(s.START_S) or 0), 3),
            "d": DECISIONS[code],
        }
        if hand and hand.edits:
            one["hand"] = hand.decision or "edited"
            if hand.tags:
                one["tags"] = hand.tags
        found.append(one)
    return found


def detail(data: Dataset, db: Database, clip: str, edits: Replayed) -> dict[str, Any]:
    """Everything about a clip."""
    row = data.row_of(clip)
    held = data.held_row(row)
    values = db.row(row)
    selection = data.selection
    hand = edits.clips.get(clip, ByHand())
    duplicate_of = selection["of"][row].as_py()
    return {
        **cell(data, row, int(selection["decided"][row]), hand if hand.edits else None),
        "row": row,
        "source": {"id": held[s.SOURCE_ID], "uri": values.get(s.SOURCE_URI)},
        "start_s": held[s.START_S],
        "end_s": held[s.END_S],
        "shard": f"{held[s.SHARD]} at {held[s.BYTE_OFFSET]:,}, {held[s.BYTE_LENGTH]:,} bytes",
        "scores": scores(values),
        "reasons": data.reasons(row),
        "captions": captions(data, db, clip, values, hand),
        "alike": alike(data, clip, duplicate_of, edits),
        "by_hand": hand.plain(),
        "history": [history(edit, edits) for edit in hand.edits],
    }


def scores(values: dict[str, Any]) -> list[list[Any]]:
    """(name, value) of what was measured, scores first."""
    skip = {
        *HIDDEN,
        s.CLIP_ID,
        s.SOURCE_ID,
        s.SOURCE_URI,
        s.SHARD,
        s.BYTE_OFFSET,
        s.BYTE_LENGTH,
        s.VIDEO_XXH3,
        "rn",
    }
    skip |= {s.caption_column(kind) for kind in s.CAPTION_KINDS} | {s.PHASH}
    first = [name for name in s.SCORE_COLUMNS if name in values]
    rest = [name for name in values if name not in {*first, *skip}]
    return [[name, plain(values[name])] for name in (*first, *rest) if values[name] is not None]


def plain(value: Any) -> Any:
    """A value as JSON has it."""
    if isinstance(value, float):
        return value if np.isfinite(value) else None
    return [plain(each) for each in value] if isinstance(value, list) else value


def captions(
    data: Dataset, db: Database, clip: str, values: dict[str, Any], hand: ByHand
) -> list[dict[str, Any]]:
    """Every caption of a clip in the order of the kinds, with its checks and what people made of it."""
    found: dict[str, dict[str, Any]] = {}
    if "captions" in data.tables:
        for row in db.fetch(f"select * from captions where {s.CLIP_ID} = ?", [clip]):
            found[row[s.KIND]] = {
                "text": row.get(s.TEXT),
                "outcome": row.get(s.OUTCOME),
                "model": row.get(s.MODEL),
                "checks": row.get(s.CHECKS) or [],
                "repairs": row.get(s.REPAIRS) or [],
                "hints": row.get(s.HINTS) or [],
                "raw": row.get(s.RAW_TEXT),
                "message": row.get(s.ERROR_MESSAGE),
            }
    else:
        for kind in s.CAPTION_KINDS:
            if text := values.get(s.caption_column(kind)):
                found[kind] = {"text": text, "outcome": str(s.CaptionOutcome.OK), "checks": []}
    for kind, text in hand.captions.items():
        found.setdefault(kind, {"text": None, "outcome": None, "checks": []})["by_hand"] = text
    if "truth" in data.tables:
        for row in db.fetch(f"select * from truth where {s.CLIP_ID} = ?", [clip]):
            caption = found.get(row[s.KIND], {})
            packed = caption.get("by_hand") or caption.get("text") or ""
            if row[s.TEXT_HASH] == text_hash(packed):
                caption["truth"] = {
                    "min": plain(row[s.TRUTH_MIN]),
                    "mean": plain(row[s.TRUTH_MEAN]),
                    "worst": row[s.WORST_ASSERTION],
                    "checks": row[s.CHECKS] or [],
                }
    return [{"kind": kind, **found[kind]} for kind in s.CAPTION_KINDS if kind in found]


def text_hash(text: str) -> str:
    """The hash under which ``truth/`` keeps what a text was found to say."""
    return hashlib.blake2b(text.encode(), digest_size=8).hexdigest()


def alike(
    data: Dataset, clip: str, duplicate_of: str | None, edits: Replayed
) -> list[dict[str, Any]]:
    """The clip that was kept, and those that were rejected as its duplicates; empty where there are none."""
    import pyarrow.compute as pc

    keeper = duplicate_of or clip
    hit = pc.equal(data.selection["of"], keeper).fill_null(False).to_numpy(zero_copy_only=False)
    rows = [int(row) for row in np.flatnonzero(hit)[:MOST_LIKE]]
    if not rows:
        return []
    with suppress(KeyError):  # it is in an earlier dataset
        rows.insert(0, data.row_of(keeper))
    decided = data.selection["decided"]
    return [
        {
            **cell(data, row, int(decided[row]), edits.clips.get(data.held_row(row)[s.CLIP_ID])),
            "keeper": not i,
        }
        for i, row in enumerate(rows)
    ]


def timeline(data: Dataset, db: Database, source: str, edits: Replayed) -> dict[str, Any]:
    """A source: its clips and what was dropped between them, in order of time."""
    import pyarrow as pa
    import pyarrow.compute as pc

    column = data.held[s.SOURCE_ID].combine_chunks()
    code = pc.index(column.dictionary, source).as_py()
    if code < 0:
        raise KeyError(source)
    rows = np.flatnonzero(column.indices.to_numpy() == code)[:MOST_CUTS]
    held = data.held.take(pa.array(rows)).to_pylist()
    decided = data.selection["decided"][rows].tolist()
    found = cells(data, held, decided, dict(edits.clips))
    more: dict[str, dict[str, Any]] = {}
    names = [
        c
        for c in (s.TRANSITION_IN, s.TRANSITION_OUT, s.START_PTS, s.END_PTS, s.SHOT)
        if c in data.columns
    ]
    if names:
        text = ", ".join(f'"{name}"' for name in names)
        more = {
            row[s.CLIP_ID]: {name: row[name] for name in names}
            for row in db.fetch(
                f"select {s.CLIP_ID}, {text} from base where {s.SOURCE_ID} = ?", [source]
            )
        }
    clips = [
        {**one, "start": row[s.START_S], "end": row[s.END_S], "cut": more.get(row[s.CLIP_ID], {})}
        for one, row in zip(found, held, strict=True)
    ]
    dropped: list[dict[str, Any]] = []
    if "dropped" in data.tables:
        sql = f"select {s.START_S} as start, {s.END_S} as end_, {s.REASON} as why from dropped where {s.SOURCE_ID} = ?"
        dropped = db.fetch(sql + " order by 1 limit 2000", [source])
    about: dict[str, Any] = {}
    if "sources" in data.tables:
        rows_of = db.fetch(f"select * from sources where {s.SOURCE_ID} = ? limit 1", [source])
        about = {name: plain(value) for name, value in (rows_of[0] if rows_of else {}).items()}
    clips.sort(key=lambda each: each["start"] or 0)
    ends = [each["end"] or 0 for each in clips] + [each["end_"] or 0 for each in dropped]
    return {
        "id": source,
        "about": about,
        "clips": clips,
        "dropped": dropped,
        "length": max(ends, default=0),
    }


def history(edit: Edit, edits: Replayed) -> dict[str, Any]:
    """An edit of the journal as one line of the page."""
    return {
        "id": edit.id,
        "when": edit.when,
        "who": edit.who,
        "action": str(edit.action),
        "value": dict(edit.value),
        "why": edit.why,
        "clip": edit.clip_id,
        "undone": edit.id in edits.undone,
    }
