"""What an import leaves beside the tables of ingest: ``imports.parquet``, and the captions that came with the clips."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import islice
from typing import TYPE_CHECKING, Any

from jobs.caption.originals import IMPORTED as MODEL
from jobs.caption.originals import KIND as ORIGINAL
from jobs.caption.originals import Original, made_of, original_row
from jobs.caption.rows import Key, Made, row_made, stored, tidy, write_part
from jobs.imports.items import Item
from jobs.imports.plan import ImportPlan
from jobs.ingest.given import GIVEN
from jobs.ingest.index import COPY_OF
from jobs.ingest.ledger import Ledger
from jobs.ingest.summary import is_quarantined
from pipeline import schema as s
from pipeline.source.listing import shown_uri
from pipeline.store.parquet import write_batches
from pipeline.store.paths import Location, matching
from pipeline.tables import imports_schema

if TYPE_CHECKING:
    import pyarrow as pa

TABLE = "imports.parquet"
BATCH = 4096
"""Rows written together."""


@dataclass
class ImportCounts:
    """What became of the rows of a dataset."""

    rows: int = 0
    imported: int = 0
    reasons: Counter[str] = field(default_factory=Counter)
    """Type of error -> rows that became no clip because of it."""
    captions: Counter[str] = field(default_factory=Counter)
    """Outcome -> captions."""
    uncaptioned: int = 0
    """Imported clips without any caption."""


@dataclass(frozen=True)
class Ended:
    """What became of one row."""

    number: int
    item: Item
    clips: tuple[str, ...] = ()
    """Ids of its clips: one, or several where it was split at its shots."""
    outcome: str = s.ImportOutcome.DROPPED
    error: tuple[str | None, str | None] = (None, None)


def write_results(
    plan: ImportPlan, ledger: Ledger, folder: Location, language: str
) -> ImportCounts:
    """Write ``imports.parquet`` and the captions of the clips; returns what became of the rows."""
    counts = ImportCounts()
    there = clips_of(folder)
    ended = list_ended(plan, ledger, there)
    write_batches(folder / TABLE, imports_schema(), import_batches(ended, counts))
    ended = list_ended(plan, ledger, there)
    write_captions(ended, folder / "captions", language, counts)
    return counts


def clips_of(folder: Location) -> set[str]:
    """Ids of the clips in the manifest: one that ``forget`` has taken out is named nowhere again."""
    from pipeline.shards.read import open_table

    if not matching(folder / "manifest"):
        return set()
    return set(open_table(folder / "manifest", [s.CLIP_ID])[s.CLIP_ID].to_pylist())


def list_ended(plan: ImportPlan, ledger: Ledger, there: set[str]) -> Iterator[Ended]:
    """What became of every row, in order; ``there`` are the clips of the manifest."""
    places: Counter[str] = Counter()
    for number, item in plan.items():
        if item.problem:
            yield Ended(number, item, error=item.problem)
            continue
        place = places[item.uri]
        places[item.uri] += 1
        yield end_of(number, item, place, ledger.read(item.uri), there)


def end_of(
    number: int, item: Item, place: int, record: dict[str, Any] | None, there: set[str]
) -> Ended:
    """What became of a row that is clip ``place`` of its source."""
    if record is None:
        return Ended(number, item, error=("not_done", "its source has not come to an end"))
    if is_quarantined(record):
        error = (f"{record[s.ERROR_STAGE]}/{record[s.ERROR_TYPE]}", record[s.ERROR_MESSAGE])
        return Ended(number, item, outcome=s.ImportOutcome.QUARANTINED, error=error)
    if record.get(COPY_OF):
        return Ended(number, item, error=("duplicate", record[s.ERROR_MESSAGE]))
    mine = [entry for entry in record[GIVEN] if entry[0] == place]
    clips = tuple(clip for _, clip, _ in mine if clip in there)
    if record[s.OUTCOME] == s.SourceOutcome.FORGOTTEN or (
        not clips and any(clip for _, clip, _ in mine)
    ):
        why = "it was taken out by filmstock forget"
        return Ended(number, item, error=(str(s.SourceOutcome.FORGOTTEN), why))
    if not clips:
        reason = mine[0][2] if mine else "outside"
        return Ended(number, item, error=(reason, f"no frame of its video is in {item.span}"))
    earlier = {clip for at, clip, _ in record[GIVEN] if at < place}
    if set(clips) <= earlier:
        return Ended(number, item, clips, error=("repeated", "an earlier row has the same frames"))
    return Ended(number, item, clips, s.ImportOutcome.IMPORTED)


def import_batches(ended: Iterator[Ended], counts: ImportCounts) -> Iterator[pa.Table]:
    """Rows of ``imports.parquet``, ``BATCH`` at a time; one for each clip of a row that was split."""
    import pyarrow as pa

    schema = imports_schema()
    while batch := list(islice(ended, BATCH)):
        rows = []
        for each in batch:
            counts.rows += 1
            counts.imported += each.outcome == s.ImportOutcome.IMPORTED
            if each.error[0]:
                counts.reasons[each.error[0]] += 1
            seconds = each.item.span.unit == "s"
            for clip in each.clips or (None,):
                rows.append(
                    {
                        s.ROW: each.number,
                        s.GIVEN_ID: each.item.name,
                        s.SOURCE_URI: shown_uri(each.item.uri) if each.item.uri else None,
                        s.START_S: each.item.span.start if seconds else None,
                        s.END_S: each.item.span.end if seconds else None,
                        s.CLIP_ID: clip,
                        s.OUTCOME: str(each.outcome),
                        s.ERROR_TYPE: each.error[0],
                        s.ERROR_MESSAGE: each.error[1],
                    }
                )
        yield pa.Table.from_pylist(rows, schema=schema)


def write_captions(
    ended: Iterator[Ended], table: Location, language: str, counts: ImportCounts
) -> None:
    """Store the captions that came with the clips, judged. One that a captioner has replaced stays so, one that the
    dataset has no more goes."""
    table.mkdir(parents=True, exist_ok=True)
    own = (MODEL, source_model())
    replaced: set[Key] = set()
    given: set[Key] = set()
    for _, _, row in stored(table):
        (given if row[s.MODEL] in own else replaced).add((row[s.CLIP_ID], row[s.KIND]))
    wanted: dict[Key, Made] = {}
    rows: list[dict[str, Any]] = []
    seen: set[str] = set()
    for each in ended:
        if each.outcome != s.ImportOutcome.IMPORTED:
            continue
        for clip in each.clips:
            if clip in seen:
                continue
            seen.add(clip)
            counts.uncaptioned += not each.item.captions
            for kind, text in each.item.captions.items():
                if (clip, kind) in replaced:
                    continue
                row = imported_row((clip, kind), text, language)
                counts.captions[row[s.OUTCOME]] += 1
                wanted[clip, kind] = row_made(row)
                rows.append(row)
        if len(rows) >= BATCH:
            write_part(table, rows)
            rows = []
    if rows:
        write_part(table, rows)
    tidy(table, wanted, {key for key in given if key[0] in seen and key not in wanted})


def source_model() -> str:
    """In the place of a captioner's name for captions of kind ``original``."""
    from captioner.check.originals import MODEL

    return MODEL


def imported_row(key: Key, text: str, language: str) -> dict[str, Any]:
    """A row of ``captions/`` for a caption that came with its clip."""
    from captioner.check.derive import judge_kind
    from captioner.check.originals import judge_original

    if key[1] == ORIGINAL:
        made, verdict = (
            made_of(text, source_model(), language),
            judge_original(text, language=language),
        )
    else:
        made = made_of(text, MODEL, language)
        text, verdict = judge_kind(key[1], text, language=language)
    return original_row(key, Original(text=text, made=made, verdict=verdict))
