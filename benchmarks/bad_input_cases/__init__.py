"""Wrong inputs by command, and the folders that they are tried on."""

from __future__ import annotations

from benchmarks.bad_input_cases import odd, table
from benchmarks.bad_input_cases.case import Case

TABLES = (
    "footage",
    "stages",
    "training",
    "sampling",
    "verbs",
    "exchange",
    "looking",
    "shared",
    "words",
)


def all_cases() -> list[Case]:
    """Every wrong input, in the order of the data flow."""
    written = [case for name in TABLES for case in table.read(table.FOLDER / f"{name}.txt")]
    return [*written, *odd.names(), *odd.texts(), *odd.shells()]
