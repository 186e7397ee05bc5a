"""The list of accepted survivors speaks of the code as it is, and gives a reason for each."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import pytest

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
SURVIVORS = tomllib.loads((HERE / "accepted.toml").read_text())["survivor"]
MODULES = tomllib.loads((HERE / "modules.toml").read_text())["tests"]


@pytest.mark.parametrize("entry", SURVIVORS, ids=lambda e: f"{e['module']}:{e['function']}")
def test_an_accepted_survivor_is_not_stale(entry: dict[str, Any]) -> None:
    """Of a line that is gone, nobody knows any more whether a fault in it shows."""
    source = (ROOT / entry["module"]).read_text()
    lines = [line.strip() for line in source.splitlines()]
    assert all(line.strip() in lines for line in entry["old"].splitlines()), "remove the entry"
    assert entry["function"].rpartition(".")[2].strip("_") in source
    assert entry["new"] != entry["old"] and len(entry["reason"].split()) >= 4


def test_no_survivor_is_listed_twice() -> None:
    keys = [(e["module"], e["function"], e["old"], e["new"]) for e in SURVIVORS]
    assert len(keys) == len(set(keys))


@pytest.mark.parametrize("module", MODULES)
def test_modules_and_their_tests_are_there(module: str) -> None:
    assert (ROOT / module).is_file()
    assert all((ROOT / test.partition("::")[0]).is_file() for test in MODULES[module])
