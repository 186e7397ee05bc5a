"""How far a source is, while it is split: written by its splitter, read by the progress line and by status."""

from __future__ import annotations

import math
import time
from pathlib import Path

import pytest

from jobs.core.console import Progress
from jobs.core.lock import locked
from jobs.core.run import open_run
from jobs.ingest import underway
from jobs.ingest.ledger import HIDDEN, UNDERWAY, sweep
from jobs.ingest.stages import Splitter
from jobs.ingest.underway import READING, Teller, UnderWay, read_underway, watched
from jobs.report.progress import read_watched, watched_lines
from pipeline.config import IngestConfig
from tests.helpers.counter_media import write_counter


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A run folder in which sources tell how far they are at once."""
    monkeypatch.setattr(underway, "FIRST_S", 0.0)
    monkeypatch.setattr(underway, "EVERY_S", 0.0)
    monkeypatch.setattr(underway, "LOOK_S", 0.01)
    (tmp_path / "run" / HIDDEN).mkdir(parents=True)
    return tmp_path / "run"


def test_a_source_tells_shots_then_clips_and_takes_it_back(run: Path) -> None:
    teller = Teller(run, "abc", "https://host/films/a.mp4?token=secret", 3600.0)
    teller.at(720.0)
    (found,) = read_underway(run)
    assert found.text() == "a.mp4: shots found up to 12m00s of 1h00m"
    assert found.share == pytest.approx(READING * 0.2)
    teller.cuts(3590.0)
    teller.clip()
    teller.at(1795.0)
    (found,) = read_underway(run)
    assert found.text() == "a.mp4: cut up to 29m55s of 59m50s, 1 clips"
    assert found.share == pytest.approx(READING + (1 - READING) / 2)
    assert "secret" not in (run / HIDDEN / UNDERWAY / "abc.json").read_text()
    teller.close()
    assert read_underway(run) == []
    sweep(run)
    assert not (run / HIDDEN / UNDERWAY).exists()


@pytest.mark.parametrize("seconds", [math.nan, math.inf, -1.0])
def test_what_a_decoder_makes_up_is_left_out(run: Path, seconds: float) -> None:
    Teller(run, "abc", "a.mp4", None).at(seconds)
    assert read_underway(run) == []


def test_a_source_of_unknown_length_and_a_silent_one(run: Path) -> None:
    Teller(run, "abc", "a.mp4", None).at(5.0)
    (found,) = read_underway(run)
    assert (found.text(), found.share) == ("a.mp4: shots found up to 5s", 0.0)
    waits = UnderWay(source="a", cutting=False, at_s=1, of_s=2, told=time.time() - 90)
    assert waits.text() == "a: shots found up to 1s of 2s, silent for 1m30s"


def wait_for(line: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Return when a progress line holds these words."""
    said = ""
    for _ in range(3000):
        said += capsys.readouterr().err
        if line in said:
            return
        time.sleep(0.02)
    raise AssertionError(said)


def test_short_sources_write_nothing(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(underway, "FIRST_S", 60.0)
    Teller(run, "abc", "a.mp4", 10.0).at(5.0)
    assert not (run / HIDDEN / UNDERWAY).exists()


def test_the_progress_line_and_status_name_the_longest(
    run: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("jobs.core.console.PIPE_PERIOD_S", 0.0)
    Teller(run, "abc", "a.mp4", 60.0).at(30.0)
    Teller(run, "def", "b.mp4", 3600.0).at(30.0)
    with watched(run, Progress("ingest", 2, "sources")):
        wait_for("b.mp4: shots found up to 30s of 1h00m and 1 more", capsys)
    with locked(run, "ingest"):
        lines = list(watched_lines(read_watched(open_run(run))))
    assert [line.strip() for line in lines[1:3]] == [
        "b.mp4: shots found up to 30s of 1h00m",
        "a.mp4: shots found up to 30s of 1m00s",
    ]
    assert list(watched_lines(read_watched(open_run(run)))) == [], "nothing runs"


def test_a_splitter_tells_both_passes(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[UnderWay] = []
    write = Teller.at

    def at(self: Teller, seconds: float) -> None:
        write(self, seconds)
        told.extend(read_underway(run))

    monkeypatch.setattr(Teller, "at", at)
    path = write_counter(run.parent / "a.mp4", 300)
    splitter = Splitter(str(run), IngestConfig(), 4)
    try:
        list(splitter.split(0, str(path), "abc"))
    finally:
        splitter.sandbox.close()
    assert [each.cutting for each in told] == sorted(each.cutting for each in told)
    for cutting in (False, True):
        seconds = [each.at_s for each in told if each.cutting is cutting]
        assert len(seconds) > 1 and seconds == sorted(seconds) and seconds[-1] <= 12.0
    assert read_underway(run) == []


def test_what_is_scored_is_told_where_nothing_is_split(
    run: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("jobs.core.console.PIPE_PERIOD_S", 0.0)
    progress = Progress("ingest", 1, "sources")
    progress.scored = 12
    with watched(run, progress):
        wait_for("ingest: 0/1 sources, 0s, 12 clips scored", capsys)
