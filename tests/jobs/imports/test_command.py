"""``filmstock import``: rows in, clips with captions and scores out; typed ends, reruns, and everything after it."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from jobs.caption import truth
from jobs.cli import main as cli
from jobs.core.errors import UserError
from jobs.core.recipe import Recipe, load_recipe
from jobs.core.run import open_run
from jobs.core.uses import RECORDS, imports_of, note_use
from jobs.imports.command import run
from jobs.imports.items import ReadOptions
from jobs.ingest.retry import failures
from jobs.report import page as report
from jobs.report.status import read_status
from jobs.select import command as select
from jobs.shards import pack
from pipeline import schema as s
from pipeline.shards.ranges import read_range
from tests.helpers.clip_folders import VIT_LIKE, write_folder
from tests.helpers.counter_media import numbers_of, write_counter, write_video
from tests.helpers.ingest_here import ingest_here
from tests.helpers.moving_scenes import scene, to_uint8

NAMES = ("a.mp4", "b.mkv", "long.mp4")


@pytest.fixture(scope="module")
def recipe() -> Recipe:
    return load_recipe(None, {"openclip.model": "none", "ingest.text_frames": 0})


@pytest.fixture(scope="module")
def videos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("dataset")
    write_video(folder / "a.mp4", list(to_uint8(scene(1, 30))))
    write_video(folder / "b.mkv", list(to_uint8(scene(2, 30))))
    write_counter(folder / "long.mp4", 60)
    shutil.copy(folder / "a.mp4", folder / "copy.mp4")
    (folder / "broken.mp4").write_text("no video")
    (folder / "a.txt").write_text("A plain scene drifts to the left in soft light.")
    (folder / "b.txt").write_text("the the the the the the the the")
    (folder / "long.txt").write_text("Bars blink in a steady row, one after another.")
    return folder


@pytest.fixture(autouse=True)
def here(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    if "with_ray" not in request.node.name:
        ingest_here(monkeypatch)
    yield


def table(folder: Path, name: str) -> list[dict[str, Any]]:
    path = folder / name
    parts = sorted(path.glob("*.parquet")) if path.is_dir() else [path]
    return [row for part in parts for row in pq.ParquetFile(part).read().to_pylist()]


def clip_bytes(folder: Path, row: dict[str, Any]) -> bytes:
    return read_range(folder / "clips", row[s.SHARD], row[s.BYTE_OFFSET], row[s.BYTE_LENGTH])


def by_name(folder: Path) -> dict[str, dict[str, Any]]:
    return {Path(row[s.SOURCE_URI]).name: row for row in table(folder, "manifest")}


def test_a_folder_becomes_clips_with_their_bytes_and_captions(
    videos: Path, recipe: Recipe, tmp_path: Path
) -> None:
    out = tmp_path / "run"
    counts = run(recipe, videos, out)
    assert (counts.rows, counts.imported) == (5, 3)
    assert dict(counts.reasons) == {"open/invalid_data": 1, "duplicate": 1}
    assert dict(counts.captions) == {"ok": 2, "looped": 1}
    found = by_name(out)
    assert set(found) == set(NAMES)
    for name in ("a.mp4", "long.mp4"):
        assert clip_bytes(out, found[name]) == (videos / name).read_bytes()
    assert found["long.mp4"][s.N_FRAMES] == 60 and found["a.mp4"][s.MOTION_MEAN] > 0
    ends = {row[s.GIVEN_ID]: row for row in table(out, "imports.parquet")}
    assert ends["a.mp4"][s.CLIP_ID] == found["a.mp4"][s.CLIP_ID]
    assert (ends["copy.mp4"][s.OUTCOME], ends["copy.mp4"][s.ERROR_TYPE]) == ("dropped", "duplicate")
    assert ends["broken.mp4"][s.OUTCOME] == "quarantined"
    captions = {row[s.CLIP_ID]: row for row in table(out, "captions")}
    own = captions[found["a.mp4"][s.CLIP_ID]]
    assert (own[s.KIND], own[s.TEXT]) == ("original", (videos / "a.txt").read_text())
    assert captions[found["b.mkv"][s.CLIP_ID]][s.OUTCOME] == "looped"


def test_an_export_of_ours_knows_who_imported_it(
    videos: Path, recipe: Recipe, tmp_path: Path
) -> None:
    (tmp_path / "set" / RECORDS).mkdir(parents=True)
    shutil.copy(videos / "a.mp4", tmp_path / "set")
    note_use(tmp_path / "origin", "export", tmp_path / "set")
    run(recipe, tmp_path / "set", tmp_path / "measured", store=False)
    assert imports_of(tmp_path / "origin") == [], "an audit leaves a folder as it is"
    run(recipe, tmp_path / "set", tmp_path / "run")
    assert imports_of(tmp_path / "origin") == [str(tmp_path / "run")]


def test_rows_of_a_table_are_cut_and_bring_their_scores(
    videos: Path, recipe: Recipe, tmp_path: Path
) -> None:
    rows = [
        {"path": "long.mp4", "start": 0.4, "end": 1.2, "caption": "First part.", "aes": 5.5},
        {"path": "long.mp4", "start": 0.8, "end": 1.6, "dense_caption": "Second part.", "aes": 4.5},
        {"path": "long.mp4", "start": 0.4, "end": 1.2, "caption": "The first again."},
        {"path": "long.mp4", "start": 7, "end": 9},
        {"path": "gone.mp4", "caption": "Nothing."},
        {"path": "a.mp4", "start": 1, "end": 0.5},
        {"id": "b", "caption_short": "A whole file."},
    ]
    source, out = tmp_path / "t.jsonl", tmp_path / "run"
    source.write_text("\n".join(map(json.dumps, rows)))
    options = ReadOptions(videos=videos)
    counts = run(recipe, source, out, options=options)
    ends = [(row[s.OUTCOME], row[s.ERROR_TYPE]) for row in table(out, "imports.parquet")]
    assert ends == [
        ("imported", None),
        ("imported", None),
        ("dropped", "repeated"),
        ("dropped", "outside"),
        ("quarantined", "open/unreadable"),
        ("dropped", "bad_time"),
        ("imported", None),
    ]
    assert counts.imported == 3
    long = [row for row in table(out, "manifest") if row[s.SOURCE_URI].endswith("long.mp4")]
    frames = {numbers_of(clip_bytes(out, row))[0][0]: row for row in long}
    assert numbers_of(clip_bytes(out, frames[10]))[0] == list(range(10, 30))
    assert numbers_of(clip_bytes(out, frames[20]))[0] == list(range(20, 40))
    scores = {first: row[s.GIVEN_PREFIX + "aes"] for first, row in frames.items()}
    assert scores == {10: 5.5, 20: 4.5}
    kinds = {(row[s.KIND], row[s.TEXT]) for row in table(out, "captions")}
    assert kinds == {
        ("original", "First part."),
        ("dense", "Second part."),
        ("short", "A whole file."),
    }


def test_a_rerun_does_nothing_and_a_changed_row_is_done_anew(
    videos: Path, recipe: Recipe, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source, out = tmp_path / "t.jsonl", tmp_path / "run"
    rows = [{"path": name, "caption": f"Of {name}."} for name in ("a.mp4", "long.mp4")]
    source.write_text("\n".join(map(json.dumps, rows)))
    options = ReadOptions(videos=videos)
    run(recipe, source, out, options=options)
    before = {path: path.read_bytes() for path in out.rglob("*.parquet")}
    capsys.readouterr()
    run(recipe, source, out, options=options)
    assert "ingest: nothing to do" in capsys.readouterr().out
    assert {path: path.read_bytes() for path in out.rglob("*.parquet")} == before
    rows[1] |= {"start": 0.4, "end": 1.2, "caption": "A part of it."}
    source.write_text("\n".join(map(json.dumps, rows)))
    run(recipe, source, out, options=options)
    found = by_name(out)
    assert numbers_of(clip_bytes(out, found["long.mp4"]))[0] == list(range(10, 30))
    same = out / "clips" / f"part-{found['a.mp4'][s.SOURCE_ID]}.parquet"
    assert same.read_bytes() == before[same]
    texts = {row[s.CLIP_ID]: row[s.TEXT] for row in table(out, "captions")}
    assert texts[found["long.mp4"][s.CLIP_ID]] == "A part of it."
    del rows[0]["caption"]
    source.write_text("\n".join(map(json.dumps, rows)))
    run(recipe, source, out, options=options)
    texts = {row[s.CLIP_ID]: row[s.TEXT] for row in table(out, "captions")}
    assert found["a.mp4"][s.CLIP_ID] not in texts, "the dataset has withdrawn it"


def test_a_killed_import_ends_in_the_tables_of_an_undisturbed_one(
    videos: Path, recipe: Recipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from jobs.ingest import command as ingest

    whole, killed = tmp_path / "whole", tmp_path / "killed"
    run(recipe, videos, whole)
    commit, done = ingest.commit_source, 0

    def kill(*args: Any, **options: Any) -> None:
        nonlocal done
        commit(*args, **options)
        done += 1
        if done == 2:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(ingest, "commit_source", kill)
        run(recipe, videos, killed)
    assert not (killed / "imports.parquet").exists()
    run(recipe, videos, killed)
    for name in ("clips", "manifest", "captions", "imports.parquet", "sources.parquet"):
        one, other = whole / name, killed / name
        if one.is_dir():
            assert {p.name: p.read_bytes() for p in one.iterdir()} == {
                p.name: p.read_bytes() for p in other.iterdir()
            }
        else:
            assert one.read_bytes() == other.read_bytes()


def test_everything_after_it_works_and_status_knows_what_is_done(
    videos: Path, recipe: Recipe, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "run"
    run(recipe, videos, out)
    folder = open_run(out)
    assert select.run(recipe.select, folder) == 3
    stricter = replace(recipe.select, where={"long": f"{s.N_FRAMES} > 40"})
    assert cli(["select", str(out), "--what-if", f"{s.N_FRAMES} > 40"]) == 0
    assert "2 kept clips would go" in capsys.readouterr().out
    packed = pack.run(recipe.pack, folder)
    assert (packed.packed, packed.uncaptioned) == (2, 1), "the looped caption is not trained on"
    texts = {row[s.CAPTION_ORIGINAL] for row in table(out, "shards")}
    assert texts == {(videos / "a.txt").read_text(), (videos / "long.txt").read_text()}
    assert s.SHOTS_INSIDE in table(out, "shards")[0]
    report.update(folder, "filmstock import")
    assert "looped" in (out / report.REPORT).read_text()
    states = {line.stage: str(line.state) for line in read_status(folder)}
    assert states["ingest"] == states["caption"] == states["pack"] == "done"
    assert select.run(stricter, folder) == 1


def test_caption_writes_what_is_missing_and_keeps_what_came(
    videos: Path, recipe: Recipe, tmp_path: Path
) -> None:
    out, source = tmp_path / "run", tmp_path / "set"
    source.mkdir()
    for name in NAMES:
        shutil.copy(videos / name, source)
    lines = [
        {"path": "a.mp4", "caption_dense": "A plain scene drifts to the left in soft light."},
        {"path": "b.mkv", "caption_dense": "the the the the the the the the"},
        {"path": "long.mp4", "caption_short": "Bars blink in a steady row."},
    ]
    (source / "set.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    run(recipe, source / "set.jsonl", out)
    folder = open_run(out)
    select.run(recipe.select, folder)
    assert cli(["caption", str(out)]) in (0, 3)
    clips = {name: row[s.CLIP_ID] for name, row in by_name(out).items()}
    found = {(row[s.CLIP_ID], row[s.KIND]): row for row in table(out, "captions")}
    for name, kind, model, outcome in (
        ("a.mp4", "dense", "import", "ok"),
        ("long.mp4", "short", "import", "ok"),
        ("a.mp4", "short", "embedded", "out_of_domain"),
        ("b.mkv", "dense", "embedded", "out_of_domain"),  # what came was looped
    ):
        row = found[clips[name], kind]
        assert (row[s.MODEL].split("@")[0], row[s.OUTCOME]) == (model, outcome), (name, kind)
    assert pack.run(recipe.pack, folder).packed == 2


def test_words_for_what_cannot_be_imported(videos: Path, recipe: Recipe, tmp_path: Path) -> None:
    out = tmp_path / "run"
    with pytest.raises(ValueError, match="choose another --out"):
        run(recipe, videos, videos / "run")
    bad = tmp_path / "t.jsonl"
    bad.write_text(json.dumps({"path": "a.mp4", "start": "soon"}))
    with pytest.raises(UserError, match=r"no row of .* names a clip \(1 bad_time\): 'soon' is no"):
        run(recipe, bad, out, options=ReadOptions(videos=videos))
    with pytest.raises(UserError, match="--videos .*gone does not exist; give the folder"):
        run(recipe, bad, out, options=ReadOptions(videos=tmp_path / "gone"))
    assert not out.exists()
    run(recipe, videos, out)
    with pytest.raises(UserError, match="--retry: no video .* 'timeout'"):
        run(recipe, videos, out, retry="timeout")
    with pytest.raises(UserError, match="--retry TYPE"):
        failures(out)


def test_with_ray_from_the_command_line(videos: Path, tmp_path: Path) -> None:
    few, out = tmp_path / "few", tmp_path / "run"
    few.mkdir()
    for name in ("a.mp4", "a.txt", "broken.mp4"):
        shutil.copy(videos / name, few / name)
    model = write_folder(tmp_path / "clip", VIT_LIKE)
    quick = ["--set", f"openclip.model={model}", "--set", "ingest.text_frames=0"]
    assert cli(["import", str(few), "--from", "folder", "--out", str(out), *quick]) == 3
    (row,) = table(out, "manifest")
    assert table(out, "embeddings")[0][s.CLIP_EMBEDDING] is not None
    folder = open_run(out)
    recipe = folder.recipe()
    select.run(recipe.select, folder)
    truth.run(recipe.caption, folder, recipe.openclip.model)
    (checked,) = table(out, "truth")
    assert (checked[s.CLIP_ID], checked[s.KIND]) == (row[s.CLIP_ID], "original")
    assert checked[s.TRUTH_MEAN] is not None
    assert clip_bytes(out, row) == (videos / "a.mp4").read_bytes()
    assert row[s.CAPTION_ORIGINAL] == (videos / "a.txt").read_text()
