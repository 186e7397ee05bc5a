"""Names become files: folders, lists, files, each once and in order; wrong names say how to fix them."""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path

import pytest

from pipeline.source.listing import (
    LINKS,
    PICTURES,
    check_apart,
    file_source_id,
    list_sources,
    missing_source_id,
    passed_over,
    shown_uri,
    told_uri,
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


def test_whatever_has_the_name_of_a_video_is_a_source_and_ends_as_one(tmp_path: Path) -> None:
    """A link that leads nowhere is footage that its owner misses; one that leads to itself stopped the whole run."""
    folder = tmp_path / "in"
    good = touch(folder / "a.mp4")
    for name, leads_to in (("gone.mp4", "/no/such"), ("self.mp4", "self.mp4"), ("z.mp4", "a.mp4")):
        (folder / name).symlink_to(leads_to)
    os.mkfifo(folder / "pipe.mp4")
    found = in_order(folder)
    assert [Path(path).name for path in found] == [
        "a.mp4", "gone.mp4", "pipe.mp4", "self.mp4", "z.mp4",
    ]  # fmt: skip
    assert [why_unreadable(path) is None for path in found] == [True, False, False, False, True]
    for path in found[1:4]:
        with pytest.raises(OSError):  # noqa: PT011 - any: it is typed where it is quarantined
            file_source_id(path)
    assert file_source_id(good) == file_source_id(found[4])


def test_what_folders_hold_that_is_passed_over_is_counted(tmp_path: Path) -> None:
    folder, elsewhere = tmp_path / "in", tmp_path / "cam2"
    touch(folder / "a.mp4"), touch(elsewhere / "b.mp4")
    for name in ("x.png", "sub/y.JPG", "notes.doc"):
        touch(folder / name)
    (folder / "cam2").symlink_to(elsewhere)
    (folder / "round").symlink_to(folder)
    passed = Counter[str]()
    assert [Path(path).name for _, _, path in list_sources([folder], passed)] == ["a.mp4"]
    assert passed == {PICTURES: 2, LINKS: 2}
    assert passed_over(passed) == (
        "2 pictures and 2 links to folders were passed over: sources are videos, and a link is followed where it is "
        "named itself"
    )
    assert passed_over(Counter({PICTURES: 1})) == "1 picture was passed over: sources are videos"
    assert passed_over(Counter()) == ""
    (folder / "a.mp4").unlink()
    with pytest.raises(ValueError, match=r"no video in folder .* \(2 pictures and 2 links"):
        list(list_sources([folder]))
    assert [Path(path).name for path in in_order(folder / "cam2")] == ["b.mp4"]


def test_a_file_has_one_name_from_wherever_it_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    film = touch(tmp_path / "raw" / "a.mp4")
    (tmp_path / "elsewhere").mkdir()
    listed = tmp_path / "elsewhere" / "all.txt"
    listed.write_text("../raw/a.mp4\n")
    monkeypatch.chdir(tmp_path / "elsewhere")
    for name in ("../raw", "../raw/a.mp4", "../elsewhere/all.txt", listed):
        assert in_order(Path(name)) == [str(film)], name
    other = touch(tmp_path / "b" / "raw" / "a.mp4")
    (tmp_path / "b" / "deep").mkdir()
    (tmp_path / "elsewhere" / "link").symlink_to(tmp_path / "b" / "deep")
    (found,) = in_order(Path("link/../raw/a.mp4"))  # of b, not of elsewhere
    assert os.path.samefile(found, other)


def test_a_name_is_printed_on_one_line_and_stored_as_it_is() -> None:
    odd = "/in/two\nlines \x1b[31m日本.mp4"
    assert told_uri(odd) == "/in/two\\nlines \\x1b[31m日本.mp4"
    assert shown_uri(odd) == odd and told_uri("/in/ä b.mp4") == "/in/ä b.mp4"


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
