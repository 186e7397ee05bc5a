"""A file is there whole or as it was before, on a disk and in a store, whatever goes wrong in between."""

from __future__ import annotations

import errno
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from pipeline.store import atomic
from pipeline.store.atomic import AtomicFile, append_line, atomic_path, write_bytes
from pipeline.store.paths import ObjectPath
from tests.helpers.object_server import no_faults, object_server


@pytest.fixture(scope="module")
def bucket() -> Iterator[ObjectPath]:
    with (
        object_server("atomic") as server,
        pytest.MonkeyPatch.context() as patch,
        no_faults(server, patch),
    ):
        yield ObjectPath("s3://atomic/run")


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_file_appears_whole_under_its_name_alone(tmp_path: Path) -> None:
    path = tmp_path / "new" / "deep" / "a.bin"
    write_bytes(path, b"one")
    assert path.read_bytes() == b"one" and names(path.parent) == ["a.bin"]
    write_bytes(str(path), b"two, longer")
    assert path.read_bytes() == b"two, longer" and names(path.parent) == ["a.bin"]


def test_until_the_end_of_the_block_the_old_file_stands(tmp_path: Path) -> None:
    """A reader in between sees the old file, and nothing that a pattern for tables would match."""
    path = tmp_path / "part-0.parquet"
    path.write_bytes(b"old")
    with atomic_path(path) as tmp:
        tmp.write_bytes(b"new")
        assert path.read_bytes() == b"old"
        assert tmp.parent == tmp_path, "a rename is atomic on one disk only"
        assert tmp.name.startswith(".part-0.parquet.") and tmp.name.endswith(".tmp")
        assert list(tmp_path.glob("part-*")) == [path]
    assert path.read_bytes() == b"new" and names(tmp_path) == ["part-0.parquet"]


def test_a_sweep_removes_what_killed_writers_left_and_no_more(tmp_path: Path) -> None:
    paths = [tmp_path / "a.bin", tmp_path / "deep" / ".export" / "b.tmp", tmp_path / ".c"]
    for path in paths:
        write_bytes(path, b"whole")
        AtomicFile(path).tmp.write_bytes(b"half")
        AtomicFile(path, sole=True).tmp.write_bytes(b"half")
    atomic.sweep(tmp_path)
    assert sorted(path for path in tmp_path.rglob("*") if path.is_file()) == sorted(paths)
    atomic.sweep(tmp_path / "nowhere")


def test_what_fails_leaves_the_old_file_and_nothing_beside_it(tmp_path: Path) -> None:
    path = tmp_path / "a.bin"
    path.write_bytes(b"old")
    with pytest.raises(RuntimeError, match="stop"), atomic_path(path) as tmp:
        tmp.write_bytes(b"half")
        raise RuntimeError("stop")
    assert path.read_bytes() == b"old" and names(tmp_path) == ["a.bin"]
    with pytest.raises(OSError, match="No space") as caught, atomic_path(path) as tmp:
        raise OSError(errno.ENOSPC, "No space left on device")
    assert caught.value.filename == str(path), "which file it was is told, and not its draft"


