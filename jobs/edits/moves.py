"""Cuts that people moved, as ingest makes them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field

from jobs.core.keys import config_key
from jobs.edits.journal import Action, Edit, Journal
from jobs.edits.replay import replay
from pipeline.source.moved import Move
from pipeline.store.paths import Location

MOVED = "moved"
"""Key of a source's record: hash of the moves that its clips were cut by."""


@dataclass(frozen=True)
class Moves:
    """Moved cuts by source."""

    sources: Mapping[str, tuple[Move, ...]] = field(default_factory=dict)

    def of(self, source: str) -> tuple[Move, ...]:
        """The moves on clips of a source."""
        return self.sources.get(source, ())

    def key(self, source: str) -> str | None:
        """Hash of them, None where there are none."""
        found = self.of(source)
        return config_key([asdict(move) for move in found]) if found else None


def read_moves(folder: Location) -> Moves:
    """What the journal of a run folder says of cuts, undone ones left out."""
    return moves_of(Journal(folder).read())


def moves_of(edits: Iterable[Edit]) -> Moves:
    """Moves by source, in the order of their clips' ids; the last word on a clip counts."""
    found: dict[str, list[Move]] = {}
    for clip, hand in sorted(replay(edits).clips.items()):
        if hand.cut == (0, 0):
            continue
        edit = next(each for each in reversed(hand.edits) if each.action is Action.CUT)
        if edit.source_id:
            move = Move(
                clip_id=clip,
                start_s=edit.start_s,
                end_s=edit.end_s,
                start=hand.cut[0],
                end=hand.cut[1],
            )
            found.setdefault(edit.source_id, []).append(move)
    return Moves({source: tuple(moves) for source, moves in found.items()})
