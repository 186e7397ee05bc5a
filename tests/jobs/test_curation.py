"""``filmstock curate`` end to end: real stages, a small CLIP of a stock class, a captioning server on loopback."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

import jobs
from jobs import cli
from pipeline import schema as s
from tests.helpers.faulty_server import FaultyServer

FPS = 12.0


@pytest.fixture(scope="module")
def clip_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from tests.helpers.clip_folders import VIT_LIKE, write_folder

    return write_folder(tmp_path_factory.mktemp("clip"), VIT_LIKE)


@pytest.fixture
def footage(tmp_path: Path) -> Path:
    """A moving and a still file, a copy of the moving one in other bytes, captions beside both, and no video."""
    from pipeline.video.encode import encode_mp4
    from tests.helpers.moving_scenes import scene, to_uint8

    folder = tmp_path / "raw"
    folder.mkdir()
    moving = to_uint8(scene(1, 24, speed=3))
    still = to_uint8(scene(2, 1)).repeat(24, axis=0)
    (folder / "moving.mp4").write_bytes(encode_mp4(moving, FPS))
    (folder / "still.mp4").write_bytes(encode_mp4(still, FPS))
    (folder / "copy.mp4").write_bytes(encode_mp4(moving, FPS, crf=30))
    (folder / "moving.json").write_text('{"caption": "A texture that moves."}')
    (folder / "copy.txt").write_text("A texture that moves.")
    (folder / "broken.mp4").write_bytes(b"no video at all")
    return folder


@pytest.fixture(scope="module")
def server() -> Iterator[Any]:
    with FaultyServer() as running:
        yield running


def write_recipe(path: Path, clip_folder: Path, url: str, least: float = 0.001) -> Path:
    path.write_text(
        f"""
