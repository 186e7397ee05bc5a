"""``filmstock models get`` against a hub on loopback: whole and checked, or nothing that anything could load."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tests.helpers.hub_here import filmstock_here
from tests.helpers.hub_server import HubServer

ROOT = Path(__file__).resolve().parents[3]
REPOSITORY = "some-org/some-captioner"
COMMIT = "0123456789abcdef0123456789abcdef01234567"
MODEL = f"{REPOSITORY}@{COMMIT}"
SIZE = 200_000

pytestmark = pytest.mark.timeout(600)
FILES = {
    "config.json": b'{"model_type": "none"}',  # no other file has these bytes: they would share a blob
    "tokenizer.json": b"{}" + b" " * 5000,
    "processor_config.json": b"{}",
    "README.md": b"---\nlicense: mit\n---\n",
    "model.safetensors": np.random.default_rng(0).bytes(SIZE),
    "pytorch_model.bin": b"x" * 50_000,
    "onnx/model.onnx": b"x" * 50_000,
}


@pytest.fixture(autouse=True)
def unhurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """huggingface_hub pauses a second before each of five tries."""
    monkeypatch.setattr("huggingface_hub.file_download.time.sleep", lambda _: None)


@pytest.fixture
def remote(tmp_path: Path) -> Path:
    folder = tmp_path / "remote"
    for name, data in FILES.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)
    return folder


def get(hub: HubServer, home: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return filmstock_here("models", *words, url=hub.url, home=home)


def get_apart(hub: HubServer, home: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """The same in a process of its own, as a user runs it."""
    told = {"HF_ENDPOINT": hub.url, "HF_HOME": str(home), "HF_HUB_OFFLINE": "0"}
    environment = {**os.environ, **told, "PYTHONPATH": str(ROOT)}
    return subprocess.run(
        [sys.executable, "-m", "jobs.cli", "models", *words],
        env=environment, capture_output=True, text=True, timeout=400,
    )  # fmt: skip


def snapshot(home: Path) -> Path:
    return home / "hub" / f"models--{REPOSITORY.replace('/', '--')}" / "snapshots" / COMMIT


def one_line(done: subprocess.CompletedProcess[str]) -> str:
    assert done.returncode == 2, done.stdout + done.stderr
    (line,) = [line for line in done.stderr.splitlines() if line.startswith("filmstock: ")]
    assert "Traceback" not in done.stderr
    return line


def test_a_model_comes_whole_once_and_in_one_format(remote: Path, tmp_path: Path) -> None:
    home = tmp_path / "home"
    with HubServer({REPOSITORY: (COMMIT, remote, "mit")}) as hub:
        done = get_apart(hub, home, "get", MODEL)
        assert done.returncode == 0, done.stderr
        assert f"{REPOSITORY} at {COMMIT}, 0.2 MB, licence mit" in done.stdout
        here = {p.name for p in snapshot(home).iterdir()}
        assert here == {n for n in FILES if n not in ("pytorch_model.bin", "onnx/model.onnx")}
        assert (snapshot(home) / "model.safetensors").read_bytes() == FILES["model.safetensors"]
        sent = hub.served.total()
        again = get(hub, home, "get", MODEL)
        assert again.returncode == 0 and "is here" in again.stdout
        assert hub.served.total() == sent, "what is here is not asked for"


def test_a_connection_that_breaks_off_is_taken_up_where_it_broke(
    remote: Path, tmp_path: Path
) -> None:
    home, size, at = tmp_path / "home", 12 << 20, 11 << 20
    data = np.random.default_rng(1).bytes(size)
    (remote / "model.safetensors").write_bytes(data)
    repositories = {REPOSITORY: (COMMIT, remote, "mit")}
    with HubServer(repositories, cut={"model.safetensors": at}, cuts_left=1) as hub:
        done = get(hub, home, "get", MODEL)
        assert done.returncode == 0, done.stderr
        assert hub.ranges == [f"bytes={10 << 20}-"], "from the last block of 10 MiB that came"
    assert (snapshot(home) / "model.safetensors").read_bytes() == data


def test_a_fetch_that_fails_leaves_nothing_to_load_and_keeps_the_files_that_came(
    remote: Path, tmp_path: Path
) -> None:
    home = tmp_path / "home"
    with HubServer({REPOSITORY: (COMMIT, remote, "mit")}, cut={"model.safetensors": 9}) as hub:
        line = one_line(get(hub, home, "get", MODEL))
        assert "came in part only" in line and "run the same command again" in line
        assert not snapshot(home).exists()
        hub.cut.clear()
        before = hub.served["tokenizer.json"]
        assert get(hub, home, "get", MODEL).returncode == 0
        assert hub.served["tokenizer.json"] == before, "what came whole is not sent again"
    assert (snapshot(home) / "model.safetensors").read_bytes() == FILES["model.safetensors"]


def test_bytes_that_are_not_what_the_hub_says_are_refused(remote: Path, tmp_path: Path) -> None:
    for name in ("model.safetensors", "config.json"):  # by sha256 and by git's hash
        home = tmp_path / name
        with HubServer({REPOSITORY: (COMMIT, remote, "mit")}, spoiled={name}) as hub:
            line = one_line(get(hub, home, "get", MODEL))
            assert f"{name} did not come as the hub describes it" in line
            assert not snapshot(home).exists()
    with HubServer({REPOSITORY: (COMMIT, remote, "mit")}) as hub:
        assert get(hub, home, "get", MODEL).returncode == 0, "the spoiled bytes were not kept"


def test_what_is_not_there_is_one_line(remote: Path, tmp_path: Path) -> None:
    home = tmp_path / "home"
    with HubServer({REPOSITORY: (COMMIT, remote, "mit")}) as hub:
        assert "has no repository" in one_line(get(hub, home, "get", "some-org/other"))
        assert "has no revision abc" in one_line(get(hub, home, "get", f"{REPOSITORY}@abc"))
        (remote / "model.safetensors").unlink()
        (remote / "pytorch_model.bin").unlink()
        line = one_line(get(hub, home, "get", MODEL))
        assert "has no model.safetensors: it is no model of this kind" in line
        assert not snapshot(home).exists()


def test_split_weights_need_every_part(remote: Path, tmp_path: Path) -> None:
    home = tmp_path / "home"
    data = (remote / "model.safetensors").read_bytes()
    (remote / "model.safetensors").unlink()
    parts = [f"model-0000{i}-of-00002.safetensors" for i in (1, 2)]
    for part in parts:
        (remote / part).write_bytes(data)
    index = {"weight_map": {"a": parts[0], "b": parts[1]}}
    (remote / "model.safetensors.index.json").write_text(json.dumps(index))
    with HubServer({REPOSITORY: (COMMIT, remote, "mit")}) as hub:
        assert get(hub, home, "get", MODEL).returncode == 0
        assert all((snapshot(home) / part).is_file() for part in parts)
        (snapshot(home) / parts[1]).unlink()
        assert get(hub, home, "get", MODEL).returncode == 0
        assert (snapshot(home) / parts[1]).is_file()
