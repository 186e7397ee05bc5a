"""Thresholds found in predicates, and the clips around them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from jobs.report.edges import NEAREST, Edge, bounds, find_edges
from pipeline import schema as s
from pipeline.config import BestConfig, SelectConfig


def run_of(select: SelectConfig, reasons: list[list[str]] | None = None, **columns: Any) -> Any:
    """What ``find_edges`` needs of a run."""
    from jobs.report.data import Run

    n = len(next(iter(columns.values())))
    ids = [f"clip{i:03}" for i in range(n)]
    return Run(
        folder=Path("run"),
        clips=pa.table({s.CLIP_ID: ids, **columns}),
        decisions=np.array(["keep"] * n),
        reasons=reasons or [[] for _ in ids],
        duplicate_of=[None] * n,
        steps=(*select.where, *select.best),
        sources=[],
        captions=None,
        corrected={},
        select=select,
        recipe="",
        stages={},
        made_by={},
    )


@pytest.mark.parametrize(
    ("rule", "found"),
    [
        ("motion_mean > 0.0005", [("motion_mean", ">", 0.0005)]),
        ("blur IS NULL OR blur < 2.5 OR x < .5", [("blur", "<", 2.5), ("x", "<", 0.5)]),
        ("(a>=-1e-3)AND(b <= 4)", [("a", ">=", -1e-3), ("b", "<=", 4)]),
        ("NOT (a > 1)", [("a", ">", 1)]),
        (
            "abs(a) > 1 OR ABS( b ) <= 2",
            [("a", "<", -1), ("a", ">", 1), ("b", ">=", -2), ("b", "<=", 2)],
        ),
        ("a BETWEEN 1 AND 5 AND b < 2", [("a", ">=", 1), ("a", "<=", 5), ("b", "<", 2)]),
        ("x > 1 or a not between -1 and 0.5", [("x", ">", 1), ("a", "<", -1), ("a", ">", 0.5)]),
        ("a + b > 1", []),
        ("a > 1 + b", []),
        ("abs(a - b) > 1", []),
        ("a between b and 3", []),
        ("a > b", []),
        ("0.5 > blur", [("blur", "<", 0.5)]),
        ("5 <= height AND 2 > 1", [("height", ">=", 5)]),
        ("blur < 2.5::DOUBLE", [("blur", "<", 2.5)]),
        ("CASE WHEN a > 1 THEN b < 2 ELSE TRUE END", [("a", ">", 1), ("b", "<", 2)]),
        ("camera = 'a > 1'", []),
        ("a > 1 /* b > 2 */", [("a", ">", 1)]),
        ("a > (", []),
    ],
)
def test_bounds_of_bare_columns(rule: str, found: list[tuple[object, ...]]) -> None:
    assert [(each.column, each.op, each.threshold) for each in bounds(rule)] == found


@pytest.mark.parametrize(
    ("rule", "if_true", "if_false"),
    [
        ("a > 1", ["TRUE"], ["FALSE"]),
        ("a > 1 OR b < 2", ["TRUE OR b < 2", "a > 1 OR TRUE"], ["FALSE OR b < 2", "a > 1 OR FALSE"]),
        ("NOT (a > 1)", ["NOT (TRUE)"], ["NOT (FALSE)"]),
        ("a NOT BETWEEN 1 AND 2", ["TRUE", "TRUE"], ["FALSE", "FALSE"]),
    ],
)  # fmt: skip
def test_the_part_that_bounds_is_set_to_a_truth_value(
    rule: str, if_true: list[str], if_false: list[str]
) -> None:
    assert [each.if_true for each in bounds(rule)] == if_true
    assert [each.if_false for each in bounds(rule)] == if_false


def test_both_ends_of_a_range_are_thresholds() -> None:
    run = run_of(
        SelectConfig(where={"range": "blur BETWEEN 2 AND 4"}), blur=[1.0, 2.0, 3.0, 4.0, 5.0]
    )
    low, high = find_edges(run)
    assert (low.text, low.below, low.above) == ("blur >= 2", (0,), (1, 2, 3, 4))
    assert (high.text, high.below, high.above) == ("blur <= 4", (3, 2, 1, 0), (4,))
    run = run_of(SelectConfig(where={"size": "abs(blur) < 2"}), blur=[-3.0, -1.0, 1.0, 3.0])
    low, high = find_edges(run)
    assert (low.text, high.text) == ("blur > -2", "blur < 2")
    assert (low.n_below, high.n_above, low.decides) == (1, 1, 4)


def test_nearest_clips_on_both_sides() -> None:
    values = [float(v) for v in range(20)] + [None]
    run = run_of(SelectConfig(where={"low": "blur > 9"}), blur=values)
    (edge,) = find_edges(run)
    assert (edge.n_below, edge.n_above, edge.decides) == (10, 10, 20)
    assert edge.below == tuple(range(9, 9 - NEAREST, -1)), "a clip at the bound of > fails"
    assert edge.above == tuple(range(10, 10 + NEAREST))
    assert edge.keeps_above


def test_a_clip_at_the_bound_passes_when_the_rule_says_so() -> None:
    run = run_of(SelectConfig(where={"a": "blur >= 2", "b": "blur <= 2"}), blur=[1.0, 2.0, 3.0])
    at_least, at_most = find_edges(run)
    assert (at_least.below, at_least.above) == ((0,), (1, 2))
    assert (at_most.below, at_most.above) == ((1, 0), (2,))


def test_a_part_shows_only_clips_that_it_decides() -> None:
    rule = "blur IS NULL OR blur < 2 OR concept_text < 0.5"
    run = run_of(
        SelectConfig(where={"text": rule}),
        blur=[1.0, 1.0, 3.0, 3.0, None],
        concept_text=[0.1, 0.9, 0.1, 0.9, 0.9],
    )
    blur, text = find_edges(run)
    assert (blur.below, blur.above) == ((1,), (3,)), "the others have little text"
    assert (text.below, text.above) == ((2,), (3,)), "the others are not sharp"


def test_a_rule_that_the_manifest_cannot_answer_is_left_out() -> None:
    run = run_of(SelectConfig(where={"a": "blur > 1 AND gone = 2", "b": "name > 3"}), blur=[1.0])
    assert find_edges(run) == []


def test_the_cut_of_a_keep_rate_target() -> None:
    select = SelectConfig(where={"low": "blur > 1"}, best={"top": BestConfig(by="blur", keep=0.5)})
    reasons = [["low"], ["top"], ["top"], [], []]
    run = run_of(select, reasons, blur=[1.0, 2.0, 3.0, 4.0, 5.0])
    edge = find_edges(run)[1]
    assert (edge.op, edge.threshold, edge.below, edge.above) == (">=", 4.0, (2, 1), (3, 4))


def test_a_target_that_no_one_value_divides_has_no_edge() -> None:
    select = SelectConfig(best={"top": BestConfig(by="blur", keep=0.5)})
    run = run_of(select, [["top"], [], ["top"], []], blur=[1.0, 2.0, 3.0, 4.0])
    assert find_edges(run) == []


def edge_at(threshold: float) -> Edge:
    return Edge(reason="reason", rule="", column="x", op=">", threshold=threshold)


def test_an_edge_says_what_it_is() -> None:
    assert edge_at(0.0005).text == "x > 0.0005"
