"""A stage stops when nothing can succeed, and goes on when single rows fail."""

import pytest

from jobs.core.errors import UserError
from jobs.core.systemic import FIRST, LEAST, Failures, alike

DEAD = "HTTP 500: CUDA out of memory, tried to allocate {} MiB for '/data/{}.mp4'"


def test_first_failures_that_are_alike_stop_with_the_cause() -> None:
    failures = Failures("caption", "captions")
    for i in range(FIRST - 1):
        failures.add(0, [DEAD.format(i, i)])
    with pytest.raises(UserError) as caught:
        failures.add(0, [DEAD.format(99, 99)])
    line = str(caught.value)
    assert "caption stopped: the first 12 captions all failed, alike: HTTP 500: CUDA out" in line
    assert "what is done is kept" in line and "\n" not in line


def test_one_answer_or_another_cause_lets_it_go_on() -> None:
    answered = Failures("caption", "captions")
    answered.add(1)
    answered.add(0, ["HTTP 500: dead"] * FIRST)
    few = Failures("caption", "captions")
    few.add(0, ["HTTP 500: dead"] * (FIRST - 1) + ["no video"] * 5)
    mixed = Failures("caption", "captions")
    with pytest.raises(UserError, match="the first 15 captions all failed, 12 of them alike: HTTP"):
        mixed.add(0, ["no video"] * 3 + ["HTTP 500: dead"] * FIRST)


def test_failures_past_the_budget_stop() -> None:
    failures = Failures("caption", "captions", budget=0.2)
    failures.add(LEAST - 10, ["no video"] * 9)
    with pytest.raises(UserError, match="11 of 51 captions failed: no video"):
        failures.add(0, ["no video"] * 2)


def test_the_budget_is_asked_from_the_fiftieth_answer_on_and_not_before() -> None:
    failures = Failures("caption", "captions", budget=0.2)
    failures.add(LEAST - 12, ["no video"] * 11)
    with pytest.raises(UserError, match=f"11 of {LEAST} captions failed"):
        failures.add(1)
    just = Failures("caption", "captions", budget=0.2)
    just.add(LEAST - 10, ["no video"] * 10)  # a fifth, and no more


def test_what_differs_from_row_to_row_does_not_count() -> None:
    assert alike("clip 3fa9c0de: 7 of 9 bytes at /a/b.mp4") == alike(
        "clip 99aa01bc: 1 of 2 bytes at /c/d.mp4"
    )
    assert alike("HTTP 500: a") != alike("timeout: no answer")
