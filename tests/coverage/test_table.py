"""The table of coverage that CI prints speaks of the code more or less as it is."""

from __future__ import annotations

import importlib.util
import sys
from datetime import date
from pathlib import Path

import pytest

SPEC = importlib.util.spec_from_file_location("measure", Path(__file__).with_name("measure.py"))
assert SPEC is not None and SPEC.loader is not None
measure = sys.modules["measure"] = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(measure)

MOST_CHANGE = 0.25
"""Share by which a package may grow or shrink before its tests are measured again."""


def test_a_package_is_in_it_once_and_one_that_is_not_is_told() -> None:
    names = [one.package for one in measure.read_table()]
    assert names == [package for package in measure.PACKAGES if package in names]
    told = "\n".join(measure.table_lines([]))
    assert all(f"{name:<10} not measured" in told for name in measure.PACKAGES)


@pytest.mark.parametrize("one", measure.read_table(), ids=lambda one: one.package)
def test_it_is_not_stale(one: measure.Covered) -> None:
    """A share of code that is gone says nothing about the code that came."""
    assert abs(measure.grown(one)) < MOST_CHANGE, f"make coverage PACKAGE={one.package}"
    assert 0 < one.lines_run <= one.lines < one.written
    assert 0 < one.branches_run <= one.branches
    date.fromisoformat(one.date)
    assert (Path(__file__).parents[1] / one.package).is_dir()


def test_lines_are_aligned_and_a_table_is_read_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = [
        measure.Covered(
            package=name, date="2026-11-27", written=10 * size, lines=9 * size, lines_run=8 * size,
            branches=size, branches_run=size,
        )
        for name, size in (("vae", 7), ("dit", 1234))
    ]  # fmt: skip
    head, *lines = measure.table_lines(whole)
    assert {line.index("2026-11-27") for line in lines[:2]} == {head.index("measured")}
    assert "88.9% of 63" in lines[0] and "100.0% of 1,234" in lines[1]
    monkeypatch.setattr(measure, "TABLE", tmp_path / "table.toml")
    measure.write_table(whole[::-1])
    assert measure.read_table() == whole
    grown = measure.grown(whole[0])
    assert measure.written_lines("vae") == round(70 * (1 + grown))


def test_a_package_that_is_not_there_is_named() -> None:
    with pytest.raises(SystemExit, match="vea: no package; there are pipeline, "):
        measure.main(["vea"])
