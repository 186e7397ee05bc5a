"""What select, pack and fine-tuning make of the edits of a run folder."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from jobs.core.console import warn
from jobs.core.run import RunFolder
from jobs.edits.journal import Journal
from jobs.edits.replay import Replayed, replay, settle
from pipeline import schema as s
from pipeline.tables import selection_schema

if TYPE_CHECKING:
    import pyarrow as pa

    from pipeline.select.select import Selection

BY_HAND = "by_hand"
"""Reason of a clip that a person rejected, and name of the step in the funnel."""


def run_edits(folder: RunFolder, *, tell: bool = True) -> Replayed:
    """The edits of a run folder, on the clips that its manifest has now; says what cannot be used, if it is to tell."""
    edits, damage = Journal(folder.path).read_with_damage()
    for line in damage if tell else ():
        warn(line)
    if not edits or not folder.manifest.exists():
        return replay(edits)
    from pipeline.shards.read import open_table

    columns = [s.CLIP_ID, s.SOURCE_ID, s.START_S, s.END_S, s.FPS]
    table = open_table(folder.manifest, columns)
    named = {edit.source_id for edit in edits} | {edit.clip_id for edit in edits}
    ids, sources, starts, ends, rates = (table[name].to_pylist() for name in columns)
    clips = {
        clip: (source, start, end)
        for clip, source, start, end in zip(ids, sources, starts, ends, strict=True)
        if source in named or clip in named
    }
    found = settle(edits, clips, dict(zip(sources, rates, strict=True)))
    if found.waiting and tell:
        lost = len({edit.clip_id for edit in found.waiting})
        warn(f"edits of {lost} clips that {folder.manifest} does not have wait until it has them")
    return found


def decide_by_hand(
    selection: Selection, decisions: Mapping[str, str], seconds: Mapping[str, float]
) -> Selection:
    """A selection with the decisions of people in place of the rules'; clips that failed upstream stay errors.

    ``seconds`` is the length of each clip that was decided by hand.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    table = selection.table
    ids = pa.array(sorted(decisions), pa.string())
    at = pc.index_in(ids, value_set=table[s.CLIP_ID].combine_chunks()).to_pylist()
    columns = {name: table[name] for name in table.column_names}
    decided = table[s.DECISION].combine_chunks().to_numpy(zero_copy_only=False).astype(object)
    reasons: dict[int, list[str]] = {}
    clear: list[int] = []
    removed, removed_s, added, added_s = 0, 0.0, 0, 0.0
    for clip, row in zip(ids.to_pylist(), at, strict=True):
        if row is None:
            continue
        was, now = decided[row], decisions[clip]
        given = table[s.REASONS][row].as_py() or []
        if any(reason.startswith("failed:") for reason in given):
            continue
        decided[row] = now
        if now == s.Decision.REJECT:
            reasons[row] = [*given, BY_HAND]
        else:
            reasons[row] = []
            clear.append(row)
        length = seconds.get(clip, 0.0)
        if (was == s.Decision.KEEP) and now != s.Decision.KEEP:
            removed, removed_s = removed + 1, removed_s + length
        if (was != s.Decision.KEEP) and now == s.Decision.KEEP:
            added, added_s = added + 1, added_s + length
    columns[s.DECISION] = pa.array(decided, pa.string())
    columns[s.REASONS] = _with_rows(table[s.REASONS].combine_chunks(), reasons)
    keepers = np.zeros(table.num_rows, bool)
    keepers[clear] = True
    for name in (s.DUPLICATE_OF, s.DUPLICATE_IN):
        columns[name] = pc.if_else(pa.array(keepers), pa.scalar(None, pa.string()), table[name])
    last = selection.funnel[-1]
    clips, hours = last.clips - removed + added, last.hours + (added_s - removed_s) / 3600
    step = replace(last, step=BY_HAND, removes=removed, only=removed, clips=clips, hours=hours)
    note = f"by hand: {removed} clips that the rules keep are rejected, {added} that they reject are kept"
    return replace(
        selection,
        table=pa.table(columns, schema=selection_schema()),
        funnel=(*selection.funnel[:-1], step, replace(last, clips=clips, hours=hours)),
        notes=(*selection.notes, note),
    )


def _with_rows(column: pa.Array, rows: Mapping[int, list[str]]) -> pa.Array:
    """A column of lists with some rows replaced."""
    import pyarrow as pa

    pieces, start = [], 0
    for row in sorted(rows):
        pieces += [column.slice(start, row - start), pa.array([rows[row]], column.type)]
        start = row + 1
    return pa.concat_arrays([*pieces, column.slice(start)])


def correct(
    captions: dict[str, dict[str, str]], edits: Replayed, kinds: tuple[str, ...]
) -> dict[str, dict[str, str]]:
    """clip_id -> kind -> text with people's corrections in place of what models said."""
    found = {clip: dict(texts) for clip, texts in captions.items()}
    for clip, texts in edits.captions().items():
        for kind, text in texts.items():
            if kind in kinds:
                found.setdefault(clip, {})[kind] = text
    return found
