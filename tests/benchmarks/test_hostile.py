"""The hostile run in small: special files and some damage through the real splitter, and what counts as wrong."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks.hostile import Outcome, gather, run_all, show
from benchmarks.specials import SPECIALS
from pipeline.config import IngestConfig

CONFIG = IngestConfig(min_clip_s=0.2, deadline_s=60.0)
COSTLY = "8k.mp4"


def test_special_and_damaged_files_end_typed_and_in_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("FILMSTOCK_TESTDATA", raising=False)
    monkeypatch.delitem(SPECIALS, COSTLY)
    files = list(gather(tmp_path, 40, 0))
    ends = run_all(files, tmp_path / "out", CONFIG, 1)
    assert [(end.path.name, end.failure, end.wrong) for end in ends if end.wrong] == []
    told = {end.path.name: end.failure or end.outcome for end in ends}
    assert {name: told[name] for name in SPECIALS} == {
        "empty.mp4": "open/empty_file",
        "one-byte.mp4": "open/invalid_data",
        "text.mp4": "open/invalid_data",
        "zeros.mp4": "open/invalid_data",
        "noise.mkv": "open/invalid_data",
        "archive.mp4": "open/invalid_data",
        "picture.mp4": "open/container_refused",
        "sound.mp4": "probe/no_video_stream",
        "header-only.mp4": told["header-only.mp4"],
        "single-frame.mp4": "done",
        "16x16.mp4": "done",
        "2x2.mkv": "done",
        "1x1.mkv": "probe/bad_size",
        "odd.mkv": "done",
        "thin.mkv": "done",
        "claims-10h.mp4": "done",
        "really-10h.mp4": "done",
        "a-leap.mkv": "done",
        "crowded.mkv": "done",
    }
    assert told["header-only.mp4"].startswith("decode/")
    show(ends, 1.0)
    table = capsys.readouterr().out
    assert "open/empty_file" in table and "nearest to its deadline" in table


def test_what_counts_as_wrong() -> None:
    good = Outcome(
        path=Path("a"),
        outcome="quarantined",
        failure="decode/timeout",
        message="too slow",
        spent_s=1.0,
        wall_s=1.0,
        deadline_s=2.0,
    )
    assert good.wrong is None
    for change in (
        {"outcome": "escaped"},
        {"failure": "decode/"},
        {"failure": "decode/zero_division"},
        {"message": ""},
        {"outcome": "done"},
    ):
        assert replace(good, **change).wrong == "untyped", change
    assert replace(good, spent_s=60.0).wrong == "late"
