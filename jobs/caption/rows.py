"""The rows of ``captions/`` and the part files that hold them.

Each block of clips becomes one part, named by what it answers and written atomically; until then its rows are in the
block's journal. In the end there is one row per clip and kind, in few parts.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, TypeVar

from jobs.caption.journal import left_over, read_journal
from pipeline import schema as s
from pipeline.store.parquet import write_table
from pipeline.store.paths import Location, each, matching, parquet_input
from pipeline.tables import captions_schema

if TYPE_CHECKING:
    import pyarrow as pa

    from captioner.check.outcome import CheckedReply
    from captioner.config import CaptionConfig
    from captioner.facts import Clause

T = TypeVar("T")
Key = tuple[str, str]
"""(clip_id, kind)"""
Made = tuple[str, str, str, str, int]
"""What a caption was made with: model, prompt hash, key of its frames, sampling hash, seed."""

FRAMES_KEY_DIGITS = 16
"""Leading digits of ``frames_hash`` that are known without decoding."""
RANKS = {str(s.CaptionOutcome.ERROR): 0, str(s.CaptionOutcome.OUT_OF_DOMAIN): 1}
"""Which of two rows of a clip and kind is kept: the higher; any other outcome is 2."""
PART_ROWS = 20_000
"""Rows of a finished part."""
KINDS = "kinds"
"""Column of a work row: the kinds that are still to be captioned, joined by commas."""
HINTED = "hinted"
"""Column of a work row: what the model is told of it, as the JSON of rows of column ``facts``."""


def work_clips(kept: pa.Table, config: CaptionConfig) -> list[dict[str, Any]]:
    """What workers need of each kept clip: where its bytes lie, its shape, and what the model is told of it."""
    from captioner.facts import facts

    rows = kept.select(list(s.READ_COLUMNS)).to_pylist()
    if config.hints:
        for row, measured in zip(rows, measured_rows(kept), strict=True):
            told = [clause for clause in facts(measured) if clause.topic in config.hints]
            row[HINTED] = json.dumps(clause_rows(told))
    return rows


def measured_rows(kept: pa.Table) -> list[dict[str, Any]]:
    """What was measured of each kept clip, as far as its manifest holds it."""
    names = [s.CLIP_ID, *s.MEASURED_COLUMNS]
    return kept.select([name for name in names if name in kept.column_names]).to_pylist()


def clause_rows(clauses: Iterable[Clause]) -> list[dict[str, Any]]:
    """Clauses as they are stored in column ``facts``."""
    return [{s.FACT_CLAUSE: one.text, s.FACT_COLUMNS: list(one.columns)} for one in clauses]


def hinted(clip: dict[str, Any]) -> list[dict[str, Any]]:
    """What the model is told of a work row's clip."""
    told: list[dict[str, Any]] = json.loads(clip.get(HINTED) or "[]")
    return told


def made_with(config: CaptionConfig, model: str, clip: dict[str, Any]) -> dict[str, Made]:
    """Per kind, what a caption of this clip is made with under this config."""
    from captioner.ask.frames import frames_key
    from captioner.ask.prompts import prompt_hash, prompt_set, sampling_hash

    hints = [told[s.FACT_CLAUSE] for told in hinted(clip)]
    frames = frames_key(clip[s.VIDEO_XXH3], config.frames, config.frame_side, config.shown_as)
    # not every prompt names the language, and every reply is judged by it
    judged = {} if config.language == "en" else {"language": config.language}
    sampling = sampling_hash(
        max_new_tokens=config.max_new_tokens, temperature=config.temperature, **judged
    )
    prompts = prompt_set(config.model, config.prompts, config.language)
    return {
        kind: (model, prompt_hash(prompts[kind], hints), frames, sampling, config.seed)
        for kind in config.asked
    }


def caption_row(
    key: Key, checked: CheckedReply, made: Made, told: list[dict[str, Any]]
) -> dict[str, Any]:
    """A row of ``captions/``; ``told`` is what the model was told of the clip."""
    row = unasked_row(key, made, checked.text, checked.outcome, checked.checks, told)
    return row | {
        s.RAW_TEXT: checked.raw_text,
        s.REPAIRS: list(checked.repairs),
        s.HINTS: [each[s.FACT_CLAUSE] for each in told],
        s.ERROR_MESSAGE: checked.error,
        s.FRAMES_HASH: row[s.FRAMES_HASH] + checked.frames_hash[:16],
    }


def unasked_row(
    key: Key,
    made: Made,
    text: str | None,
    outcome: s.CaptionOutcome,
    checks: Iterable[str],
    facts: Iterable[dict[str, Any]] = (),
) -> dict[str, Any]:
    """A row of ``captions/`` as it is when nothing was asked of a model, shown to it or repaired."""
    model, prompt, frames, sampling, seed = made
    return {
        s.CLIP_ID: key[0],
        s.KIND: key[1],
        s.TEXT: text,
        s.RAW_TEXT: None,
        s.OUTCOME: str(outcome),
        s.CHECKS: list(checks),
        s.REPAIRS: [],
        s.HINTS: [],
        s.FACTS: list(facts),
        s.ERROR_MESSAGE: None,
        s.MODEL: model,
        s.PROMPT_HASH: prompt,
        s.FRAMES_HASH: frames,
        s.SAMPLING_HASH: sampling,
        s.SEED: seed,
    }