[openclip]
model = "{clip_folder}"
frames = 2
[select]
dedup_phash_bits = 12  # the test's smooth texture leaves most of a hash to noise
[select.where]
still = "motion_mean > {least}"
[caption]
backend = "openai"
model = "vlm"
base_url = "{url}"
frames = 2
prompts = {{ short = "plain short {{frames}}", dense = "plain dense {{frames}}" }}
"""
    )
    return path


def stamps(folder: Path) -> dict[str, int]:
    files = [path for path in sorted(folder.rglob("*")) if path.is_file()]
    return {str(path.relative_to(folder)): path.stat().st_mtime_ns for path in files}


def test_footage_becomes_shards_and_a_rerun_does_nothing(
    footage: Path,
    clip_folder: Path,
    server: Any,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    out = tmp_path / "set"
    recipe = write_recipe(tmp_path / "mine.toml", clip_folder, server.url)
    command = ["curate", str(footage), "--out", str(out), "--recipe", str(recipe)]
    assert cli.main(command) == 3, "one source is quarantined"
    printed = capsys.readouterr().out
    for line in ("ingest: 3 sources done", "1 quarantined", "still", "kept", "curate: 1 clips"):
        assert line in printed
    ends = {
        Path(row[s.SOURCE_URI]).name: row[s.OUTCOME]
        for row in pq.read_table(out / "sources.parquet").to_pylist()
    }
    assert ends == {
        "broken.mp4": "quarantined",
        "copy.mp4": "done",
        "moving.mp4": "done",
        "still.mp4": "done",
    }
    decisions = pq.read_table(out / "selection.parquet").to_pylist()
    assert sorted(row[s.DECISION] for row in decisions) == ["keep", "reject", "reject"]
    assert sorted(sum((row[s.REASONS] for row in decisions), [])) == ["duplicate_phash", "still"]
    (shard,) = pq.read_table(out / "shards.manifest.parquet").to_pylist()
    assert shard[s.CAPTION_SHORT] and shard[s.CAPTION_DENSE]
    assert shard[s.CAPTION_ORIGINAL] == "A texture that moves."
    assert "1 captions came with the sources: 1 ok" in printed
    assert (out / "report.html").read_text().count("data:image/jpeg") > 0

    before, asked = stamps(out), len(server.bodies)
    result = jobs.curate(footage, out)
    assert (result.sources, result.quarantined, result.clips, result.packed) == (4, 1, 3, 1)
    assert result.folder == out and result.hours > 0 and not result.complete
    capsys.readouterr()
    again = ["curate", str(footage), "--out", str(out)]
    assert cli.main(again) == 3
    printed = capsys.readouterr().out
    for stage in ("ingest", "select", "caption", "pack", "curate"):
        assert f"{stage}: nothing to do" in printed
    assert stamps(out) == before, "the folder remembers its recipe and nothing is written again"

    looser = write_recipe(tmp_path / "mine.toml", clip_folder, server.url, least=-1)
    assert cli.main([*again, "--recipe", str(looser), "--set", "caption.check=true"]) == 3
    printed = capsys.readouterr().out
    assert "ingest: nothing to do" in printed
    assert "curate: 2 clips" in printed
    assert len(server.bodies) - asked == 2, (
        "only the clip that is new in the selection is captioned"
    )
    truth = pq.read_table(out / "truth").to_pylist()
    kinds = sorted(row[s.KIND] for row in truth)
    assert kinds == ["dense", "dense", "original", "short", "short"], "of every caption"
    assert all(
        row[s.TRUTH_MIN] is not None and row[s.TRUTH_MIN] <= row[s.TRUTH_MEAN] for row in truth
    )
    assert "truth: 5 captions checked against their frames" in printed
    assert cli.main(["captions-report", str(out)]) == 0
    page = (out / "captions.html").read_text()
    assert "original" in page and "source" in page and "data:image/jpeg" in page


def test_footage_without_any_usable_file_is_one_line(
    clip_folder: Path,
    server: Any,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (tmp_path / "notes.mp4").write_bytes(b"not a video")
    recipe = write_recipe(tmp_path / "mine.toml", clip_folder, server.url)
    out = tmp_path / "set"
    args = ["curate", str(tmp_path / "notes.mp4"), "--out", str(out), "--recipe", str(recipe)]
    assert cli.main(args) == 2
    error = capsys.readouterr().err.splitlines()[-1]
    assert error.startswith("filmstock: no clip came out of 1 sources")
    assert str(out / "sources.parquet") in error


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["nowhere", "--out", "o"], "nowhere does not exist"),
        (["empty", "--out", "o"], "no video in folder empty"),
        (["empty"], "--out"),
        (["empty", "--out", "file"], "--out file is a file"),
        (["empty", "--out", "o", "--recipe", "dmeo"], "did you mean 'demo'"),
        (["empty", "--out", "o", "--set", "ingest.max_clips=3"], "'max_clip_s'"),
        (["empty", "--out", "o", "--set", "ingest.crf"], "no '='"),
    ],
)
def test_a_mistake_is_one_line_with_the_fix_and_leaves_nothing(
    words: list[str],
    says: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("empty").mkdir()
    Path("file").write_text("")
    assert cli.main(["curate", *words]) == 2
    caught = capsys.readouterr()
    assert says in caught.err
    assert caught.err.startswith("filmstock: ")
    assert caught.err.count("\n") == 1
    assert not Path("o").exists()


@pytest.mark.parametrize("out", ["raw", "raw/set"])
def test_outputs_inside_the_footage_are_refused_before_a_word_or_a_look(
    out: str,
    footage: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    from jobs.models import default

    monkeypatch.chdir(footage.parent)
    looked: list[str] = []
    monkeypatch.setattr(default, "domains_of", looked.append)
    assert cli.main(["curate", "raw", "--out", out]) == 2
    caught = capsys.readouterr()
    assert caught.out == "" and not looked
    assert caught.err.count("\n") == 1 and "choose another --out" in caught.err


def test_a_dry_run_names_what_cannot_be_read(
    footage: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(footage.parent)
    Path("all.txt").write_text("raw/moving.mp4\n" + "".join(f"gone{n}.mp4\n" for n in range(7)))
    assert cli.main(["curate", "all.txt", "--out", "set", "--recipe", "demo", "--dry-run"]) == 0
    caught = capsys.readouterr()
    assert "curate: 8 sources" in caught.out and not Path("set").exists()
    assert "gone0.mp4: No such file or directory; it would be quarantined" in caught.err
    assert "2 more sources cannot be read either" in caught.err and "moving" not in caught.err


def test_pictures_beside_footage_are_said_to_be_passed_over(
    footage: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("raw", "stills"):
        shutil.copytree(footage, footage.parent / "mixed" / name, dirs_exist_ok=True)
    monkeypatch.chdir(footage.parent)
    Path("mixed/stills/x.jpg").write_bytes(b"a picture")
    assert cli.main(["curate", "mixed", "--out", "set", "--recipe", "demo", "--dry-run"]) == 0
    assert "curate: 1 picture was passed over: sources are videos" in capsys.readouterr().out


def test_curate_takes_a_recipe_object_as_it_is(tmp_path: Path) -> None:
    recipe = jobs.load_recipe("demo", {"ingest.max_clip_s": 5})
    with pytest.raises(jobs.UserError, match="change the Recipe object itself"):
        jobs.curate("raw", tmp_path / "out", recipe, {"ingest.crf": 20})
    with pytest.raises(jobs.UserError, match="recipe"):
        jobs.curate("raw", tmp_path / "out", "no-such-recipe")
    assert not (tmp_path / "out").exists()
