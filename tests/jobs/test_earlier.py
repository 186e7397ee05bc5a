"""What the version before wrote is read, or refused by name with the command that renews it.

``tests/fixtures/earlier.tar.xz`` holds a run folder, its shards and latents, and the records of a training, as version
0.0 wrote them: ``film raw``, ``curate raw --out set --recipe demo``, ``encode set``, ``train-dit set --out dit``.
"""

from __future__ import annotations

import tarfile
from pathlib import Path

import pytest

from jobs import cli

FIXTURE = Path(__file__).parents[1] / "fixtures" / "earlier.tar.xz"


@pytest.fixture()
def earlier(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    with tarfile.open(FIXTURE) as archive:
        archive.extractall(tmp_path, filter="data")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def files(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def rename(recipe: Path) -> None:
    """What the message about the recipe tells a user to do."""
    text = recipe.read_text().replace("[clip", "[openclip").replace("\nagainst", "\ndedup_against")
    recipe.write_text(text)


@pytest.mark.parametrize("stage", ["caption", "pack", "encode"])
def test_settings_that_have_another_name_are_told_at_once(
    stage: str, earlier: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = files(earlier / "set")
    assert cli.main([stage, "set"]) == 2
    line = capsys.readouterr().err
    assert "set/recipe.toml" in line and "[clip] is [openclip] now" in line
    assert "[select] against is [select] dedup_against now" in line and line.count("\n") == 1
    assert files(earlier / "set") == before


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["select", "set"], "ingested by an earlier filmstock"),
        (["caption", "set"], "ingested by an earlier filmstock"),
        (["pack", "set"], "ingested by an earlier filmstock"),
        (["encode", "set"], "set/shards was written by an earlier filmstock"),
        (["train-dit", "set", "--out", "new"], "filmstock encode"),
        (["train-vae", "set", "--out", "new"], "set/shards was written by an earlier filmstock"),
        (["ingest", "raw", "--out", "set"], "other [ingest] or [openclip] settings"),
    ],
)
def test_tables_that_no_stage_can_use_are_refused_and_kept(
    words: list[str], says: str, earlier: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Captions of an earlier run were once asked for again, as of footage that says of itself nothing, and lost."""
    rename(earlier / "set" / "recipe.toml")
    before = files(earlier / "set")
    assert cli.main(words) == 2
    line = capsys.readouterr().err.splitlines()[-1]
    assert line.startswith("filmstock: ") and says in line
    now = files(earlier / "set")
    assert {name: now.get(name) for name in before} == before
    assert not (earlier / "new").exists()


def test_people_can_still_look_at_it(earlier: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["inspect", "set"]) == 0
    assert "starting at the top right" in " ".join(capsys.readouterr().out.split())
    assert cli.main(["status", "set"]) == 0
