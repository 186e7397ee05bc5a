"""Rows of ``captions/`` of kind ``facts``: what the manifest says of each clip, in sentences; nothing is asked."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from jobs.caption.rows import Key, Made, clause_rows, measured_rows, unasked_row
from pipeline import schema as s

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


def measured_row(key: Key, measured: Measured) -> dict[str, Any]:
    """A row of ``captions/``; a clip of which nothing is known for sure has an empty caption."""
    outcome = s.CaptionOutcome.OK if measured.text else s.CaptionOutcome.EMPTY
    checks = [] if measured.text else [str(outcome)]
    clauses = clause_rows(measured.clauses)
    return unasked_row(key, measured.made, measured.text, outcome, checks, clauses)