def row_made(row: dict[str, Any]) -> Made:
    """What a stored row was made with."""
    frames = (row[s.FRAMES_HASH] or "")[:FRAMES_KEY_DIGITS]
    return row[s.MODEL], row[s.PROMPT_HASH], frames, row[s.SAMPLING_HASH], row[s.SEED]


def write_part(folder: Location, rows: list[dict[str, Any]]) -> Location:
    """Write rows as one part, atomically; the name is a hash of what they answer and say."""
    import pyarrow as pa

    rows = sorted(rows, key=lambda row: (row[s.CLIP_ID], row[s.KIND]))
    digest = hashlib.blake2b(digest_size=8)
    for row in rows:
        digest.update(repr((row[s.CLIP_ID], row[s.KIND], row_made(row), row[s.TEXT])).encode())
    path = folder / f"part-{digest.hexdigest()}.parquet"
    write_table(path, pa.Table.from_pylist(rows, schema=captions_schema()))
    return path


def write_missing(
    folder: Location,
    found: Mapping[Key, T],
    done: set[Key],
    row_of: Callable[[Key, T], dict[str, Any]],
) -> None:
    """Store as one part the captions that are not stored yet."""
    rows = [row_of(key, each) for key, each in found.items() if key not in done]
    if rows:
        write_part(folder, rows)


def recover(folder: Location) -> int:
    """Turn the journals of a killed run into parts; returns their rows."""
    total = 0
    for path in left_over(folder):
        if rows := list(read_journal(path)):
            write_part(folder, rows)
        path.unlink()
        total += len(rows)
    return total


def stored(folder: Location) -> Iterator[tuple[Location, int, dict[str, Any]]]:
    """(part, row number, row without its text) of every stored caption."""
    import pyarrow.parquet as pq

    heavy = (s.TEXT, s.RAW_TEXT, s.CHECKS, s.HINTS, s.FACTS)
    columns = [name for name in captions_schema().names if name not in heavy]

    def read(path: Location) -> list[dict[str, Any]]:
        rows: list[dict[str, Any]] = pq.read_table(
            parquet_input(path), columns=columns, partitioning=None
        ).to_pylist()
        return rows

    paths = matching(folder)
    for path, rows in zip(paths, each(read, paths), strict=True):
        for number, row in enumerate(rows):
            yield path, number, row


def answered(folder: Location, wanted: dict[Key, Made], *, foreign: bool = True) -> set[Key]:
    """Wanted captions that are stored, made with what is wanted now, and did not end in an error.

    Without ``foreign``, those that ended as ``out_of_domain`` are to be asked for, too.
    """
    open_ends = {str(s.CaptionOutcome.ERROR)}
    if not foreign:
        open_ends.add(str(s.CaptionOutcome.OUT_OF_DOMAIN))
    return {
        key
        for _, _, row in stored(folder)
        if wanted.get(key := (row[s.CLIP_ID], row[s.KIND])) == row_made(row)
        and row[s.OUTCOME] not in open_ends
    }


def tidy(folder: Location, wanted: dict[Key, Made], gone: Collection[Key] = ()) -> int:
    """Leave exactly one row per clip and kind, in few parts, in order; returns the number of rows.

    A row made with what is wanted now goes before an older one, an answer before a refusal of the footage and that
    before an error. Rows of clips and kinds
    that are not wanted now are kept as they are: they are right again when the selection is. New parts are written
    before old ones are removed; a kill in between leaves doubles, which the next run removes.
    """
    best: dict[Key, tuple[tuple[bool, int], Location, int]] = {}
    total = 0
    for path, number, row in stored(folder):
        key = (row[s.CLIP_ID], row[s.KIND])
        fits = key not in wanted or wanted[key] == row_made(row)
        rank = (fits, RANKS.get(row[s.OUTCOME], 2))
        total += 1
        if key not in best or rank > best[key][0]:
            best[key] = (rank, path, number)
    # A row made with something else may only stay if it is not wanted now.
    best = {key: found for key, found in best.items() if found[0][0] and key not in gone}
    before = set(matching(folder))
    if len(best) == total and len(before) == math.ceil(total / PART_ROWS):
        return total
    after: set[Location] = set()
    for chunk in _chunks(sorted(best), PART_ROWS):
        after.add(write_part(folder, _pick(chunk, best)))
    for stale in before - after:
        stale.unlink()
    return len(best)


def _pick(keys: list[Key], best: dict[Key, tuple[Any, Location, int]]) -> list[dict[str, Any]]:
    import pyarrow.parquet as pq

    numbers: dict[Location, list[int]] = {}
    for key in keys:
        numbers.setdefault(best[key][1], []).append(best[key][2])
    rows: list[dict[str, Any]] = []
    for part, taken in numbers.items():
        table: pa.Table = pq.read_table(parquet_input(part), partitioning=None)
        rows += table.take(taken).to_pylist()
    return rows


def _chunks(items: list[Key], size: int) -> Iterable[list[Key]]:
    return (items[i : i + size] for i in range(0, len(items), size))
