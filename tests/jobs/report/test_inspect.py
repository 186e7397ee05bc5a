"""inspect: every table of ours, in the terminal and as a contact sheet."""

from __future__ import annotations

import base64
import io
import re

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from jobs.core.errors import UserError
from jobs.core.tables import find_tables, open_tables
from jobs.report.inspect import main
from pipeline import schema as s
from pipeline.store.parquet import write_table
from pipeline.tables import captions_schema, selection_schema, sources_schema
from tests.helpers.shard_media import flip_byte, make_rows, make_shards


def table(rows, schema):
    return pa.table({n: [row.get(n) for row in rows] for n in schema.names}, schema=schema)


@pytest.fixture
def folder(tmp_path):
    """Shards with scores, and the small tables of a run beside them."""
    rows = make_rows(10)
    for i, row in enumerate(rows):
        row[s.MOTION_MEAN] = i / 10 if i else None
        row[s.CAMERA] = "pan" if i > 6 else "static"
    make_shards(tmp_path / "shards", rows)
    sources = [
        {s.SOURCE_ID: "a", s.SOURCE_URI: "/x/good.mp4", s.OUTCOME: "done", s.DURATION_S: 3600.0},
        {s.SOURCE_ID: "b", s.SOURCE_URI: "/x/bad.mp4", s.OUTCOME: "quarantined",
         s.ERROR_STAGE: "probe", s.ERROR_TYPE: "truncated"},
    ]  # fmt: skip
    write_table(tmp_path / "sources.parquet", table(sources, sources_schema()))
    chosen = [
        (s.Decision.KEEP, []),
        (s.Decision.REJECT, ["dark", "static"]),
        (s.Decision.REJECT, ["dark"]),
    ]
    selection = [
        {s.CLIP_ID: str(i), s.DECISION: d, s.REASONS: r} for i, (d, r) in enumerate(chosen)
    ]
    write_table(tmp_path / "selection.parquet", table(selection, selection_schema()))
    captions = [
        {s.CLIP_ID: "c0", s.KIND: "dense", s.TEXT: "a red ball rolls", s.OUTCOME: "ok"},
        {s.CLIP_ID: "c0", s.KIND: "short", s.TEXT: None, s.OUTCOME: "refused"},
    ]
    write_table(tmp_path / "captions" / "part-0.parquet", table(captions, captions_schema()))
    return tmp_path


def shown(capsys, *args):
    assert main([str(arg) for arg in args]) == 0
    return capsys.readouterr().out


def test_run_folder_shows_what_each_table_says(folder, capsys):
    text = shown(capsys, folder)
    assert re.search(r"sources +2 +1 .* 1\.000", text)
    assert re.search(r"shards +10 +\d", text)
    assert re.search(r"quarantined probe: truncated +1 +bad\.mp4", text)
    assert re.search(r"reason: dark +2", text) and re.search(r"reject +2", text)
    assert re.search(r"short +refused +1", text)
    assert re.search(r"motion_mean +9 +0\.1 .* 0\.5 .* 0\.9", text)
    assert "not measured: motion_p95" in text
    assert "camera: 7 static, 3 pan" in text
    assert "a red ball rolls" in text
    assert "video struct<bytes: binary" in text
    assert "\x1b[" not in text


@pytest.mark.parametrize("width", [40, 80])
def test_a_narrow_terminal_cuts_no_number(tmp_path, width):
    from rich.console import Console

    from jobs.report.inspect import quantiles

    rows = make_rows(3)
    for row in rows:
        row.update({s.MOTION_MEAN: -2.586e-05, s.BLUR: 3.815e-07, s.UNDEREXPOSED: 1.2345})
    make_shards(tmp_path / "shards", rows)
    (found,) = [each for each in find_tables(tmp_path) if each.name == "shards"]
    page = io.StringIO()
    Console(file=page, width=width).print(quantiles(open_tables([found]), found))
    assert "…" not in page.getvalue() and "underexposed" in page.getvalue()


def test_single_files_and_folders(folder, capsys):
    text = shown(capsys, folder / "shards.manifest.parquet")
    assert re.search(r"byte_offset +int64", text)
    assert len(re.findall(r"clip number \d drifts slowly", text)) == 3
    assert "[filmstock.schema_version]" in text
    text = shown(capsys, folder / "shards", "--captions", "0")
    assert re.search(r"shards +10", text) and "drifts" not in text
    assert [t.name for t in find_tables(folder)] == ["sources", "selection", "captions", "shards"]


def test_column_names_that_look_like_markup_survive(tmp_path, capsys):
    pq.write_table(pa.table({"[bold]x[/bold]": [1], "it's": [2]}), tmp_path / "odd'name.parquet")
    assert "[bold]x[/bold]" in shown(capsys, tmp_path / "odd'name.parquet")


def pictures(page):
    return [base64.b64decode(b) for b in re.findall(r"base64,([A-Za-z0-9+/=]+)", page)]


@pytest.mark.parametrize(
    "place", ["", "shards", "shards.manifest.parquet", "shards/part-00000.parquet"]
)
def test_contact_sheet_is_self_contained(folder, place, capsys):
    out = folder / "sheet.html"
    text = shown(capsys, folder / place, "--html", out, "--frames", "3")
    page = out.read_text()
    assert "contact sheet of" in text and "clip number" in page
    assert not re.search(r"(src|href)=\"(?!data:)", page)
    found = pictures(page)
    assert len(found) >= 2
    sizes = {Image.open(io.BytesIO(data)).size for data in found}
    assert (3 * 144, 96) in sizes  # three frames of a 48x32 clip
    assert out.stat().st_size < 5_000_000


def test_sheet_stays_small_and_shows_what_is_broken(folder, capsys, monkeypatch):
    row = pq.read_table(folder / "shards.manifest.parquet").to_pylist()[0]
    flip_byte(folder / "shards", row)
    out = folder / "sheet.html"
    shown(capsys, folder, "--html", out)
    assert "do not match their hash" in out.read_text()
    assert len(pictures(out.read_text())) == 9
    monkeypatch.setattr("jobs.report.sheet.PICTURE_BYTES", 12_000)
    shown(capsys, folder, "--html", out)
    assert len(pictures(out.read_text())) < 9 and "left out" in out.read_text()


def test_captions_are_escaped(tmp_path, capsys):
    rows = make_rows(1)
    rows[0][s.CAPTION_DENSE] = "<script>alert(1)</script>"
    make_shards(tmp_path / "shards", rows)
    shown(capsys, tmp_path, "--html", tmp_path / "sheet.html")
    assert "<script>" not in (tmp_path / "sheet.html").read_text()


def test_errors_are_one_line_with_the_fix(folder, tmp_path):
    with pytest.raises(UserError, match="does not exist; give a run folder"):
        main([str(tmp_path / "nope")])
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match="holds none of our tables; filmstock ingest"):
        main([str(tmp_path / "empty")])
    (tmp_path / "broken.parquet").write_bytes(b"PAR1 not really")
    with pytest.raises(UserError, match="is not a readable Parquet file"):
        main([str(tmp_path / "broken.parquet")])
    with pytest.raises(UserError, match="has no 'video' column"):
        main([str(folder / "captions"), "--html", str(tmp_path / "x.html")])
    (folder / "shards.manifest.parquet").unlink()
    with pytest.raises(UserError, match="holds no clips to show"):
        main([str(folder), "--html", str(tmp_path / "x.html")])
