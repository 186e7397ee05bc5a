"""The plan of a forgetting: written before anything is touched, removed when nothing of the work is left.

``.forgotten/plan.json`` is the one file that names the work while it is taken out. A run that was killed is taken up
from it by the next ``filmstock forget`` of the folder; until then other commands refuse the folder.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec

from jobs.core.run import FORGETTING, RunFolder
from jobs.core.stage import MARKERS
from jobs.core.uses import exports_of
from jobs.edits.fresh import Inputs
from jobs.trace.imported import (
    Elsewhere,
    Imported,
    all_sightings,
    find_elsewhere,
    find_imports,
)
from jobs.trace.search import MOST, Needles, probes
from jobs.trace.sightings import Sighting
from jobs.trace.targets import Names, Targets, spellings, unique_names
from pipeline import schema as s
from pipeline.store.atomic import write_bytes
from pipeline.store.paths import matching


@dataclass(frozen=True, kw_only=True)
class Plan:
    """All that a forgetting needs to know, also after a kill."""

    targets: Targets
    """What goes."""
    ids: tuple[str, ...]
    """Ids and hashes that nothing may hold at the end."""
    texts: tuple[str, ...]
    """Paths, names and captions that nothing may hold at the end."""
    media: tuple[bytes, ...]
    """Stretches of the clips' files, likewise."""
    sightings: tuple[Sighting, ...] = ()
    """Trainings that saw them."""
    fresh: tuple[str, ...] = ()
    """Stages that were up to date."""
    latents_in_line: bool = False
    """The latents were those of the shards."""
    orphans: int = 0
    """Clips that were rejected as duplicates of these."""
    counts: dict[str, int] = field(default_factory=dict)
    """Table -> rows that go."""
    exports: tuple[str, ...] = ()
    """Folders that exports of this run were written to."""
    imports: tuple[Imported, ...] = ()
    """What other run folders have of the work, having imported this one or an export of it."""
    elsewhere: tuple[Elsewhere, ...] = ()
    """The same over however many imports, clip by clip."""

    def told_names(self) -> tuple[str, ...]:
        """Ids of sources and clips that a receipt speaks of."""
        there = (clip for each in self.elsewhere for clip in each.clips)
        return tuple(dict.fromkeys([*self.targets.sources, *self.targets.clips, *there]))

    def needles(self) -> Needles:
        """What the search at the end looks for."""
        texts = [text.encode("utf-8", "surrogateescape") for text in self.texts]
        return Needles.of(self.ids, [*texts, *self.media])

    def names(self) -> Needles:
        """Ids and paths alone: what lines of other files are known by."""
        uris = [form for uri in self.targets.uris for form in spellings(uri)]
        return Needles.of(self.ids, [uri.encode("utf-8", "surrogateescape") for uri in uris])


def make_plan(run: RunFolder, names: Names, targets: Targets, more: list[Path]) -> Plan:
    """Look at everything once, before it changes."""
    rows = [names.clips[clip] for clip in targets.clips]
    texts, hashes, media = _contents(run, targets)
    imports = find_imports(run, list(targets.clips), hashes)
    elsewhere = find_elsewhere(run, imports)
    others = [uri for uri, source in names.uris.items() if source not in targets.sources]
    paths = [form for uri in targets.uris for form in spellings(uri)]
    paths += unique_names(targets.uris, others)
    return Plan(
        targets=targets,
        ids=tuple([*targets.clips, *targets.sources, *hashes]),
        texts=tuple(dict.fromkeys([*paths, *texts])),
        media=tuple(media),
        sightings=tuple(all_sightings(run, list(targets.clips), elsewhere, more)) if rows else (),
        fresh=_fresh(run),
        latents_in_line=_in_line(run),
        orphans=_orphans(run, targets),
        counts=_rows(run, targets),
        exports=tuple(exports_of(run.path)),
        imports=tuple(imports),
        elsewhere=tuple(elsewhere),
    )


