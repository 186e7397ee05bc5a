"""Captions of people are judged by other rules than those of models."""

from __future__ import annotations

import pytest

from captioner.check.originals import judge_original


@pytest.mark.parametrize(
    ("text", "outcome"),
    [
        ("Sunset over the bay", "ok"),
        (
            "A short walk through the old town on a rainy morning with my dog Max",
            "ok",
        ),  # no full stop
        ("I can't believe this dog", "ok"),
        ("This video shows my garden", "ok"),
        ("", "empty"),
        ("buy now buy now buy now buy now buy now buy now buy now", "looped"),
        ('{"caption": 1}', "malformed"),
        ("Der Hund läuft mit dem Ball und der Katze durch den Garten", "off_language"),
        ("北京的街道", "off_language"),
    ],
)
def test_outcomes(text: str, outcome: str) -> None:
    verdict = judge_original(text)
    assert str(verdict.outcome) == outcome
    assert (outcome == "ok") == (verdict.checks == ())
