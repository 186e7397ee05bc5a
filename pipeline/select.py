"""Keep or reject clips by query over their scores. Nothing is decoded, so a threshold can change in a second.

Predicates are SQL over the manifest's columns that a kept clip satisfies; the name of each is the reason written when
it fails. Three outcomes, never mixed: ``reject`` lists every predicate that was false, ``error`` marks a clip that
failed upstream or lacks a score that a predicate asks for, ``keep`` is the rest. Duplicates are looked for among
clips that passed, so the one that is kept is never one that was rejected.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from pipeline import schema
from pipeline.config import SelectConfig
from pipeline.duplicates import COSINE, EXACT, PHASH, Candidate, find_duplicates
from pipeline.schema import Decision

if TYPE_CHECKING:
    import pyarrow as pa

UNMEASURED = "unmeasured:"
"""Prefix of the reason of a predicate that could not be judged because a score is NULL."""
FAILED = "failed:"
"""Prefix of the reason of a clip that carries an upstream error."""


@dataclass(frozen=True, kw_only=True)
class FunnelRow:
    """One step of the funnel."""

    step: str
    """``all clips``, ``error``, a reason, or ``kept``."""
    removes: int
    """Clips this step would remove on its own."""
    only: int
    """Clips that nothing but this step removes."""
    clips: int
    """Clips left after this step and those above it."""
    hours: float
    """Hours left after this step and those above it."""


@dataclass(frozen=True, kw_only=True)
class Selection:
    """What select decided."""

    table: pa.Table
    """One row per clip, in ``selection_schema``, sorted by clip_id."""
    funnel: tuple[FunnelRow, ...]
    """From all clips to the kept ones."""
    unmeasured: Mapping[str, int]
    """Reason -> clips whose score for it is NULL."""

    @property
    def kept(self) -> int:
        """Number of clips kept."""
        return self.funnel[-1].clips


def select_clips(
    manifest: pa.Table, config: SelectConfig, embeddings: Mapping[str, np.ndarray] | None = None
) -> Selection:
    """Decide on every clip of ``manifest``; ``embeddings`` (clip_id -> unit vector) serve ``dedup_cosine``."""
    import pyarrow as pa

    manifest = manifest.sort_by(schema.CLIP_ID)
    ids: list[str] = manifest.column(schema.CLIP_ID).to_pylist()
    verdicts = evaluate(manifest, config.where)
    errors = manifest.column(schema.ERROR).to_pylist()
    reasons: list[list[str]] = [[] for _ in ids]
    unmeasured: dict[str, int] = {}
    decisions = [Decision.KEEP] * len(ids)
    for row, error in enumerate(errors):
        if error is not None:
            decisions[row] = Decision.ERROR
            reasons[row].append(FAILED + error.split(":")[0].strip())
    for reason, column in verdicts.items():
        for row, passed in enumerate(column):
            if errors[row] is not None or passed is True:
                continue
            if passed is None:
                unmeasured[reason] = unmeasured.get(reason, 0) + 1
                decisions[row] = Decision.ERROR
                reasons[row].append(UNMEASURED + reason)
            else:
                reasons[row].append(reason)
                if decisions[row] is Decision.KEEP:
                    decisions[row] = Decision.REJECT
    keepers: list[str | None] = [None] * len(ids)
    passed_rows = [row for row, decision in enumerate(decisions) if decision is Decision.KEEP]
    candidates = _candidates(manifest.take(pa.array(passed_rows, pa.int64())))
    matches = find_duplicates(
        candidates,
        exact=config.dedup_exact,
        phash_bits=config.dedup_phash_bits if config.dedup_phash else None,
        cosine=config.dedup_cosine,
        embeddings=_rows(candidates, embeddings),
    )
    for row in passed_rows:
        match = matches.get(ids[row])
        if match is not None:
            decisions[row] = Decision.REJECT
            reasons[row].extend(match.reasons)
            keepers[row] = match.keeper
    table = pa.table(
        {
            schema.CLIP_ID: ids,
            schema.DECISION: [str(decision) for decision in decisions],
            schema.REASONS: reasons,
            schema.DUPLICATE_OF: keepers,
        },
        schema=schema.selection_schema(),
    )
    steps = [*config.where, *(step for step, on in _dedup_steps(config).items() if on)]
    funnel = _funnel(_seconds(manifest), decisions, reasons, steps)
    return Selection(table=table, funnel=funnel, unmeasured=unmeasured)


def evaluate(manifest: pa.Table, where: Mapping[str, str]) -> dict[str, list[bool | None]]:
    """Reason -> one verdict per row: True passes, False fails, None where a score is NULL.

    The query sees the manifest and nothing else: no files, no network, no other tables.
    """
    import duckdb

    connection = duckdb.connect(config={"enable_external_access": "false"})
    try:
        connection.register("manifest", manifest)
        connection.execute("SET lock_configuration = true")
        verdicts: dict[str, list[bool | None]] = {}
        for reason, predicate in where.items():
            _check_reason(reason)
            try:
                result = connection.execute(f"SELECT (\n{predicate}\n) AS verdict FROM manifest")
                kinds = [str(column[1]) for column in result.description or ()]
                rows = result.fetchall()
            except duckdb.Error as error:
                raise ValueError(
                    _explain(reason, predicate, str(error), manifest.column_names)
                ) from None
            if kinds != ["BOOLEAN"] or len(rows) != manifest.num_rows:
                raise ValueError(
                    f"select.where.{reason} = {predicate!r} is not one true-or-false value per clip; "
                    f"write a comparison, such as {schema.MOTION_MEAN} > 0.002"
                )
            verdicts[reason] = [row[0] for row in rows]
        return verdicts
    finally:
        connection.close()


def funnel_lines(funnel: tuple[FunnelRow, ...]) -> list[str]:
    """The funnel as lines of text, columns aligned."""
    width = max(len(row.step) for row in funnel)
    lines = [f"{'step':<{width}}  {'removes':>8}  {'only this':>9}  {'left':>8}  {'hours':>9}"]
    for row in funnel:
        ends = row.step in (funnel[0].step, funnel[-1].step)
        removes, only = ("", "") if ends else (f"{row.removes:,}", f"{row.only:,}")
        lines.append(
            f"{row.step:<{width}}  {removes:>8}  {only:>9}  {row.clips:>8,}  {row.hours:>9.4f}"
        )
    return lines


def _dedup_steps(config: SelectConfig) -> dict[str, bool]:
    return {
        EXACT: config.dedup_exact,
        PHASH: config.dedup_phash,
        COSINE: config.dedup_cosine is not None,
    }


def _funnel(
    seconds: list[float], decisions: list[Decision], reasons: list[list[str]], steps: list[str]
) -> tuple[FunnelRow, ...]:
    left = list(range(len(decisions)))

    def row(step: str, removed: list[int], only: int) -> FunnelRow:
        nonlocal left
        gone = set(removed)
        left = [index for index in left if index not in gone]
        hours = sum(seconds[index] for index in left) / 3600
        return FunnelRow(step=step, removes=len(removed), only=only, clips=len(left), hours=hours)

    rows = [row("all clips", [], 0)]
    failed = [index for index, decision in enumerate(decisions) if decision is Decision.ERROR]
    rows.append(row("error", failed, len(failed)))
    for step in steps:
        hit = [
            index
            for index, decision in enumerate(decisions)
            if decision is Decision.REJECT and step in reasons[index]
        ]
        rows.append(row(step, hit, sum(len(reasons[index]) == 1 for index in hit)))
    rows.append(row("kept", [], 0))
    return tuple(rows)


def _candidates(passed: pa.Table) -> list[Candidate]:
    columns = (schema.CLIP_ID, schema.WIDTH, schema.HEIGHT, schema.VIDEO_XXH3, schema.PHASH)
    values = [passed.column(name).to_pylist() for name in columns]
    return [
        Candidate(
            clip_id=clip_id,
            quality=float((width or 0) * (height or 0)) * seconds,
            video_hash=video_hash,
            phash=phash,
        )
        for clip_id, width, height, video_hash, phash, seconds in zip(
            *values, _seconds(passed), strict=True
        )
    ]


def _rows(
    candidates: list[Candidate], embeddings: Mapping[str, np.ndarray] | None
) -> np.ndarray | None:
    """(N, D) float32 in the order of the candidates, NaN where a clip has no embedding."""
    if not embeddings:
        return None
    dim = len(next(iter(embeddings.values())))
    missing = np.full(dim, np.nan, np.float32)
    rows = [np.asarray(embeddings.get(clip.clip_id, missing), np.float32) for clip in candidates]
    return np.stack(rows) if rows else np.zeros((0, dim), np.float32)


def _seconds(manifest: pa.Table) -> list[float]:
    starts = manifest.column(schema.START_S).to_pylist()
    ends = manifest.column(schema.END_S).to_pylist()
    return [
        0.0 if start is None or end is None else end - start
        for start, end in zip(starts, ends, strict=True)
    ]


def _check_reason(reason: str) -> None:
    if not re.fullmatch(r"[a-z][a-z0-9_]*", reason) or reason in (EXACT, PHASH, COSINE):
        raise ValueError(
            f"select.where reason {reason!r} must be lower-case letters, digits and _ "
            f"and not one of {EXACT}, {PHASH}, {COSINE}"
        )


def _explain(reason: str, predicate: str, error: str, columns: list[str]) -> str:
    """One line from DuckDB's several: what is wrong with the predicate, and the nearest column."""
    first = error.strip().splitlines()[0]
    missing = re.search(r'Referenced column "([^"]+)" not found', first)
    if missing:
        name = missing.group(1)
        close = difflib.get_close_matches(name, columns, n=1, cutoff=0.4)
        hint = f"did you mean {close[0]!r}?" if close else f"there are {', '.join(columns)}"
        first = f"the manifest has no column {name!r}; {hint}"
    return f"select.where.{reason} = {predicate!r}: {first}"
