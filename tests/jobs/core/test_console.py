"""Progress in a pipe: a line now and then and one at the end, on stderr, with counts that add up."""

from __future__ import annotations

import io
import logging
import os
import sys
import threading

import pytest

from jobs.core import console
from jobs.core.console import (
    Progress,
    busy,
    clock,
    held_warnings,
    logged_lines,
    say,
    silent_stderr,
    warn,
)


def test_results_go_to_stdout_and_warnings_to_stderr(capsys: pytest.CaptureFixture[str]):
    say("12 clips")
    warn("3 failed")
    caught = capsys.readouterr()
    assert caught.out == "12 clips\n"
    assert caught.err == "warning: 3 failed\n"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0s"), (59.4, "59s"), (59.6, "1m00s"), (125, "2m05s"), (3725, "1h02m")],
)
def test_durations_are_readable(seconds: float, text: str):
    assert clock(seconds) == text


def test_progress_in_a_pipe_is_rare_and_ends_with_the_total(capsys: pytest.CaptureFixture[str]):
    with Progress("caption", total=1000, unit="clips") as progress:
        for _ in range(1000):
            progress.update(1, "0.4 hours")
    caught = capsys.readouterr()
    assert caught.out == ""
    assert caught.err.startswith("caption: 1000/1000 clips")
    assert caught.err.endswith("0.4 hours\n")
    assert caught.err.count("\n") == 1
    assert "\r" not in caught.err


