"""The scorer of shot boundaries: tolerance, one boundary per label, spans, and the labels themselves."""

from __future__ import annotations

import json

import pytest

from benchmarks.shots import LABELS, score

TRUTH = {
    "a": {
        "fps": 25,
        "frames": 1500,
        "cuts": [100, 103],
        "gradual": [[200, 210]],
        "either": [[0, 2]],
    }
}


def test_a_label_is_found_once_and_within_its_tolerance() -> None:
    got = score(TRUTH, {"a": [98, 105, 205]})
    assert (got.right, got.missed, got.false, got.f1) == (3, (), (), 1.0)
    got = score(TRUTH, {"a": [1, 100, 101, 97, 198, 214]})
    assert got.right == 3 and got.false == ("a:97", "a:214")
    assert got.minutes == 1.0 and got.precision == pytest.approx(3 / 5)


def test_what_is_missed_is_named() -> None:
    got = score(TRUTH, {})
    assert got.missed == ("a:100", "a:103", "a:200-210")
    assert (got.recall, got.f1) == (0.0, 0.0)


def test_the_labels_are_rising_frames_of_the_file() -> None:
    labels = json.loads(LABELS.read_text())
    cuts = labels["cuts"]
    assert cuts == sorted(set(cuts)) and cuts[0] > 0 and cuts[-1] < labels["frames"]
    assert score({"a": labels}, {"a": cuts}).f1 == 1.0
