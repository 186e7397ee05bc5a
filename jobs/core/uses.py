"""Who used a run folder: trainings, exports and imports note themselves there, so that it is known where clips went.

``.uses.jsonl`` in the run folder has one JSON line for each, appended when the work begins. What imports an export
notes itself among the export's records. A folder that cannot be written to, such as a shared read-only set, is used all
the same.
"""

from __future__ import annotations

import json
from contextlib import suppress
from typing import Any

from pipeline.shards.layout import manifest_of
from pipeline.store.atomic import append_line
from pipeline.store.paths import Location, absolute, location

USES = ".uses.jsonl"
RECORDS = ".export"
"""Folder of an export's records, in the export."""
EXPORT, IMPORT = "export", "import"
"""Commands that copy clips to where other commands take them up."""


def note_use(run: Location | str, command: str, out: Location | str) -> None:
    """Note that ``command`` writes what it makes of a run folder to ``out``; once for each pair."""
    place, target = location(run), absolute(out)
    entry = {"command": command, "out": target}
    with suppress(OSError):
        if entry not in read_uses(place):
            append_line(place / USES, json.dumps(entry).encode() + b"\n")


def note_import(source: Location, out: Location) -> None:
    """Note that ``source`` is imported to ``out``, where it lies in an export or in a run folder of ours."""
    folder = source.absolute()
    for _ in range(4):  # the folder, one inside it, a table in that
        if (folder / RECORDS).is_dir():
            note_use(folder / RECORDS, IMPORT, out)
            return
        if folder.name == "shards" and manifest_of(folder).is_file():
            note_use(folder.parent, IMPORT, out)
            return
        folder = folder.parent


def exports_of(run: Location) -> list[str]:
    """Folders that exports of a run folder were written to, oldest first."""
    return [str(use["out"]) for use in read_uses(run) if use["command"] == EXPORT]


def imports_of(run: Location) -> list[str]:
    """Run folders that a run folder or its exports were imported to."""
    places = [run, *(location(export) / RECORDS for export in exports_of(run))]
    found = [use for place in places for use in read_uses(place) if use["command"] == IMPORT]
    return list(dict.fromkeys(str(use["out"]) for use in found))


def read_uses(run: Location) -> list[dict[str, Any]]:
    """What was noted in a run folder, oldest first; a line cut short by a kill is left out."""
    found: list[dict[str, Any]] = []
    path = run / USES
    for line in path.read_text().splitlines() if path.is_file() else ():
        with suppress(ValueError):
            entry = json.loads(line)
            if isinstance(entry, dict) and {"command", "out"} <= set(entry):
                found.append({"command": entry["command"], "out": entry["out"]})
    return found