def test_progress_tells_the_time_left(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    now = [100.0]
    monkeypatch.setattr(console.time, "monotonic", lambda: now[0])
    progress = Progress("encode", total=40)
    now[0] += 10
    progress.update(10)
    assert capsys.readouterr().err == "encode: 10/40, 30s left\n"


def test_what_starting_took_does_not_count_for_the_time_left(monkeypatch: pytest.MonkeyPatch):
    now = [100.0]
    monkeypatch.setattr(console.time, "monotonic", lambda: now[0])
    progress = Progress("caption", total=100)
    now[0] += 20  # a model is loaded
    progress.update()
    assert progress.line() == "caption: 1/100, 20s", "33 minutes of loading are not to come"
    now[0] += 10
    progress.update(9)
    assert progress.line() == "caption: 10/100, 1m40s left"


def test_a_pipe_is_told_the_end_once(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    now = [100.0]
    monkeypatch.setattr(console.time, "monotonic", lambda: now[0])
    with Progress("encode", total=2) as progress:
        now[0] += 10
        progress.update(2)
    assert capsys.readouterr().err == "encode: 2/2, 10s\n"


def test_items_that_needed_no_work_say_nothing_about_the_time_left(
    monkeypatch: pytest.MonkeyPatch,
):
    now = [100.0]
    monkeypatch.setattr(console.time, "monotonic", lambda: now[0])
    progress = Progress("ingest", total=1000)
    now[0] += 1
    progress.skip(900)
    assert progress.line() == "ingest: 900/1000, 1s"
    now[0] += 9
    progress.update(10)
    assert progress.line() == "ingest: 910/1000, 1m30s left"


def test_a_stage_that_fails_says_it_stopped(capsys: pytest.CaptureFixture[str]):
    with pytest.raises(RuntimeError), Progress("pack", total=3) as progress:
        progress.update()
        raise RuntimeError
    assert "pack: 1/3" in capsys.readouterr().err


def test_progress_without_a_total_counts(capsys: pytest.CaptureFixture[str]):
    with Progress("ingest", unit="clips") as progress:
        progress.update(7)
    assert capsys.readouterr().err.startswith("ingest: 7 clips, ")


def test_warnings_wait_for_the_checks_and_are_said_once(capsys: pytest.CaptureFixture[str]):
    with held_warnings():
        warn("nothing is held out")
        warn("nothing is held out")
        with held_warnings():
            warn("another")
        assert capsys.readouterr().err == ""
    assert capsys.readouterr().err == "warning: nothing is held out\nwarning: another\n"


def test_warnings_of_refused_input_are_dropped(capsys: pytest.CaptureFixture[str]):
    with pytest.raises(ValueError, match="no"), held_warnings():
        warn("nothing is held out")
        raise ValueError("no")
    warn("after")
    assert capsys.readouterr().err == "warning: after\n"


def test_what_a_library_logs_is_printed_as_a_warning(capsys: pytest.CaptureFixture[str]):
    log = logging.getLogger("pipeline.loader.held_out")
    root = logging.StreamHandler()
    logging.getLogger().addHandler(root)  # as some libraries do
    try:
        with logged_lines():
            log.warning("all %d sources", 3)
            log.info("silent")
    finally:
        logging.getLogger().removeHandler(root)
    assert capsys.readouterr().err == "warning: all 3 sources\n"
    assert log.parent is not None and not logging.getLogger("pipeline").handlers


def test_what_is_under_way_is_told_and_counts_for_the_time_left(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    clock = [100.0]
    monkeypatch.setattr("jobs.core.console.time.monotonic", lambda: clock[0])
    progress = Progress("ingest", 2, "sources")
    clock[0] += 60
    progress.inside("a.mp4: cut up to 10m00s of 1h00m", 0.5)
    assert capsys.readouterr().err == (
        "ingest: 0/2 sources, 3m00s left, a.mp4: cut up to 10m00s of 1h00m\n"
    )
    clock[0] += 60
    progress.inside("", 0.0)
    assert capsys.readouterr().err == "", "a pipe gets no line where there is nothing to say"
    progress.close()
    assert capsys.readouterr().err == "ingest: 0/2 sources, 2m00s\n"


def on_terminal(monkeypatch: pytest.MonkeyPatch) -> io.StringIO:
    """A stderr that is a terminal; nothing is said again but by ``tick``."""
    text = io.StringIO()
    monkeypatch.setattr(text, "isatty", lambda: True, raising=False)
    monkeypatch.setattr(sys, "stderr", text)
    monkeypatch.setattr(Progress, "keep_ticking", lambda self: None)
    return text


def test_a_terminal_shows_the_line_at_once_and_again_while_nothing_is_done(
    monkeypatch: pytest.MonkeyPatch,
):
    terminal = on_terminal(monkeypatch)
    now = [100.0]
    monkeypatch.setattr(console.time, "monotonic", lambda: now[0])
    with Progress("ingest", 3, "sources") as progress:
        assert terminal.getvalue() == "\ringest: 0/3 sources, 0s"
        progress.tick()
        now[0] += 2
        progress.tick()
        assert terminal.getvalue().count("\r") == 2, "not before there was silence"
        assert "ingest: 0/3 sources, 2s" in terminal.getvalue()


def test_only_the_inner_line_is_said_again_and_lines_for_people_stand_alone(
    monkeypatch: pytest.MonkeyPatch,
):
    terminal = on_terminal(monkeypatch)
    now = [100.0]
    monkeypatch.setattr(console.time, "monotonic", lambda: now[0])
    with Progress("train-dit") as outer:
        with busy("sample", "loading models"):
            now[0] += 5
            outer.tick()
            warn("no GPU")
        assert terminal.getvalue() == (
            "\rtrain-dit, 0s\n\rsample: loading models, 0s\nwarning: no GPU\n"
        )
        outer.tick()
        assert terminal.getvalue().endswith("\rtrain-dit, 5s")


def test_a_pipe_is_told_that_work_goes_on(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    now = [100.0]
    monkeypatch.setattr(console.time, "monotonic", lambda: now[0])
    monkeypatch.setattr(Progress, "keep_ticking", lambda self: None)
    with busy("sample", "loading models"):
        pass
    assert capsys.readouterr().err == "", "nothing of what is soon over"
    with Progress("ingest", 3, "sources") as progress:
        now[0] += 11
        progress.tick()
        assert capsys.readouterr().err == "ingest: 0/3 sources, 11s\n"


def test_what_is_said_again_ends_with_the_block(monkeypatch: pytest.MonkeyPatch):
    said = threading.Event()
    monkeypatch.setattr(console, "TTY_SILENT_S", 0.001)
    monkeypatch.setattr(Progress, "tick", lambda self: said.set())
    with pytest.raises(ValueError, match="no"), Progress("pack", 3):
        assert said.wait(60)
        raise ValueError("no")
    assert not console.shown


def test_what_native_code_prints_is_silenced_and_progress_is_not(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(sys, "stderr", os.fdopen(2, "w", closefd=False))  # as outside of tests
    with silent_stderr():
        os.write(2, b"noise of a core")
        Progress("ingest", 3, "sources").close()
    os.write(2, b"later\n")
    assert capfd.readouterr().err == "ingest: 0/3 sources, 0s\nlater\n"
