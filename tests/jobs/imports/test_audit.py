"""``filmstock audit``: planted faults are found, sound clips are not named, and the dataset stays as it was."""

from __future__ import annotations

import hashlib
import shutil
from pathlib import Path

import numpy as np
import pytest

from jobs.cli import main as cli
from jobs.core.errors import UserError
from jobs.imports.audit import Args, run
from jobs.imports.findings import FIXES
from tests.helpers.counter_media import write_video
from tests.helpers.ingest_here import ingest_here
from tests.helpers.json_lines import json_lines
from tests.helpers.moving_scenes import scene, to_uint8

QUICK = ("--set", "ingest.text_frames=0", "--min-side", "90")
GOOD = "A plain scene drifts to the left in soft light."


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two sound clips, and one file for each fault."""
    folder = tmp_path_factory.mktemp("set")

    def add(name: str, frames: np.ndarray, caption: str | None = GOOD) -> None:
        write_video(folder / f"{name}.mp4", list(frames))
        if caption is not None:
            (folder / f"{name}.txt").write_text(caption)

    add("good_1", to_uint8(scene(1, 30)))
    add("good_2", to_uint8(scene(2, 30)), "Shapes glide past one another without haste.")
    add("no_caption", to_uint8(scene(3, 30)), None)
    add("caption_looped", to_uint8(scene(4, 30)), "the the the the the the the the")
    add("caption_refused", to_uint8(scene(5, 30)), "I'm sorry, but I can't help with that request.")
    add("caption_long", to_uint8(scene(6, 30)), " ".join(f"word{n}" for n in range(400)) + ".")
    add("short", to_uint8(scene(7, 12)))
    add("several_shots", np.concatenate([to_uint8(scene(8, 30)), to_uint8(scene(9, 30))]))
    add("static", np.repeat(to_uint8(scene(10, 1)), 30, axis=0))
    bars = to_uint8(scene(11, 30)).copy()
    bars[:, :14] = bars[:, -14:] = 0
    add("bars", bars)
    shutil.copy(folder / "good_1.mp4", folder / "z_duplicate.mp4")
    (folder / "z_duplicate.txt").write_text(GOOD)
    (folder / "unreadable.mp4").write_text("no video")
    return folder


@pytest.fixture
def here(monkeypatch: pytest.MonkeyPatch) -> None:
    ingest_here(monkeypatch)


def hashes(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.rglob("*")
    }


def test_planted_faults_are_found_and_nothing_is_touched(
    dataset: Path, tmp_path: Path, here: None, capsys: pytest.CaptureFixture[str]
) -> None:
    before, told = hashes(dataset), tmp_path / "found.jsonl"
    out = tmp_path / "run"
    words = ["audit", str(dataset), "--json", str(told), "--out", str(out), *QUICK]
    assert cli(words) == 3
    found = json_lines(told)
    by_name: dict[str, set[str]] = {}
    for each in found:
        by_name.setdefault(each["name"].removesuffix(".mp4"), set()).add(each["problem"])
        assert each["fix"] == FIXES[each["problem"]] and each["value"]
    for name in ("no_caption", "caption_looped", "caption_refused", "caption_long", "short"):
        assert name in by_name[name], name
    for name in ("several_shots", "static", "bars", "unreadable"):
        assert name in by_name[name], name
    assert by_name["z_duplicate"] == {"duplicate"}
    assert "good_1" not in by_name and "good_2" not in by_name
    assert hashes(dataset) == before
    assert not list((out / "clips").glob("*.parquet")), "no video is copied"
    text = capsys.readouterr().out
    assert "2 of 12 clips" in text and FIXES["caption_refused"] in text
    capsys.readouterr()
    assert cli(words) == 3, "what is measured already is not measured again"
    assert "ingest: nothing to do" in capsys.readouterr().out


def test_a_sound_folder_ends_well_and_leaves_nothing_behind(
    dataset: Path,
    tmp_path: Path,
    here: None,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path / "tmp"))
    (tmp_path / "tmp").mkdir()
    monkeypatch.setattr("tempfile.tempdir", None)
    few = tmp_path / "few"
    few.mkdir()
    for name in ("good_1.mp4", "good_1.txt", "good_2.mp4", "good_2.txt"):
        shutil.copy(dataset / name, few / name)
    assert cli(["audit", str(few), *QUICK]) == 0
    assert "2 of 2 clips" in capsys.readouterr().out
    assert not list((tmp_path / "tmp").glob("filmstock-audit-*"))
    assert cli(["audit", str(few), "--json", str(tmp_path), *QUICK]) == 2


def test_a_file_of_the_dataset_is_not_written_over(tmp_path: Path) -> None:
    (tmp_path / "set").mkdir()
    film, table = tmp_path / "set" / "a.mp4", tmp_path / "clips.csv"
    for path in (film, table):
        path.write_bytes(b"as it was")
    for source, out in ((tmp_path / "set", film), (table, table)):
        with pytest.raises(UserError, match="is a file of what is audited; choose another"):
            run(Args(source=source, json=out))
        assert out.read_bytes() == b"as it was"
