"""Histograms of scores and bars of words."""

from __future__ import annotations

import math

import numpy as np
import pyarrow as pa

from jobs.report.scores import HEIGHT, WIDTH, draw, histograms, word_bars
from pipeline import schema as s
from pipeline.config import SelectConfig
from tests.jobs.report.test_edges import edge_at, run_of


def bars(path: str) -> int:
    return path.count("M")


def test_histogram_counts_and_missing() -> None:
    values = np.array([0.0, 0.0, 1.0, math.nan])
    drawn = draw("x", values, np.array([True, False, False, True]), [])
    assert (drawn.low, drawn.high, drawn.missing, drawn.log) == ("0", "1", 1, False)
    assert bars(drawn.all_path) == 2 and bars(drawn.kept_path) == 1
    assert f"v-{HEIGHT:.1f}" in drawn.all_path, "the fullest bin has the full height"


def test_a_threshold_near_the_data_widens_the_axis_and_a_far_one_stands_at_the_border() -> None:
    values = np.linspace(1.0, 2.0, 50)
    near, far = (draw("x", values, values > 0, [edge_at(t)]) for t in (2.5, 90.0))
    assert near.high == "2.5" and near.lines[0].x == WIDTH - 1
    assert far.high == "2" and far.lines[0].x == WIDTH - 1


def test_a_threshold_close_to_nought_makes_the_axis_logarithmic() -> None:
    values = np.concatenate([[0.0, 0.0001], np.linspace(0.05, 1.0, 50)])
    drawn = draw("x", values, values > 1, [edge_at(0.0005)])
    assert drawn.log and drawn.low.startswith("≤")
    assert 0.1 * WIDTH < drawn.lines[0].x < 0.6 * WIDTH


def test_a_score_that_is_the_same_everywhere_is_drawn() -> None:
    drawn = draw("x", np.full(9, 3.0), np.ones(9, bool), [edge_at(3.0)])
    assert bars(drawn.all_path) == 1 and 0 < drawn.lines[0].x < WIDTH


def test_names_of_thresholds_do_not_stand_on_each_other() -> None:
    values = np.linspace(0.0, 1.0, 50)
    edges = [edge_at(t) for t in (0.2, 0.21, 0.22, 0.9)]
    lines = draw("x", values, values > 0.5, edges).lines
    assert [line.edge.threshold for line in lines] == [0.2, 0.21, 0.22, 0.9]
    assert len({line.y for line in lines[:3]}) == 3
    assert lines[3].y == lines[0].y and lines[3].anchor == "end"


def test_words_are_counted_and_not_binned() -> None:
    words = ["pan", "static", None, "static", "static"]
    run = run_of(SelectConfig(), camera=words, blur=[0.1, 0.2, 0.3, 0.4, 0.5])
    run.decisions[3] = "reject"
    (bars,), empty = word_bars(run)
    assert bars.rows == (("static", 3, 2, 100.0, 66.7), ("pan", 1, 1, 33.3, 33.3))
    assert (bars.name, bars.missing, empty) == (s.CAMERA, 1, [])
    assert [each.name for each in histograms(run, [])[0]] == [s.BLUR]
    nothing = run_of(SelectConfig(), camera=pa.array([None, None], pa.string()))
    assert word_bars(nothing) == ([], [s.CAMERA])
