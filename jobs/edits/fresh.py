"""Whether what a stage reads is up to date: each stage notes what its inputs were, and a later one compares.

``select`` run again leaves ``shards/`` as they were. Without this, ``encode`` would take clips that are rejected by
now; with it, it refuses and names the command that has to run first. What people decided and corrected by hand is such
an input, too.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from jobs.core.errors import UserError
from jobs.core.keys import config_key, files_key
from jobs.core.run import MADE_BY, RunFolder, run_of
from jobs.core.stage import Stage
from jobs.edits.apply import run_edits
from jobs.edits.replay import Replayed
from pipeline import schema as s
from pipeline.store.paths import Location, typed

ORDER = list(MADE_BY)
BY_HAND = {
    "select": ("what was decided by hand", "decisions"),
    "truth": ("what was corrected by hand", "captions"),
    "pack": ("what was corrected by hand", "captions"),
}
"""Stage -> what it reads of the edits: the name of that input, and the part of ``Replayed``."""
PARTS = dict(BY_HAND.values())
"""Name of an input -> part of ``Replayed``."""


class Inputs:
    """Tables of a run folder by their content, each hashed once."""

    def __init__(self, run: RunFolder, edits: Replayed | None = None) -> None:
        self.run = run
        self._keys: dict[str, str] = {}
        self._edits = edits

    def key(self, table: str) -> str:
        """Hash of a table's files, or of a part of the edits; empty where there is nothing of that part."""
        if table not in self._keys:
            part = PARTS.get(table)
            key = files_key([self.run / table]) if part is None else self.edits.key(part) or ""
            self._keys[table] = key
        return self._keys[table]

    @property
    def edits(self) -> Replayed:
        """What people did by hand; the stages that act on it say what of it cannot be used."""
        if self._edits is None:
            self._edits = run_edits(self.run, tell=False)
        return self._edits

    def noted(self, table: str) -> dict[str, str]:
        """Inputs of the stage that wrote a table, with their hashes then; {} where it did not finish or note them."""
        stage = MADE_BY.get(table, "")
        found: dict[str, str] = (self.run.done_info(stage) or {}).get("inputs") or {}
        return {BY_HAND[stage][0]: "", **found} if found and stage in BY_HAND else found

    def changed(self, table: str) -> list[str]:
        """Inputs of the stage that wrote ``table`` that are not what they were then."""
        changed = [name for name, then in self.noted(table).items() if self.key(name) != then]
        return [] if changed and table == "captions" and describes_all(self.run) else changed

    def stale(self, tables: Iterable[str]) -> str | None:
        """One line on the first that is out of date of ``tables`` and of what they were made from; None if none is."""
        for table in sorted(self.upstream(tables) & set(ORDER), key=ORDER.index):
            if changed := self.changed(table):
                stage = MADE_BY[table]
                have = "has" if len(changed) == 1 else "have"
                return (
                    f"{self.run / table} is stale: {' and '.join(changed)} {have} changed since filmstock {stage} "
                    f"wrote it; run filmstock {stage} {typed(self.run)} first"
                )
        return None

    def upstream(self, tables: Iterable[str]) -> set[str]:
        """The tables and everything that they were made from."""
        found: set[str] = set()
        left = list(tables)
        while left:
            table = left.pop()
            if table not in found:
                found.add(table)
                left += self.noted(table)
        return found


def open_stage(
    run: RunFolder,
    name: str,
    *settings: Any,
    inputs: tuple[str, ...],
    edits: Replayed | None = None,
) -> Stage:
    """Stage ``name`` as it is to be run with ``settings`` on the tables ``inputs`` of ``run`` and on its edits.

    ``edits``: those of the run, where they were read already.

    Raises:
        UserError: an input is missing, or stale; the message names the command that mends it.
    """
    run.need(*inputs)
    check_fresh(run, *inputs, seen=(seen := Inputs(run, edits)))
    by_hand = BY_HAND[name][0] if name in BY_HAND else ""
    keys = {table: seen.key(table) for table in inputs}
    keys |= {by_hand: seen.key(by_hand)} if by_hand and seen.key(by_hand) else {}
    return Stage(run.path, name, config_key(*settings, keys), keys)


def check_fresh(run: RunFolder, *tables: str, seen: Inputs | None = None) -> None:
    """Refuse tables that are out of date."""
    if line := (seen or Inputs(run)).stale(tables):
        raise UserError(line)


def check_latents(folder: Location | str) -> None:
    """Refuse latents that are not those of the shards beside them, and shards that are out of date.

    Raises:
        ValueError: the latents are of other clips or captions (``refuse_stale``).
        UserError: the shards are stale.
    """
    from pipeline.latents.stale import refuse_stale

    refuse_stale(str(folder))
    check_fresh(run_of(folder), "shards")


def describes_all(run: RunFolder) -> bool:
    """Whether every kept clip has a caption that was asked for: a stricter selection makes none of them wrong."""
    import pyarrow.compute as pc

    from pipeline.shards.read import open_table

    if not (run.has_captions() and run.selection.exists()):
        return False
    table = open_table(run.captions, [s.CLIP_ID, s.KIND])
    asked = table.filter(pc.not_equal(table[s.KIND], "original"))[s.CLIP_ID]
    kept = run.kept_clips()[s.CLIP_ID]
    return bool(pc.all(pc.is_in(kept, value_set=asked.combine_chunks())).as_py() in (True, None))
