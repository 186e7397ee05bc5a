"""The splitter on its own: how long a file may take, and files that are written whole or not at all."""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from jobs.ingest.stages import BODY, CLIP, END, FAULT, KIND, Splitter
from pipeline import schema as s
from pipeline.config import IngestConfig
from pipeline.shards import part
from pipeline.video.probe import Probe, claimed_minutes
from tests.helpers.certificates import with_training_assertion
from tests.helpers.counter_media import write_counter


def headers(duration_s: float | None, size_bytes: int) -> Probe:
    return Probe(
        container="mp4",
        codec="h264",
        stream_index=0,
        width=64,
        height=64,
        pixel_format="yuv420p",
        sample_aspect=Fraction(1),
        fps=Fraction(25),
        time_base=Fraction(1, 25),
        start_pts=0,
        duration_s=duration_s,
        n_frames=None,
        color_transfer=2,
        size_bytes=size_bytes,
    )


def test_patience_follows_the_length_only_as_far_as_the_size_bears_it_out() -> None:
    ten_hours = 36_000.0
    assert claimed_minutes(headers(90.0, 10_000_000)) == 2
    assert claimed_minutes(headers(None, 125_000 * 600)) == 10
    assert claimed_minutes(headers(ten_hours, 1_250 * 36_000)) == 600, "a slide show of ten hours"
    assert claimed_minutes(headers(ten_hours, 8_000)) == 1, "a lie in the header"


@pytest.fixture
def splitter(tmp_path: Path) -> Iterator[Splitter]:
    made = Splitter(str(tmp_path / "out"), IngestConfig(min_clip_s=0.5), 2)
    yield made
    made.sandbox.close()


def ends(splitter: Splitter, path: Path) -> list[dict[str, Any]]:
    rows = splitter.split(0, str(path), "source")
    return [json.loads(row[BODY][0]) for row in rows if row[KIND] == [END]]


def test_every_file_has_one_end_and_its_type(splitter: Splitter, tmp_path: Path) -> None:
    (end,) = ends(splitter, write_counter(tmp_path / "a.mp4", 30))
    assert (end[s.OUTCOME], end[s.N_CLIPS]) == ("done", 1)
    assert os.listdir(splitter.clips_dir) == ["part-source.parquet"]
    (tmp_path / "text.mp4").write_text("no video")
    (end,) = ends(splitter, tmp_path / "text.mp4")
    assert (end[s.OUTCOME], end[s.ERROR_STAGE], end[s.ERROR_TYPE]) == (
        "quarantined",
        "open",
        "invalid_data",
    )


def test_a_full_disk_stops_the_job_and_is_no_fault_of_the_file(
    splitter: Splitter, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(part.os, "fsync", fail)
    rows = list(splitter.split(0, str(write_counter(tmp_path / "a.mp4", 30)), "source"))
    assert [row[KIND] for row in rows] == [[CLIP], [FAULT]], "it has no end: a rerun does it again"
    assert json.loads(rows[-1][BODY][0]) == {
        "errno": errno.ENOSPC,
        "text": os.strerror(errno.ENOSPC),
        "path": str(splitter.clips_dir / "part-source.parquet"),
    }
    assert os.listdir(splitter.clips_dir) == []
    monkeypatch.undo()
    (end,) = ends(splitter, tmp_path / "a.mp4")
    assert end[s.OUTCOME] == "done" and os.listdir(splitter.clips_dir) == ["part-source.parquet"]


def test_clips_carry_the_caption_that_came_with_their_source(
    splitter: Splitter, tmp_path: Path
) -> None:
    video = write_counter(tmp_path / "a.mp4", 30)
    (tmp_path / "a.json").write_text('{"caption": "Numbers <i>count</i> up."}')
    for config, want in (({}, "Numbers count up."), ({"sidecars": False}, None)):
        splitter.config = IngestConfig(min_clip_s=0.5, **config)
        rows = [json.loads(row[BODY][0]) for row in splitter.split(0, str(video), "source")]
        assert [row[s.CAPTION_ORIGINAL] for row in rows[:-1]] == [want]


def test_what_a_source_says_of_training_is_a_column_of_its_clips(
    splitter: Splitter, tmp_path: Path
) -> None:
    pytest.importorskip("c2pa")
    path = write_counter(tmp_path / "a.mp4", 30)

    def said() -> list[bool | None]:
        rows = [
            json.loads(r[BODY][0])
            for r in splitter.split(0, str(path), "source")
            if r[KIND] == [CLIP]
        ]
        return [row[s.TRAINING_FORBIDDEN] for row in rows]

    assert said() == [False]
    path.write_bytes(
        with_training_assertion(path.read_bytes(), "cawg.training-mining", "notAllowed")
    )
    assert said() == [True]
