"""The list of accepted survivors speaks of the code as it is, and gives a reason for each."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import pytest

from tests.mutation.run import drawn

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
SURVIVORS = tomllib.loads((HERE / "accepted.toml").read_text())["survivor"]
NAMED = tomllib.loads((HERE / "modules.toml").read_text())
MODULES = NAMED["tests"]


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


@pytest.mark.parametrize("module", NAMED["left_out"])
def test_tests_that_are_left_out_are_there(module: str) -> None:
    """Of a test that was renamed, each mutant would wait again."""
    assert (ROOT / module).is_file()
    for test in NAMED["left_out"][module]:
        file, _, function = test.partition("::")
        assert (f"def {function}(" if function else "def ") in (ROOT / file).read_text()


def test_a_sample_is_the_same_whenever_it_is_drawn_and_no_larger_than_asked() -> None:
    """A second run would otherwise ask for other mutants, and a rate before be none of the rate after."""
    names = [f"mutant {number}" for number in range(300)]
    some = drawn(names, 150)
    assert len(some) == 150 and some < set(names)
    assert drawn(reversed(names), 150) == some
    assert drawn(names[:20], 150) == set(names[:20])
    numbers = sorted(int(name.split()[1]) for name in some)
    assert numbers[0] < 30 and numbers[-1] > 270, "from all of the module"
