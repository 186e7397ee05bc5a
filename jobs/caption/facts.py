"""Rows of ``captions/`` of kind ``facts``: what the manifest says of each clip, in sentences; nothing is asked."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from jobs.caption.rows import Key, Made, clause_rows, measured_rows, write_part
from pipeline import schema as s
from pipeline.store.paths import Location

if TYPE_CHECKING:
    import pyarrow as pa

    from captioner.facts import Clause

KIND = s.FACTS


@dataclass(frozen=True, kw_only=True)
class Measured:
    """The facts of a clip."""

    text: str
    """The caption."""
    clauses: tuple[Clause, ...]
    """Its sentences, each with the manifest columns that it is from."""
    made: Made
    """In the place of model and prompt: where it is from and a hash of it, so a new measurement replaces the old."""


def measured_captions(clips: pa.Table) -> dict[Key, Measured]:
    """Facts of manifest rows."""
    from captioner.facts import MODEL, VERSION, facts, facts_text

    found: dict[Key, Measured] = {}
    for row in measured_rows(clips):
        clauses = facts(row)
        text = facts_text(clauses)
        digest = hashlib.blake2b(f"{VERSION} {text}".encode(), digest_size=8).hexdigest()
        found[row[s.CLIP_ID], KIND] = Measured(
            text=text, clauses=tuple(clauses), made=(MODEL, digest, "", "", 0)
        )
    return found


def write_measured(folder: Location, measured: dict[Key, Measured], done: set[Key]) -> None:
    """Store those that are not stored yet."""
    rows = [measured_row(key, each) for key, each in measured.items() if key not in done]
    if rows:
        write_part(folder, rows)


def measured_row(key: Key, measured: Measured) -> dict[str, Any]:
    """A row of ``captions/``; a clip of which nothing is known for sure has an empty caption."""
    model, digest, _, _, seed = measured.made
    outcome = s.CaptionOutcome.OK if measured.text else s.CaptionOutcome.EMPTY
    return {
        s.CLIP_ID: key[0],
        s.KIND: key[1],
        s.TEXT: measured.text,
        s.RAW_TEXT: None,
        s.OUTCOME: str(outcome),
        s.CHECKS: [] if measured.text else [str(outcome)],
        s.REPAIRS: [],
        s.HINTS: [],
        s.FACTS: clause_rows(measured.clauses),
        s.ERROR_MESSAGE: None,
        s.MODEL: model,
        s.PROMPT_HASH: digest,
        s.FRAMES_HASH: "",
        s.SAMPLING_HASH: "",
        s.SEED: seed,
    }
