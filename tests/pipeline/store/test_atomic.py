"""Files appear whole or not at all, and leave nothing beside them."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from pipeline.store import atomic
from pipeline.store.atomic import append_line, draft, write_bytes


def test_a_file_is_replaced_and_nothing_is_left_beside_it(tmp_path: Path):
    write_bytes(tmp_path / "sub" / "x", b"one")
    write_bytes(tmp_path / "sub" / "x", b"two")
    assert [entry.name for entry in (tmp_path / "sub").iterdir()] == ["x"]
    assert (tmp_path / "sub" / "x").read_bytes() == b"two"


def test_file_and_folder_are_brought_to_the_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    synced = []
    monkeypatch.setattr(atomic, "sync", lambda path: synced.append(path))
    with draft(tmp_path / "x") as temporary:
        temporary.write_bytes(b"1")
    assert synced == [temporary, tmp_path]


def test_a_sole_writer_uses_one_temporary_name_and_others_do_not(tmp_path: Path):
    names = set()
    for sole in (True, True, False, False):
        with draft(tmp_path / "state", sole=sole) as temporary:
            temporary.write_bytes(b"1")
            names.add(temporary.name)
    assert len(names) == 3


def test_a_line_that_does_not_fit_is_cut_off_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    path = tmp_path / "lines"
    append_line(path, b"one\n")
    append_line(path, b"two\n")
    real = Path.open

    def full(self: Path, *args: object, **named: object) -> object:
        handle = real(self, *args, **named)  # type: ignore[arg-type]

        class Full:
            def __enter__(self) -> Full:
                return self

            def __exit__(self, *_: object) -> None:
                handle.close()

            def tell(self) -> int:
                return handle.tell()

            def truncate(self, size: int) -> None:
                handle.truncate(size)

            def write(self, data: bytes) -> int:
                return handle.write(data[:2])

        return Full()

    monkeypatch.setattr(Path, "open", full)
    with pytest.raises(OSError) as caught:
        append_line(path, b"three\n")
    assert caught.value.errno == errno.ENOSPC and caught.value.filename == str(path)
    monkeypatch.undo()
    assert path.read_bytes() == b"one\ntwo\n" and os.listdir(tmp_path) == ["lines"]
