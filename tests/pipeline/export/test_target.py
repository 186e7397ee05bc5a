"""What tables of an export are written as: any text comes back from the reader of each format."""

from __future__ import annotations

import csv
import io
import json
import tomllib
from typing import Any

import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.export.target import to_csv, to_json, to_jsonl, to_toml, to_yaml

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
WORDS = frozenset({"yes", "off", "true", "false", "null"})
"""Names that YAML takes for a value."""
NUMBER = st.integers(-(2**53), 2**53) | st.floats(-1e6, 1e6)
ROW = st.fixed_dictionaries({"path": TEXT, "caption": TEXT, "frames": st.integers(0, 999)})


@settings(max_examples=50)
@given(st.lists(ROW, max_size=2))
def test_rows_come_back_from_tables_of_lines(rows: list[dict[str, Any]]) -> None:
    """Quotes, commas, line ends and letters of every script are parts of captions."""
    assert [json.loads(line) for line in to_jsonl(rows).split("\n")[:-1]] == rows
    assert json.loads(to_json(rows)) == rows
    found = list(csv.DictReader(io.StringIO(to_csv(rows), newline="")))
    assert found == [{name: str(value) for name, value in row.items()} for row in rows]


NAME = st.from_regex(r"[a-z][a-z_]{2,8}", fullmatch=True).filter(lambda n: n not in WORDS)
VALUE = TEXT | NUMBER | st.booleans() | st.lists(TEXT | NUMBER, max_size=3) | ROW


@settings(max_examples=50)
@given(st.dictionaries(NAME, VALUE | st.lists(ROW, min_size=1, max_size=2), max_size=3))
def test_settings_come_back_from_toml_and_yaml(found: dict[str, Any]) -> None:
    """A folder whose name the trainer reads otherwise is not found."""
    assert (yaml.safe_load(to_yaml(found)) or {}) == found
    assert tomllib.loads(to_toml(found)) == found