def test_the_bytes_are_on_the_disk_before_the_name_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A rename that reaches the disk before its data does leaves an empty file after a power cut."""
    path, done = tmp_path / "a.bin", list[str]()
    fsync, replace = os.fsync, os.replace

    def note_sync(fd: int) -> None:
        synced = Path(f"/proc/self/fd/{fd}").resolve()
        assert synced == tmp_path or synced.read_bytes() == b"data"
        done.append("folder" if synced == tmp_path else "file")
        fsync(fd)

    def note_replace(old: str, new: str) -> None:
        done.append("rename")
        replace(old, new)

    monkeypatch.setattr(atomic.os, "fsync", note_sync)
    monkeypatch.setattr(atomic.os, "replace", note_replace)
    before = len(os.listdir("/proc/self/fd"))
    write_bytes(path, b"data")
    assert done == ["file", "rename", "folder"]
    assert len(os.listdir("/proc/self/fd")) == before, "no descriptor is left open"


def test_a_rename_that_fails_leaves_the_old_file_and_says_which(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.bin"
    path.write_bytes(b"old")

    def full(old: str, new: str) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(atomic.os, "replace", full)
    before = len(os.listdir("/proc/self/fd"))
    with pytest.raises(OSError, match="No space") as error:
        write_bytes(path, b"new")
    assert error.value.filename == str(path)
    assert path.read_bytes() == b"old" and names(tmp_path) == ["a.bin"]
    assert len(os.listdir("/proc/self/fd")) == before


def test_two_writers_of_one_name_do_not_share_a_draft(tmp_path: Path) -> None:
    first, second = AtomicFile(tmp_path / "a.bin"), AtomicFile(tmp_path / "a.bin")
    assert first.tmp != second.tmp
    first.tmp.write_bytes(b"first")
    second.tmp.write_bytes(b"second")
    first.publish()
    second.discard()
    assert (tmp_path / "a.bin").read_bytes() == b"first" and names(tmp_path) == ["a.bin"]
    second.discard()  # once more is no error
    assert first.written_to == str(tmp_path / "a.bin")


def test_an_object_is_put_whole_and_its_scratch_file_goes(bucket: ObjectPath) -> None:
    path = bucket / "table.parquet"
    write_bytes(path, b"one")
    assert path.read_bytes() == b"one"
    with atomic_path(path) as tmp:
        tmp.write_bytes(b"two")
        assert path.read_bytes() == b"one"
        assert tmp.parent == Path(tempfile.gettempdir())
    assert path.read_bytes() == b"two" and not tmp.exists()
    with pytest.raises(RuntimeError, match="stop"), atomic_path(path) as tmp:
        tmp.write_bytes(b"half")
        raise RuntimeError("stop")
    assert path.read_bytes() == b"two" and not tmp.exists()
    opened = AtomicFile(path)
    assert opened.written_to == str(opened.tmp), "an error of the disk is about the scratch file"


def test_file_and_folder_are_brought_to_the_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    synced = []
    monkeypatch.setattr(atomic, "sync", lambda path: synced.append(path))
    with atomic_path(tmp_path / "x") as temporary:
        temporary.write_bytes(b"1")
    assert synced == [temporary, tmp_path]


def test_a_sole_writer_uses_one_temporary_name_and_others_do_not(tmp_path: Path):
    names = set()
    for sole in (True, True, False, False):
        with atomic_path(tmp_path / "state", sole=sole) as temporary:
            temporary.write_bytes(b"1")
            names.add(temporary.name)
    for _ in range(2):
        with atomic_path(tmp_path / "state") as temporary:
            temporary.write_bytes(b"1")
            names.add(temporary.name)
    assert len(names) == 5, "nobody is a sole writer who did not say so"


def test_a_line_that_does_not_fit_is_cut_off_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    path = tmp_path / "lines"
    append_line(path, b"one\n")
    append_line(path, b"two\n")
    real = Path.open

    def full(self: Path, *args: object, **named: object) -> object:
        assert (args, named) == (("ab",), {"buffering": 0}), "one line is one write"
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
    assert caught.value.strerror == os.strerror(errno.ENOSPC)
    monkeypatch.undo()
    assert path.read_bytes() == b"one\ntwo\n" and os.listdir(tmp_path) == ["lines"]


def test_lines_are_appended_to_files_and_objects(tmp_path: Path, bucket: ObjectPath) -> None:
    (bucket / "lines").unlink(missing_ok=True)  # the server outlives a run of these tests
    for path in (tmp_path / "new" / "deep" / "lines", bucket / "lines"):
        append_line(path, b"one\n")
        append_line(path, b"two\n")
        assert path.read_bytes() == b"one\ntwo\n"


def test_a_device_is_not_replaced_by_a_file(tmp_path: Path) -> None:
    """Whoever may do so would find a plain file where /dev/null was, and every program on the machine with them."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    with pytest.raises(OSError, match="device or a pipe") as caught:
        write_bytes(pipe, b"x")
    assert (caught.value.errno, caught.value.filename) == (errno.EINVAL, str(pipe))
    assert pipe.is_fifo() and names(tmp_path) == ["pipe"]
