"""Where a command may not write is refused before anything is computed."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from jobs.core import writable
from jobs.core.errors import UserError
from jobs.core.writable import (
    check_file,
    check_folder,
    check_no_table,
    check_not_read,
    check_own_folder,
    check_run_folder,
)
from pipeline.store.paths import location


def test_a_folder_that_is_there_or_can_be_made_is_fine(tmp_path: Path) -> None:
    check_folder(tmp_path)
    check_folder(tmp_path / "a" / "b")
    check_folder(location("s3://bucket/run"))
    check_file(tmp_path / "a.json", "--json")


@pytest.mark.parametrize("check", [check_no_table, check_own_folder, check_run_folder])
@pytest.mark.parametrize("out", ["run/shards", "run/manifest/deeper"])
def test_nothing_is_put_into_a_table_of_a_run(check, out: str, tmp_path: Path) -> None:
    (tmp_path / "run" / "manifest").mkdir(parents=True)
    (tmp_path / "run" / "shards").mkdir()
    (tmp_path / "shards").mkdir()
    with pytest.raises(UserError, match=r"the table \w+ of the run .*run; choose another folder"):
        check(tmp_path / out)
    check_no_table(tmp_path / "run" / "samples")
    check(tmp_path / "shards")  # a folder of that name beside no run


def test_what_a_command_makes_itself_is_no_other_run(tmp_path: Path) -> None:
    (tmp_path / "shards.manifest.parquet").touch()
    check_own_folder(tmp_path, own=("shards.manifest.parquet",))
    (tmp_path / ".ingest").mkdir()
    with pytest.raises(UserError, match="holds a run of curate"):
        check_own_folder(tmp_path, own=("shards.manifest.parquet",))


def test_a_file_in_the_way_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match=r"--out .*file is a file; give a folder"):
        check_folder(tmp_path / "file")
    with pytest.raises(UserError, match=r"set lies below .*file, which is a file"):
        check_folder(tmp_path / "file" / "set")
    with pytest.raises(UserError, match=r"--json .* is a folder; give the name of a file"):
        check_file(tmp_path, "--json")
    with pytest.raises(UserError, match=r"its folder does not exist; make it first"):
        check_file(tmp_path / "none" / "a.json", "--json")
    with pytest.raises(UserError, match=r"its folder is none: .*file is a file"):
        check_file(tmp_path / "file" / "a.json", "--json")


def test_a_link_to_nothing_is_named(tmp_path: Path) -> None:
    (tmp_path / "gone").symlink_to(tmp_path / "nowhere")
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    (tmp_path / "set").mkdir()
    (tmp_path / "good").symlink_to(tmp_path / "set")
    for name in ("gone", "loop"):
        with pytest.raises(UserError, match=rf"{name} is a link to nothing; remove it"):
            check_folder(tmp_path / name)
        with pytest.raises(UserError, match=rf"lies below .*{name}, which is a link to nothing"):
            check_folder(tmp_path / name / "set")
        with pytest.raises(UserError, match=rf"--json .*{name} is a link to nothing"):
            check_file(tmp_path / name, "--json")
        with pytest.raises(UserError, match=rf"{name} is a link to nothing"):
            check_own_folder(tmp_path / name)
    check_folder(tmp_path / "good")
    check_own_folder(location("s3://bucket/latents"))


def test_what_is_read_is_not_written_over(tmp_path: Path) -> None:
    film = tmp_path / "film.mp4"
    film.touch()
    (tmp_path / "same.mp4").symlink_to(film)
    for out in (film, tmp_path / "same.mp4"):
        with pytest.raises(UserError, match="--csv .* is also what is read; choose another file"):
            check_not_read(out, [tmp_path / "other.mp4", film], "--csv")
    check_not_read(tmp_path / "film.json", [film], "--json")


def test_a_web_address_is_not_written_to() -> None:
    with pytest.raises(UserError, match="can only be read; give a folder or s3://"):
        check_folder(location("https://host/run"))


def test_a_folder_without_rights_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writable.os, "access", lambda path, how: how & os.W_OK == 0)
    with pytest.raises(UserError, match=rf"no right to write in {tmp_path}; choose another"):
        check_folder(tmp_path / "new")
    check_folder(tmp_path)  # where all is done already, nothing is written
    with pytest.raises(UserError, match="no right to write"):
        check_file(tmp_path / "a.json", "--json")


def test_a_folder_of_a_training_is_no_run_folder(tmp_path: Path) -> None:
    check_run_folder(tmp_path)
    (tmp_path / "run.json").write_text("[3]")
    check_run_folder(tmp_path)
    (tmp_path / "run.json").write_text('{"command": "train-vae"}')
    with pytest.raises(UserError, match="holds a run of train-vae; choose another folder"):
        check_run_folder(tmp_path)
    with pytest.raises(UserError, match="holds a run of train-vae; choose another folder"):
        check_own_folder(tmp_path)
    (tmp_path / "run.json").unlink()
    check_own_folder(tmp_path)
    (tmp_path / "manifest").mkdir()
    with pytest.raises(UserError, match="holds a run of curate; choose another folder"):
        check_own_folder(tmp_path)
