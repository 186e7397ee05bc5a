"""Failures of sources, clips and captions, by type and by source."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pytest

from benchmarks.report_size import make_run
from jobs.core.run import open_run
from jobs.report.data import Run, read_run
from jobs.report.errors import MESSAGE, SHOWN, count_failures
from pipeline import schema as s


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    folder: Path = tmp_path_factory.mktemp("errors") / "run"
    return read_run(open_run(make_run(folder, 1000, files=1, size=(64, 48))))


def test_sources_clips_and_captions_are_counted(run: Run) -> None:
    found = count_failures(run)
    clip = next(row for row in found.by_type if row["what"] == "clip")
    assert (clip["stage"], clip["type"], clip["n"]) == ("clip", "embed", 11)
    assert clip["message"] == "the model gave NaN"
    kinds = {row["what"] for row in found.by_type}
    assert kinds == {"source", "clip", "caption"}
    assert run.captions is not None
    bad = sum(outcome != "ok" for outcome in run.captions.column(s.OUTCOME).to_pylist())
    quarantined = sum(row[s.OUTCOME] == "quarantined" for row in run.sources)
    assert found.total == bad + quarantined + 11


def test_tables_are_bounded_and_messages_cut(run: Run) -> None:
    many = [
        {
            **run.sources[0],
            s.SOURCE_URI: f"broken-{i}",
            s.OUTCOME: "quarantined",
            s.ERROR_STAGE: "open",
            s.ERROR_TYPE: f"kind{i}",
            s.ERROR_MESSAGE: "x" * 10_000,
        }
        for i in range(SHOWN * 3)
    ]
    found = count_failures(replace(run, sources=many))
    assert len(found.by_type) == SHOWN and len(found.by_source) == SHOWN
    assert found.types > SHOWN and found.sources > SHOWN
    assert max(len(row["message"]) for row in found.by_type) <= MESSAGE


def test_scores_that_a_rule_lacks_and_clips_not_packed_are_counted(run: Run) -> None:
    n = run.clips.num_rows
    clean = run.clips.set_column(
        run.clips.column_names.index(s.ERROR), s.ERROR, pa.nulls(n, pa.string())
    )
    reasons = [["unmeasured:sharp"] if i < 3 else [] for i in range(n)]
    stages = {"pack": {"unreadable": 2, "uncaptioned": 0}}
    bare = replace(run, clips=clean, reasons=reasons, sources=[], captions=None, stages=stages)
    found = count_failures(bare)
    counts = {(row["stage"], row["type"]): row["n"] for row in found.by_type}
    assert counts == {("select", "unmeasured:sharp"): 3, ("pack", "unreadable"): 2}
    assert found.total == 5


def test_each_error_of_a_clip_counts_and_the_most_frequent_type_comes_first(run: Run) -> None:
    n = run.clips.num_rows
    errors = [None] * n
    errors[0] = "score: blur: NaN; embed: memory: 3 GB"
    errors[1] = "embed: memory: 4 GB"
    at = run.clips.column_names.index(s.ERROR)
    clips = run.clips.set_column(at, s.ERROR, pa.array(errors, pa.string()))
    found = count_failures(replace(run, clips=clips, sources=[], captions=None))
    told = [(row["stage"], row["type"], row["n"], row["message"]) for row in found.by_type]
    assert told == [("embed", "memory", 2, "3 GB"), ("score", "blur", 1, "NaN")]
    assert found.total == 3 and found.types == 2


def test_a_clean_run_has_none(run: Run) -> None:
    clean = run.clips.slice(0, 0)
    assert (
        count_failures(replace(run, clips=clean, reasons=[], sources=[], captions=None)).total == 0
    )
