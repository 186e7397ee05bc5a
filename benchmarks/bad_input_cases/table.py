"""Wrong inputs written as tables: a command in brackets, and under it, one a line, what is wrong.

    [curate {} --out new]
    [status]
    nowhere                       # two cases: curate nowhere --out new; status nowhere
    empty.txt -> text             # the answer must say "text"
    secret | user                 # run by a user without rights on other people's files

The words of a line stand in place of ``{}``, or after the command. Lines under several commands hold for each of them.
After ``->`` stand the texts that the answer must say; without it, these are the words of the line. After ``|`` stand
``user``, ``code 4``, or ``may FILE`` for a file that is written all the same. Words are quoted as in a shell.
"""

from __future__ import annotations

import re
import shlex
from pathlib import Path

from benchmarks.bad_input_cases.case import Case, case

FOLDER = Path(__file__).parent / "tables"
_LINE = re.compile(r"(?P<words>.*?)(?:(?:^|\s)->\s(?P<says>.*?))?(?:\s\|\s(?P<notes>[\w ,.]+))?")


def read(path: Path) -> list[Case]:
    """The cases of one table, in its order; ``ValueError`` for a line that is none."""
    found: list[Case] = []
    commands: list[str] = []
    above = ""
    for number, line in enumerate(path.read_text().splitlines(), 1):
        if line.startswith("["):
            commands = [*(commands if above.startswith("[") else []), line[1:-1]]
        elif line and not line.startswith("#"):
            try:
                found += [_case(command, line) for command in commands]
            except ValueError as error:
                raise ValueError(f"{path.name}:{number}: {error}: {line}") from error
        above = line
    return found


def _case(command: str, line: str) -> Case:
    parts = _LINE.fullmatch(line)
    assert parts  # every line has words, if only an empty text
    words = shlex.split(parts["words"])
    says = words if parts["says"] is None else shlex.split(parts["says"])
    whole = shlex.split(command)
    at = whole.index("{}") if "{}" in whole else len(whole)
    notes = dict(note.partition(" ")[::2] for note in re.split(", ", parts["notes"] or ""))
    if strange := notes.keys() - {"", "user", "code", "may"}:
        raise ValueError(f"no such note: {', '.join(sorted(strange))}")
    return case(
        (*whole[:at], *words, *whole[at + 1 :]),
        *says,
        code=int(notes.get("code", 2)),
        user="user" in notes,
        may=tuple(notes.get("may", "").split()),
    )
