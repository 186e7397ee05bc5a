"""Names become files: folders, lists, files, each once and in order; wrong names say how to fix them."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from pipeline.source.listing import (
    check_apart,
    file_source_id,
    list_sources,
    missing_source_id,
    why_unreadable,
)
from pipeline.store.paths import location


def touch(path: Path, data: bytes = b"x") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return path


def in_order(*names: Path) -> list[str]:
    """Paths as a run takes them: by the position of the name and the key, each once."""
    return list(dict.fromkeys(path for _, _, path in sorted(list_sources(names))))


def test_files_folders_and_lists(tmp_path: Path) -> None:
    b, a = touch(tmp_path / "in" / "b.mp4"), touch(tmp_path / "in" / "sub" / "a.MKV")
    touch(tmp_path / "in" / "notes.doc")
    touch(tmp_path / "in" / ".cache" / "hidden.mp4")
    odd = touch(tmp_path / "odd.bin")
    names = tmp_path / "names.txt"
    names.write_text("# my films\n\nin/b.mp4\nmissing.mp4\n")
    got = in_order(tmp_path / "in", odd, names)
    assert got == [str(b), str(a), str(odd), str(tmp_path / "missing.mp4")]


def test_wrong_names(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="does not exist; check the path"):
        list(list_sources([tmp_path / "none"]))
    with pytest.raises(ValueError, match="no video in folder .*name a file itself"):
        list(list_sources([tmp_path]))
    (tmp_path / "empty.txt").write_text("# nothing\n")
    with pytest.raises(ValueError, match="one path a line"):
        list(list_sources([tmp_path / "empty.txt"]))
    with pytest.raises(ValueError, match="no source named"):
        list(list_sources([]))


def test_ids_come_from_content(tmp_path: Path) -> None:
    data = bytes(range(256)) * 20000
    first, copy = touch(tmp_path / "a.mp4", data), touch(tmp_path / "b.mp4", data)
    assert file_source_id(first) == file_source_id(copy)
    for at in (10, len(data) // 2, len(data) - 1):
        changed = bytearray(data)
        changed[at] ^= 1
        assert file_source_id(touch(tmp_path / "c.mp4", bytes(changed))) != file_source_id(first)
    assert file_source_id(touch(tmp_path / "d.mp4", data + b"x")) != file_source_id(first)
    assert missing_source_id("a") != missing_source_id("b")


def test_what_is_no_file_is_an_error_at_once(tmp_path: Path) -> None:
    """Opening a pipe would wait for someone to write to it."""
    os.mkfifo(tmp_path / "pipe.mp4")
    for odd in (tmp_path / "pipe.mp4", tmp_path, Path("/dev/null")):
        with pytest.raises(OSError, match="not a regular file"):
            file_source_id(odd)


def test_a_folder_that_cannot_be_listed_is_a_source_that_fails_and_the_rest_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    good, shut = touch(tmp_path / "in" / "a.mp4"), tmp_path / "in" / "private"
    touch(shut / "b.mp4")
    real = os.scandir

    def scandir(path: str | Path) -> object:
        if str(path) == str(shut):
            raise PermissionError(13, "Permission denied", str(path))
        return real(path)

    monkeypatch.setattr(os, "scandir", scandir)
    assert in_order(tmp_path / "in") == [str(good), str(shut)]
    with pytest.raises(PermissionError):  # which is how it is quarantined
        file_source_id(shut)
    assert why_unreadable(str(shut)) == "Permission denied" and why_unreadable(str(good)) is None


def test_why_a_source_will_fail_is_known_from_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    good = touch(tmp_path / "a.mp4")
    os.mkfifo(tmp_path / "pipe.mp4")
    assert why_unreadable(str(good)) is None and why_unreadable("s3://bucket/a.mp4") is None
    assert why_unreadable(str(tmp_path / "gone.mp4")) == "No such file or directory"
    assert why_unreadable(str(tmp_path / "pipe.mp4")) == "not a regular file"
    monkeypatch.setattr(os, "access", lambda path, how: False)
    assert why_unreadable(str(good)) == "Permission denied"


@pytest.mark.parametrize(
    ("source", "out", "line"),
    [
        ("raw", "raw", "both a source and the folder to write to"),
        ("raw", "raw/run", "lies in the source"),
        ("raw/a.mp4", "raw", "lies in the folder to write to"),
        ("raw/../raw", "raw", "both a source"),
        ("s3://bucket/raw", "s3://bucket/raw/run", "lies in the source"),
    ],
)
def test_outputs_are_not_mixed_into_sources(
    source: str, out: str, line: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    touch(tmp_path / "raw" / "a.mp4")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ValueError, match=f"{line}.*choose another --out"):
        check_apart(["elsewhere", source], location(out))


def test_sources_beside_the_folder_to_write_to_are_fine(tmp_path: Path) -> None:
    touch(tmp_path / "raw" / "a.mp4")
    names = [str(tmp_path / "raw"), str(tmp_path / "raw2"), "s3://bucket/raw", "list.txt"]
    for out in ("raw-run", "ra", "s3"):
        check_apart(names, location(tmp_path / out))
