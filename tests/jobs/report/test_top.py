"""inspect --where --sort --top: the clips that a predicate names."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from jobs.core.errors import UserError
from jobs.core.tables import find_tables
from jobs.report.inspect import main
from jobs.report.top import top_clips
from pipeline import schema as s


@pytest.fixture
def run(tmp_path: Path) -> Path:
    rows = [
        {
            s.CLIP_ID: f"clip{i}",
            s.SOURCE_URI: f"/a/{i}.mp4",
            s.BLUR: float(i % 4),
            s.MOTION_MEAN: i / 10,
        }
        for i in range(8)
    ]
    rows[5][s.BLUR] = None
    (tmp_path / "manifest").mkdir()
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "manifest" / "part-0.parquet")
    return tmp_path


def test_clips_are_chosen_sorted_and_counted(run: Path) -> None:
    tables = find_tables(run)
    names, rows, total = top_clips(tables, where="motion_mean > 0.25", sort="blur", top=2)
    assert names == [s.CLIP_ID, s.SOURCE_URI, s.MOTION_MEAN, s.BLUR]
    assert ([row[0] for row in rows], total) == (["clip3", "clip7"], 5)
    _, rows, total = top_clips(tables, where=None, sort="-blur", top=3)
    assert ([row[-1] for row in rows], total) == ([0.0, 0.0, 1.0], 8)
    assert top_clips(tables, where="blur IS NULL", sort=None, top=9)[2] == 1
    assert top_clips(tables, where="blur > 99", sort=None, top=9)[1:] == ([], 0)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"where": "nope > 1"}, "--where = 'nope > 1': the manifest has no column 'nope'"),
        ({"where": ""}, "--where is empty"),
        ({"where": "blur >"}, "--where"),
        ({"where": "blur"}, "true-or-false"),
        ({"sort": "blurr"}, "unknown column 'blurr'; did you mean 'blur'"),
    ],
)
def test_what_cannot_be_asked_is_refused(run: Path, options: dict, said: str) -> None:
    with pytest.raises(UserError, match=said.replace("(", r"\(")):
        top_clips(find_tables(run), **{"where": None, "sort": None, "top": 3, **options})


def test_the_command_prints_a_line_a_clip(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main([str(run), "--where", "motion_mean > 0.25", "--sort", "blur", "--top", "2"])
    text = capsys.readouterr().out
    assert text.splitlines()[-1] == "2 of 5 clips"
    assert "3.mp4" in text and "/a/" not in text
    main([str(run), "--where", "blur > 99"])
    assert capsys.readouterr().out == "no such clip\n"
