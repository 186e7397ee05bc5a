"""The benchmark of wrong inputs notices what it is for; its quickest cases are run."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks import bad_inputs
from benchmarks.bad_input_cases import all_cases
from benchmarks.bad_input_cases.case import case
from benchmarks.bad_input_cases.places import files, sealed
from benchmarks.bad_inputs import Outcome, difference, faults, run_forked, run_process, snapshot
from jobs.cli import COMMANDS

QUICK = (
    "curate films", "curate --out new", "curate empty.txt --out new", "curate ftp://host/a.mp4 --out new",
    "curate films --out new --recipe nan.toml", "curate films --out new --limit 0", "film new --minutes nan",
    "world new --fps nan", "world words.txt", "models fetch", "select nowhere", "select empty", "encode nowhere",
    "inspect words.txt", "status empty", "shots text.mp4 --deadline-s nan",
    "recipe demmo", "recipe --keys ingets", "cuarte films",
)  # fmt: skip


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("place")
    files(folder)
    sealed(folder)
    return folder


def test_every_command_has_cases_and_there_are_many():
    cases = all_cases()
    assert len(cases) >= 200
    assert {one.command[0] for one in cases if one.command} >= set(COMMANDS)
    assert len({(one.command, str(one.env)) for one in cases}) == len(cases)


@pytest.mark.parametrize("line", QUICK)
def test_a_wrong_input_is_one_line_that_says_it_all(line: str, place: Path):
    one = next(
        (each for each in all_cases() if each == case(line, *each.says, user=each.user)), None
    )
    one = one or case(line)
    before = snapshot(place)
    outcome = run_forked(one, place)
    assert faults(one, outcome, difference(before, snapshot(place))) == [], outcome.err


def test_a_real_process_answers_the_same(place: Path):
    one = case("cuarte films", "cuarte", "curate")
    assert faults(one, run_process(one, place), []) == []


def test_rights_are_given_up(place: Path):
    one = case(
        "curate films --out new --recipe secret.toml",
        "secret.toml",
        "Permission denied",
        user=True,
    )
    assert faults(one, run_forked(one, place), []) == []


def outcome(**changes: object) -> Outcome:
    good = {"code": 2, "out": "", "err": "filmstock: x is 3; give 4\n", "wall_s": 0.1, "cpu_s": 0.1}
    return Outcome(**{**good, **changes})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("changes", "touched", "said"),
    [
        ({"code": 0}, [], "exit code 0, not 2"),
        ({"err": "filmstock: x is 3; give 4\nmore\n"}, [], "2 lines"),
        ({"err": "x is 3; give 4\n"}, [], "does not start"),
        ({"err": "filmstock: y is 3; give 4\n"}, [], "does not say 'x'"),
        ({"err": "filmstock: x is 3\n"}, [], "no fix"),
        ({}, ["new"], "touched new"),
    ],
)
def test_a_bad_answer_is_noticed(changes: dict, touched: list[str], said: str):
    found = faults(case("a", "x", "3"), outcome(**changes), touched)
    assert any(said in text for text in found)
    assert faults(case("a", "x", "3"), outcome(), []) == []


def test_a_change_of_a_folder_is_noticed(tmp_path: Path):
    (tmp_path / "a").write_text("1")
    before = snapshot(tmp_path)
    assert difference(before, snapshot(tmp_path)) == []
    (tmp_path / "a").write_text("2")
    (tmp_path / "b").mkdir()
    after = snapshot(tmp_path)
    assert difference(before, after) == ["a", "b"]
    bad_inputs.mend(tmp_path, before, after)
    assert not (tmp_path / "b").exists()
