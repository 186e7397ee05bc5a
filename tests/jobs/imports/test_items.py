"""What columns of tables are called, and how times are written."""

from __future__ import annotations

import pytest

from jobs.core.errors import UserError
from jobs.imports.items import (
    ReadOptions,
    captions_of,
    parse_columns,
    roles_of,
    scores_of,
    seconds,
    spans_of,
    time_pairs,
)


@pytest.mark.parametrize(
    ("text", "found"),
    [(3, 3.0), ("12.5", 12.5), ("01:02.5", 62.5), ("1:00:01,250", 3601.25), ("7 s", 7.0)],
)
def test_times_in_every_usual_notation(text: object, found: float) -> None:
    assert seconds(text) == found


@pytest.mark.parametrize("text", ["soon", "", "1:2:3:4", True, "12;5"])
def test_what_is_no_time_is_refused(text: object) -> None:
    with pytest.raises(ValueError, match="no time"):
        seconds(text)


def test_pairs_of_times_as_lists_and_as_text() -> None:
    pair = "['0:00:03.000', '0:00:09.500']"
    assert time_pairs(pair) == [("0:00:03.000", "0:00:09.500")]
    assert time_pairs(f"[{pair}, [10, 12]]") == [("0:00:03.000", "0:00:09.500"), (10, 12)]
    assert time_pairs("0:01") == [] and time_pairs(None) == []
    with pytest.raises(ValueError, match="no pair"):
        time_pairs("[__import__('os')]")


def test_columns_are_found_by_their_usual_names_and_named_ones_win() -> None:
    names = ["Video_Path", "Caption", "long_caption", "Start_Time", "end_time", "aes", "num_frames"]
    roles, scores = roles_of(names, ReadOptions(), "t.csv")
    assert roles["path"] == "Video_Path" and roles["original"] == "Caption"
    assert roles["dense"] == "long_caption" and (roles["start"], roles["end"]) == (
        "Start_Time",
        "end_time",
    )
    own = ReadOptions(columns=parse_columns(("original=long_caption", "score=aes")))
    roles, scores = roles_of(names, own, "t.csv")
    assert roles["original"] == "long_caption" and "dense" not in roles and scores == ("aes",)
    with pytest.raises(UserError, match=r"t.csv has no column 'capton'; give one of Video_Path"):
        roles_of(names, ReadOptions(columns={"original": ("capton",)}), "t.csv")
    with pytest.raises(UserError, match="write ROLE=COLUMN"):
        parse_columns(("caption",))


def test_scores_are_the_numbers_that_nothing_else_claims() -> None:
    row = {"path": "a.mp4", "Aesthetic Score": "5.5", "fps": 24, "ok": True, "bad": float("nan")}
    assert scores_of(row, {"path": "path"}, ()) == {"aesthetic_score": 5.5}


def test_captions_of_lists_objects_and_nothing() -> None:
    roles = {"original": "cap", "structured": "caption_json"}
    row = {"cap": ["", " first ", "second"], "caption_json": {"subject": "a fox"}}
    assert captions_of(row, roles) == {"original": "first", "structured": '{"subject": "a fox"}'}
    assert captions_of({"cap": None, "caption_json": {}}, roles) == {}


def test_an_interval_that_ends_before_it_starts_is_refused() -> None:
    roles = {"start": "a", "end": "b"}
    with pytest.raises(ValueError, match="from 3.0 to 1.0"):
        list(spans_of({"a": 3, "b": 1}, roles))
    (span,) = spans_of({"a": "", "b": None}, roles)
    assert span.start is None and span.end is None
