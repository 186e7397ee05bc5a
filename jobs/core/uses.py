"""Who used a run folder: trainings and exports note themselves there, so that it is known where clips went.

``.uses.jsonl`` in the run folder has one JSON line for each, appended when the work begins. A folder that cannot be
written to, such as a shared read-only set, is used all the same.
"""

from __future__ import annotations

import json
from contextlib import suppress
from typing import Any

from pipeline.store.atomic import append_line
from pipeline.store.paths import Location, absolute, location

USES = ".uses.jsonl"


def note_use(run: Location | str, command: str, out: Location | str) -> None:
    """Note that ``command`` writes what it makes of a run folder to ``out``; once for each pair."""
    place, target = location(run), absolute(out)
    entry = {"command": command, "out": target}
    with suppress(OSError):
        if entry not in read_uses(place):
            append_line(place / USES, json.dumps(entry).encode() + b"\n")


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
