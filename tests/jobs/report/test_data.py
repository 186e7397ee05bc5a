"""Reading a run folder: order of clips, the funnel rebuilt from the tables, what is recorded."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from benchmarks.report_size import make_run
from jobs.core.recipe import load_recipe
from jobs.core.run import open_run
from jobs.report.data import Run, funnel, public, read_run, versions, without_queries
from jobs.select.tables import read_parts
from pipeline import schema as s
from pipeline.select.select import select_clips
from pipeline.tables import sources_schema


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_run(tmp_path_factory.mktemp("data") / "run", 120, files=1, size=(64, 48))


@pytest.fixture(scope="module")
def run(folder: Path) -> Run:
    return read_run(open_run(folder))


def test_the_funnel_is_the_one_that_select_printed(folder: Path, run: Run) -> None:
    config = load_recipe(folder / "recipe.toml").select
    selection = select_clips(read_parts(folder / "manifest"), config)
    rebuilt = funnel(run)
    assert [row.step for row in rebuilt] == [row.step for row in selection.funnel]
    for mine, theirs in zip(rebuilt, selection.funnel, strict=True):
        assert (mine.removes, mine.only, mine.clips) == (theirs.removes, theirs.only, theirs.clips)
        assert mine.hours == pytest.approx(theirs.hours)


def test_clips_of_a_source_are_neighbours_in_the_order_of_time(run: Run) -> None:
    sources, starts = run.column(s.SOURCE_ID), run.numbers(s.START_S)
    same = np.array([a == b for a, b in zip(sources, sources[1:], strict=False)])
    assert same.sum() == 120 - len(set(sources))
    assert (np.diff(starts)[same] > 0).all()


def test_numbers_have_nan_for_null(run: Run) -> None:
    assert run.numbers(s.BLUR).dtype == np.float64
    assert np.isnan(run.numbers(s.AESTHETIC)).sum() == run.clips[s.AESTHETIC].null_count


def test_the_last_metrics_of_a_stage_count_and_a_cut_line_does_not(tmp_path: Path) -> None:
    folder = make_run(tmp_path / "run", 12, files=1, size=(64, 48))
    with (folder / "metrics.jsonl").open("a") as file:
        for n in (1, 2):
            file.write(json.dumps({"stage": "pack", "unreadable": n}) + "\n")
        file.write('{"stage": "pack", "unread')
    assert read_run(open_run(folder)).stages["pack"]["unreadable"] == 2


def test_reasons_of_another_recipe_are_still_steps(tmp_path: Path) -> None:
    folder = make_run(tmp_path / "run", 60, files=1, size=(64, 48))
    (folder / "recipe.toml").write_text("[no_such_section]\n")
    run = read_run(open_run(folder))
    assert {"static", "sharp"} <= set(run.steps)
    assert funnel(run)[-1].clips == int(run.kept.sum())


def test_versions_name_python_and_what_is_installed() -> None:
    found = versions()
    assert {"python", "numpy", "pyarrow", "ray"} <= set(found)
    assert all(found.values())


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("s3://bucket/a.mp4", "s3://bucket/a.mp4"),
        ("https://h/a.mp4?X-Amz-Signature=abc&t=1", "https://h/a.mp4"),
        ("ingest 'https://h/a.mp4?sig=abc' b.mp4", "ingest 'https://h/a.mp4' b.mp4"),
        ("what is this? a.mp4?x", "what is this? a.mp4?x"),
    ],
)
def test_query_strings_of_addresses_are_not_shown(text: str, shown: str) -> None:
    assert without_queries(text) == shown
    table = pa.table({s.SOURCE_URI: [text, None], s.CLIP_ID: ["a?b", "c"]})
    assert public(table).to_pydict() == {s.SOURCE_URI: [shown, None], s.CLIP_ID: ["a?b", "c"]}


SIGNED = "https://bucket.host/a.mp4?X-Amz-Signature=secret&X-Amz-Expires=900"


@pytest.mark.parametrize("column", [s.SOURCE_URI, s.ERROR_MESSAGE, s.ERROR])
def test_the_key_of_a_signed_address_is_shown_in_no_column(column: str) -> None:
    """A report is passed on; with a signature in an error message, so is the bucket."""
    table = pa.table({column: [f"open: {SIGNED} timed out", None], "other": [1, 2]})
    shown = public(table).to_pydict()
    assert shown == {column: ["open: https://bucket.host/a.mp4 timed out", None], "other": [1, 2]}


def test_a_run_that_is_read_holds_no_key_anywhere(tmp_path: Path) -> None:
    """Sources, clips and recipe, as the page prints them."""
    folder = make_run(tmp_path / "run", 12, files=1, size=(64, 48))
    part = next((folder / "manifest").glob("part-*.parquet"))
    clips = pq.read_table(part)
    for name in (s.SOURCE_URI, s.ERROR):
        at = clips.column_names.index(name)
        clips = clips.set_column(at, name, pa.array([f"score: {SIGNED}"] * len(clips)))
    pq.write_table(clips, part)
    row = {s.SOURCE_ID: "a", s.SOURCE_URI: SIGNED, s.ERROR_MESSAGE: f"open: {SIGNED} is denied"}
    pq.write_table(pa.Table.from_pylist([row], schema=sources_schema()), folder / "sources.parquet")
    recipe = (folder / "recipe.toml").read_text()
    (folder / "recipe.toml").write_text(f"# curate {SIGNED}\n{recipe}")
    run = read_run(open_run(folder))
    assert run.sources[0][s.ERROR_MESSAGE] == "open: https://bucket.host/a.mp4 is denied"
    assert set(run.column(s.ERROR)) == {"score: https://bucket.host/a.mp4"}
    assert "# curate https://bucket.host/a.mp4\n" in run.recipe
    for text in (str(run.sources), str(run.clips.to_pylist()), run.recipe):
        assert "secret" not in text
