"""What-if: which predicate a new one takes the place of, and what the comparison says."""

from __future__ import annotations

import pyarrow as pa
import pytest

from jobs.core.errors import UserError
from jobs.select.what_if import apply_what_if, what_if_lines
from pipeline.config import SelectConfig
from pipeline.select.select import select_clips
from pipeline.tables import manifest_schema

COLUMNS = ["motion_mean", "luma_mean", "blur", "concept_text"]
WHERE = {
    "static": "motion_mean > 0.1",
    "shaking": "motion_mean < 0.7",
    "text": "blur IS NULL OR blur < 2.5 OR concept_text < 0.5",
}


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("motion_mean > 0.3", "static"),
        ("Motion_Mean>=.3", "static"),
        ("motion_mean < 0.3", "shaking"),
        ("blur < 2 OR concept_text < 0.1", "text"),
        ("luma_mean > 0.1", "what_if"),
        ("blur > 0.1", "what_if"),
        ("motion_mean::int > 0 AND luma_mean > 0", "what_if"),
    ],
)
def test_a_predicate_takes_the_place_of_the_bound_on_the_same_side(text: str, reason: str):
    where, lines = apply_what_if(WHERE, [text], COLUMNS)
    assert where == {**WHERE, reason: text}
    assert lines[0].startswith(f"what if {reason}: {text} (")
    assert WHERE.get(reason, "a new predicate") in lines[0]


def test_a_reason_can_be_named_and_several_given():
    where, _ = apply_what_if(WHERE, ["text: true", "fresh: blur > 0", "blur > 1", "1 > 0"], COLUMNS)
    assert where == {**WHERE, "text": "true", "fresh": "blur > 1", "what_if": "1 > 0"}


def test_an_unclear_one_asks_which_is_meant():
    where = {"low": "motion_mean > 0.1", "lower": "motion_mean > 0.01"}
    with pytest.raises(UserError, match="could replace low, lower; say which"):
        apply_what_if(where, ["motion_mean > 0.2"], COLUMNS)
    with pytest.raises(UserError, match="could replace low, lower"):
        apply_what_if(where, ["motion_mean BETWEEN 0 AND 1"], COLUMNS)


def test_the_comparison_counts_clips_that_go_and_come_back():
    kind = manifest_schema()
    empty = dict.fromkeys(kind.names)
    good = {**empty, "start_s": 0.0, "end_s": 3600.0, "luma_mean": 0.5}
    rows = [{**good, "clip_id": f"c{i}", "motion_mean": i / 10} for i in range(5)]
    table = pa.Table.from_pylist(rows, schema=kind)
    now = select_clips(table, SelectConfig(where={"a": "motion_mean > 0.05", "b": "luma_mean > 0"}))
    then = select_clips(
        table, SelectConfig(where={"a": "motion_mean < 0.15", "b": "luma_mean > 0"})
    )
    lines = [line.split() for line in what_if_lines(now, then)]
    assert lines[1:4] == [
        ["now", "4", "4.0000"],
        ["then", "2", "2.0000"],
        ["change", "-2", "-2.0000"],
    ]
    assert " ".join(lines[4]) == "3 kept clips would go, 1 would come back; nothing was written"
    assert lines[6:] == [["a", "1", "3", "1", "3"]], "b changes nothing"
    assert len(what_if_lines(now, now)) == 5