def _contents(run: RunFolder, targets: Targets) -> tuple[list[str], list[str], list[bytes]]:
    """Captions, hashes, and stretches of the bytes of the clips, as far as nothing that stays has the same."""
    from pipeline.shards.ranges import ClipError
    from pipeline.shards.read import open_table

    texts: list[str] = []
    if run.has_captions():
        found = open_table(run.captions, [s.CLIP_ID, s.TEXT, s.RAW_TEXT]).to_pylist()
        mine = [row for row in found if row[s.CLIP_ID] in targets.clips]
        staying = {
            row[name]
            for row in found
            if row[s.CLIP_ID] not in targets.clips
            for name in (s.TEXT, s.RAW_TEXT)
        }
        said = dict.fromkeys(row[name] for row in mine for name in (s.TEXT, s.RAW_TEXT))
        texts = [text for text in said if text and len(text) > 15 and text not in staying][:MOST]
    if not matching(run.manifest):
        return texts, [], []
    columns = [s.CLIP_ID, s.SHARD, s.BYTE_OFFSET, s.BYTE_LENGTH, s.VIDEO_XXH3]
    rows = [
        row
        for row in open_table(run.manifest, columns).to_pylist()
        if row[s.CLIP_ID] in targets.clips
    ]
    media: list[bytes] = []
    for row in rows[: MOST // 2]:
        try:
            media += probes(run.read_clip(row))
        except (ClipError, OSError):
            continue
    return texts, [row[s.VIDEO_XXH3] for row in rows if row[s.VIDEO_XXH3]], media


def _fresh(run: RunFolder) -> tuple[str, ...]:
    seen = Inputs(run)
    found = []
    for path in matching(run / MARKERS, "*.json"):
        body = json.loads(path.read_text())
        noted = body.get("inputs") or {}
        if noted and all(seen.key(name) == then for name, then in noted.items()):
            found.append(str(body["stage"]))
    return tuple(found)


def _in_line(run: RunFolder) -> bool:
    from pipeline.latents.stale import refuse_stale

    if not (run / "latents").exists() or not run.shards.exists():
        return False
    try:
        refuse_stale(str(run / "latents"))
    except ValueError:
        return False
    return True


def _orphans(run: RunFolder, targets: Targets) -> int:
    from pipeline.shards.read import open_table

    if not run.selection.is_file():
        return 0
    rows = open_table(run.selection, [s.CLIP_ID, s.DUPLICATE_OF]).to_pylist()
    return sum(
        row[s.DUPLICATE_OF] in targets.clips and row[s.CLIP_ID] not in targets.clips for row in rows
    )


def _rows(run: RunFolder, targets: Targets) -> dict[str, int]:
    """Rows of each table that go."""
    from jobs.core.tables import find_tables
    from jobs.trace.tables import Gone
    from pipeline.shards.read import open_table

    gone = Gone(clips=list(targets.clips), sources=targets.sources)
    found: dict[str, int] = {}
    for table in find_tables(run.path):
        names = [name for name in (s.CLIP_ID, s.SOURCE_ID) if name in table.columns]
        if not names:
            continue
        ids = open_table(table.path, names)
        if lost := ids.num_rows - gone.without(ids).num_rows:
            found[table.name] = lost
    return found


def save_plan(run: RunFolder, plan: Plan) -> None:
    """Write the plan down; from here on the forgetting is under way."""
    # json, for names of files may have bytes that are no UTF-8
    write_bytes(run / FORGETTING, json.dumps(msgspec.to_builtins(plan)).encode())


def read_plan(run: RunFolder) -> Plan | None:
    """The plan of a forgetting that was killed, None when there is none."""
    path = run / FORGETTING
    if not path.is_file():
        return None
    return msgspec.convert(json.loads(path.read_text()), Plan)


def receipt(plan: Plan, marks: dict[str, str]) -> dict[str, Any]:
    """What is kept of a forgetting: numbers, marks in place of ids, and which steps of which training saw what."""
    foreign = {clip for each in plan.elsewhere for clip in each.clips} - set(plan.targets.clips)
    return {
        "sources": len(plan.targets.sources),
        "clips": len(plan.targets.clips),
        "marks": sorted(mark for name, mark in marks.items() if name not in foreign),
        "rows": plan.counts,
        "trainings": [
            {
                "folder": each.folder,
                "command": each.command,
                "checkpoints": list(each.checkpoints),
                "steps_done": each.steps_done,
                "seen": {marks[clip]: steps for clip, steps in each.seen.items()},
                "held_out": [marks[clip] for clip in each.held_out],
                "note": each.note,
                "from_weights_of": each.from_weights_of,
            }
            for each in plan.sightings
        ],
        "imports": {each.folder: len(each.words) for each in plan.imports},
    }
