"""What the decoding child has given up: tried from inside one, with what the kernel here allows."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

import pytest

from pipeline.video.confine import child_environment, describe
from pipeline.video.isolate import Sandbox, run_isolated
from pipeline.video.probe import MediaError

PATIENT_S = 60.0
linux = pytest.mark.skipif(sys.platform != "linux", reason="namespaces and Landlock are Linux's")


def write_file(path: str) -> int:
    with open(path, "wb") as file:
        return file.write(b"x")


def remove(path: str) -> None:
    os.unlink(path)


def connect(port: int) -> str:
    with socket.create_connection(("127.0.0.1", port), timeout=60) as link:
        return link.recv(5).decode()


def secrets() -> list[str]:
    return sorted(os.environ)


def open_null() -> int:
    with open("/dev/null", "wb") as file:
        return file.write(b"x")


def confined() -> dict[str, str]:
    with Sandbox() as sandbox:
        sandbox.run(len, b"", deadline_s=PATIENT_S)
        return sandbox.confinement


def test_it_says_what_is_closed() -> None:
    found = confined()
    assert set(found) == {"network", "files"}
    assert found["network"] in ("namespace", "landlock", "open")
    assert found["files"] in ("landlock", "size limit", "open")
    assert describe({"network": "namespace"}) == "network: namespace, files: open"


def test_what_stays_open_is_a_warning(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("pipeline.video.isolate._told", set())
    found = confined()
    warned = [record.message for record in caplog.records if record.levelname == "WARNING"]
    assert bool(warned) == ("open" in found.values())
    for line in warned:
        assert "closed to the decoding child: network: " in line


@linux
def test_no_file_is_written(tmp_path: Path) -> None:
    kept = tmp_path / "kept"
    kept.write_bytes(b"as it was")
    with pytest.raises(MediaError):
        run_isolated(write_file, (str(tmp_path / "new"),), deadline_s=PATIENT_S)
    if confined()["files"] == "landlock":
        assert not (tmp_path / "new").exists()
        for function in (write_file, remove):
            with pytest.raises(MediaError, match="denied"):
                run_isolated(function, (str(kept),), deadline_s=PATIENT_S)
        assert kept.read_bytes() == b"as it was"
        assert run_isolated(open_null, deadline_s=PATIENT_S) == 1


@linux
def test_where_landlock_is_missing_no_file_grows_large(tmp_path: Path) -> None:
    code = (
        "import pipeline.video.confine as c\n"
        "c.LARGEST_FILE = 1000\n"
        "assert c._size_limit() == 'size limit'\n"
        f"f = open({str(tmp_path / 'x')!r}, 'wb', buffering=0)\n"
        "try:\n"
        "    while f.write(b'x' * 100): pass\n"
        "except OSError as error: print(error.strerror)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert "too large" in done.stdout, done.stderr
    assert (tmp_path / "x").stat().st_size == 1000


def use_temporary_file() -> str:
    with tempfile.NamedTemporaryFile(delete=False) as file:
        file.write(b"a table of colours")
    return file.name


def test_the_child_has_a_folder_of_its_own_that_goes_with_it(tmp_path: Path) -> None:
    """HDR is tone-mapped through a table that FFmpeg reads from a file."""
    with Sandbox() as sandbox:
        made = Path(sandbox.run(use_temporary_file, deadline_s=PATIENT_S))
        assert made.read_bytes() == b"a table of colours"
        folder = made.parent
        assert folder != Path(tempfile.gettempdir()) and not (folder / "other").exists()
    assert not folder.exists()


@linux
def test_no_connection_leaves_the_child() -> None:
    if confined()["network"] == "open":
        pytest.skip("neither namespaces nor Landlock's TCP rules are allowed here")
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]

        def greet() -> None:
            while True:
                try:
                    link, _ = server.accept()
                except OSError:
                    return
                link.sendall(b"hello")
                link.close()

        threading.Thread(target=greet, daemon=True).start()
        assert connect(port) == "hello", "the parent reaches it"
        with pytest.raises(MediaError):
            run_isolated(connect, (port,), deadline_s=PATIENT_S)


def test_no_secret_is_passed_on(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_SECRET_ACCESS_KEY", "HF_TOKEN", "OPENAI_API_KEY", "SSH_AUTH_SOCK"):
        monkeypatch.setenv(name, "secret")
    seen = run_isolated(secrets, deadline_s=PATIENT_S)
    assert "PATH" in seen and not {"AWS_SECRET_ACCESS_KEY", "HF_TOKEN", "OPENAI_API_KEY"} & set(
        seen
    )
    assert child_environment({"PATH": "/bin", "TOKEN": "x", "CUDA_VISIBLE_DEVICES": "0"}) == {
        "PATH": "/bin",
        "CUDA_VISIBLE_DEVICES": "0",
    }
