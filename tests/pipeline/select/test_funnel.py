"""The funnel: what each step removes, what only it removes, and columns that line up."""

from __future__ import annotations

import numpy as np
import pytest

from pipeline.select.funnel import build_funnel, funnel_lines

HITS = np.array([[1, 0], [1, 1], [0, 1], [0, 0], [1, 0]], bool)
ERRORS = np.array([0, 0, 0, 0, 1], bool)


def test_each_step_counts_alone_and_together():
    funnel = build_funnel(np.full(5, 3600.0), ERRORS, ["a", "b"], HITS)
    assert [(row.step, row.removes, row.only, row.clips) for row in funnel] == [
        ("all clips", 0, 0, 5),
        ("error", 1, 1, 4),
        ("a", 2, 1, 2),
        ("b", 2, 1, 1),
        ("kept", 0, 0, 1),
    ]
    assert [row.hours for row in funnel] == pytest.approx([5, 4, 2, 1, 1])


def test_lines_are_aligned_however_long_a_name_is():
    names = ["a", "a_very_long_reason_indeed"]
    lines = funnel_lines(build_funnel(np.full(5, 1.0), ERRORS, names, HITS))
    assert len({len(line) for line in lines}) == 1
    assert lines[3].split() == ["a", "2", "1", "2", "0.0006"]


def test_a_step_counts_what_only_it_removes_and_not_what_none_or_two_do():
    hits = np.array([[1, 0], [1, 0], [1, 0], [1, 1], [0, 0], [0, 0]], bool)
    funnel = build_funnel(np.full(6, 1.0), np.zeros(6, bool), ["a", "b"], hits)
    assert [(row.removes, row.only) for row in funnel[2:4]] == [(4, 3), (1, 0)]


def test_lines_are_what_select_prints():
    assert funnel_lines(build_funnel(np.full(5, 3600.0), ERRORS, ["a", "b"], HITS)) == [
        "step        removes  only this      left      hours",
        "all clips                              5     5.0000",
        "error             1          1         4     4.0000",
        "a                 2          1         2     2.0000",
        "b                 2          1         1     1.0000",
        "kept                                   1     1.0000",
    ]
