"""Tables of wrong inputs: what a line means, and lines that mean nothing."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.bad_input_cases import TABLES, odd, table
from benchmarks.bad_input_cases.case import Case, case
from benchmarks.bad_input_cases.odd import BYTES


def read(folder: Path, text: str) -> list[Case]:
    path = folder / "some.txt"
    path.write_text(text)
    return table.read(path)


def test_a_line_is_a_case_of_each_command_above_it(tmp_path: Path) -> None:
    text = "# some\n\n[status]\n[curate {} --out new]\nnowhere\n'two words' 3\n\n[view]\nempty\n"
    assert read(tmp_path, text) == [
        case("status nowhere", "nowhere"),
        case("curate nowhere --out new", "nowhere"),
        case("status 'two words' 3", "two words", "3"),
        case("curate 'two words' 3 --out new", "two words", "3"),
        case("view empty", "empty"),
    ]


@pytest.mark.parametrize(
    ("line", "meant"),
    [
        ("x -> some 'thing said'", case("status x", "some", "thing said")),
        ("-> --out", case("status", "--out")),
        ("x -> ''", case("status x", "")),
        ("'' -> \"''\"", case("status ''", "''")),
        ("x | user", case("status x", "x", user=True)),
        ("x -> y | code 4, may a.jsonl", case("status x", "y", code=4, may=("a.jsonl",))),
        ("'a | b' -> '|'", case("status 'a | b'", "|")),
    ],
)
def test_what_stands_behind_the_words(tmp_path: Path, line: str, meant: Case) -> None:
    assert read(tmp_path, f"[status]\n{line}\n") == [meant]


@pytest.mark.parametrize("line", ["'open", "x | root", "x -> 'open"])
def test_a_line_that_is_none_is_told_with_its_place(tmp_path: Path, line: str) -> None:
    with pytest.raises(ValueError, match="some.txt:2: .*: "):
        read(tmp_path, f"[status]\n{line}\n")


def test_every_table_is_read() -> None:
    assert sorted(path.stem for path in table.FOLDER.glob("*")) == sorted(TABLES)


def test_an_odd_name_stays_one_word() -> None:
    assert odd.put("two\nlines", "diff {} run") == ("diff", "two\nlines", "run")
    assert case(("judge", BYTES), odd.ESCAPED) in odd.names()
