"""Rows of ``captions/`` for captions that came with the sources: judged, not asked for, not lost to a new model."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from jobs.caption.rows import Key, Made, row_made, stored, unasked_row
from pipeline import schema as s

if TYPE_CHECKING:
    import pyarrow as pa

    from captioner.check.checks import Verdict
    from pipeline.store.paths import Location

KIND = "original"
IMPORTED = "import"
"""In the place of a captioner's name: the caption came with a dataset."""
ENGLISH = "en"
"""Language that captions are in where nothing else is said."""


@dataclass(frozen=True, kw_only=True)
class Original:
    """The caption that came with a clip's source."""

    text: str
    made: Made
    """In the place of model, prompt and sampling: where it is from and a hash of it, so a new text replaces the old."""
    verdict: Verdict
    """What was made of it."""


def made_of(text: str, model: str, language: str) -> Made:
    """What a caption that came with a clip is known by: another text is another, or the same for another language."""
    judged = text if language == ENGLISH else f"{text}\0{language}"
    return model, hashlib.blake2b(judged.encode(), digest_size=8).hexdigest(), "", "", 0


def original_captions(clips: pa.Table, language: str = "en") -> dict[Key, Original]:
    """Original captions of manifest rows, judged as captions in ``language``; none from a manifest that was written
    before they were read."""
    from captioner.check.originals import MODEL, judge_original

    if s.CAPTION_ORIGINAL not in clips.column_names:
        return {}
    judged: dict[str, Original] = {}  # all clips of a source have the same
    found: dict[Key, Original] = {}
    for row in clips.select([s.CLIP_ID, s.CAPTION_ORIGINAL]).to_pylist():
        if text := row[s.CAPTION_ORIGINAL]:
            if text not in judged:
                made = made_of(text, MODEL, language)
                verdict = judge_original(text, language=language)
                judged[text] = Original(text=text, made=made, verdict=verdict)
            found[row[s.CLIP_ID], KIND] = judged[text]
    return found


def imported_captions(table: Location, wanted: Mapping[Key, Made]) -> dict[Key, Made]:
    """Wanted captions that came with a dataset and are fit to be trained on: nobody is to be asked for these."""
    return {
        key: row_made(row)
        for _, _, row in stored(table)
        if (key := (row[s.CLIP_ID], row[s.KIND])) in wanted
        and row[s.MODEL] == IMPORTED
        and row[s.OUTCOME] == str(s.CaptionOutcome.OK)
    }


def withdrawn(clips: pa.Table, originals: Collection[Key]) -> set[Key]:
    """Originals that clips had once, and have no more: their sidecar was removed, or says nothing now."""
    if s.CAPTION_ORIGINAL not in clips.column_names:
        return set()
    return {(clip, KIND) for clip in clips[s.CLIP_ID].to_pylist()} - set(originals)


def original_row(key: Key, original: Original) -> dict[str, Any]:
    """A row of ``captions/``; nothing was shown to anyone, so it has no frames."""
    verdict = original.verdict
    return unasked_row(key, original.made, original.text, verdict.outcome, verdict.checks)
