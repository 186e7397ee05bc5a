"""One writer at a time on a store that really answers conditional PUTs: held, renewed, handed on, taken over."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import time
from collections.abc import Iterator

import pytest

from pipeline.store import lease
from pipeline.store.lease import Held, leased
from pipeline.store.paths import ObjectPath
from tests.helpers.object_server import ObjectServer, no_faults, object_server


@pytest.fixture(scope="module")
def server() -> Iterator[ObjectServer]:
    with object_server("lease") as started:
        yield started


@pytest.fixture
def path(server: ObjectServer, monkeypatch: pytest.MonkeyPatch) -> Iterator[ObjectPath]:
    with no_faults(server, monkeypatch):
        yield ObjectPath("s3://lease/run/.ingest/lease")


def test_a_second_writer_is_refused_until_the_first_is_done(path: ObjectPath) -> None:
    with (
        leased(path),
        pytest.raises(Held, match=r"is writing to s3://lease/run; wait"),
        leased(path),
    ):
        raise AssertionError("two writers")
    assert not path.exists()
    with leased(path):
        pass


def test_a_dead_process_of_this_machine_hands_over_at_once(path: ObjectPath) -> None:
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    path.write_bytes(json.dumps({"host": socket.gethostname(), "pid": gone.pid}).encode())
    with leased(path):
        assert json.loads(path.read_bytes())["pid"] != gone.pid


def test_another_machine_hands_over_when_it_is_silent(
    path: ObjectPath, monkeypatch: pytest.MonkeyPatch
) -> None:
    path.write_bytes(json.dumps({"host": "elsewhere", "pid": 1}).encode())
    with pytest.raises(Held, match="process 1 on elsewhere"), leased(path):
        pass
    monkeypatch.setattr(lease, "LEASE_S", 0.2)
    time.sleep(1.2)  # a store tells times in whole seconds
    with leased(path):
        before = path.stat().stamp, path.stat().changed
        assert before[1]


def test_it_is_renewed_and_not_taken_back_from_another(
    path: ObjectPath, server: ObjectServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lease, "LEASE_S", 0.2)

    def puts() -> int:
        return sum(seen.method == "PUT" for seen in list(server.seen))

    with leased(path):
        until = time.monotonic() + 10
        while puts() < 3 and time.monotonic() < until:
            time.sleep(0.05)
        assert puts() >= 3
        path.write_bytes(b'{"host": "thief", "pid": 1}')
        time.sleep(0.3)
        assert b"thief" in path.read_bytes()
