"""One writer at a time on a store that really answers conditional PUTs: held, renewed, handed on, taken over."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from datetime import datetime, timedelta, tzinfo

import pytest

from pipeline.store import lease
from pipeline.store.lease import Held, leased
from pipeline.store.paths import ObjectPath
from tests.helpers.object_server import ObjectServer, no_faults, server_with

server = server_with("lease")


@pytest.fixture
def path(server: ObjectServer, monkeypatch: pytest.MonkeyPatch) -> Iterator[ObjectPath]:
    with no_faults(server, monkeypatch):
        path = ObjectPath("s3://lease/run/.ingest/lease")
        path.unlink(missing_ok=True)
        yield path


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


@pytest.fixture(scope="module")
def dead() -> int:
    """Number of a process that no longer lives here."""
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    return gone.pid


def test_a_dead_process_of_this_machine_hands_over_at_once(path: ObjectPath, dead: int) -> None:
    path.write_bytes(json.dumps({"host": socket.gethostname(), "pid": dead}).encode())
    with leased(path):
        assert json.loads(path.read_bytes()) == {"host": socket.gethostname(), "pid": os.getpid()}


def test_a_living_process_of_this_machine_keeps_it(path: ObjectPath) -> None:
    path.write_bytes(json.dumps({"host": socket.gethostname(), "pid": os.getppid()}).encode())
    with (
        pytest.raises(Held, match=f"process {os.getppid()} on {socket.gethostname()}"),
        leased(path),
    ):
        raise AssertionError("two writers")
    assert path.exists()


def test_a_process_of_another_machine_is_not_judged_by_the_numbers_of_this_one(
    path: ObjectPath, dead: int
) -> None:
    """Its number says nothing here: taken over at once, two machines write into one folder."""
    body = json.dumps({"host": "elsewhere", "pid": dead}).encode()
    path.write_bytes(body)
    with (
        pytest.raises(
            Held, match=f"process {dead} on elsewhere.*its claim ends 1[12]\\d s from now"
        ),
        leased(path),
    ):
        raise AssertionError("two writers")
    assert path.read_bytes() == body, "the other's claim was touched"


def test_two_that_find_a_dead_claim_do_not_both_get_it(
    path: ObjectPath, dead: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    path.write_bytes(json.dumps({"host": socket.gethostname(), "pid": dead}).encode())
    lives = lease.process_lives

    def slow(pid: int) -> bool:
        path.write_bytes(b'{"host": "faster", "pid": 1}')  # between our look and our claim
        return lives(pid)

    monkeypatch.setattr(lease, "process_lives", slow)
    with (
        pytest.raises(Held, match="another process has just begun to write to s3://lease/run"),
        leased(path),
    ):
        raise AssertionError("two writers")
    assert b"faster" in path.read_bytes()


@pytest.mark.parametrize("body", [b"", b"no json", b"{}"])
def test_a_claim_that_says_nothing_holds_for_its_time_if_it_is_json_and_else_not(
    path: ObjectPath, body: bytes
) -> None:
    path.write_bytes(body)
    if body == b"{}":
        with pytest.raises(Held, match="process None on None"), leased(path):
            raise AssertionError("two writers")
    else:
        with pytest.raises(Held, match="has just begun"), leased(path):
            raise AssertionError("two writers")


def test_a_store_that_stumbles_while_renewing_is_asked_again(
    path: ObjectPath, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lease, "LEASE_S", 0.2)
    real, calls = type(path).replace, list[str]()

    def shaky(self: ObjectPath, data: bytes, tag: str) -> str | None:
        calls.append(tag)
        if len(calls) == 1:
            raise OSError("503")
        return real(self, data, tag)

    monkeypatch.setattr(type(path), "replace", shaky)
    with leased(path):
        until = time.monotonic() + 60
        while len(calls) < 3 and time.monotonic() < until:
            time.sleep(0.02)
    assert len(calls) >= 3 and calls[0] == calls[1], "asked again with the tag that it holds"
    assert not path.exists()


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
        until = time.monotonic() + 60
        while puts() < 3 and time.monotonic() < until:
            time.sleep(0.05)
        assert puts() >= 3
        path.write_bytes(b'{"host": "thief", "pid": 1}')
        time.sleep(0.3)
        assert b"thief" in path.read_bytes()


def test_a_claim_is_only_over_when_its_whole_time_is(
    path: ObjectPath, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A living writer that misses a renewal or two keeps its folder; else two write to it at once."""
    found = {"host": "elsewhere", "pid": 1}
    path.write_bytes(json.dumps(found).encode())

    def after(seconds: float) -> None:
        class Later(datetime):
            @classmethod
            def now(cls, tz: tzinfo | None = None) -> datetime:
                return datetime.now(tz) + timedelta(seconds=seconds)

        monkeypatch.setattr(lease, "datetime", Later)

    after(lease.LEASE_S - 10)
    assert lease.lease_holder(path) == found
    with pytest.raises(Held, match="process 1 on elsewhere"), leased(path):
        pass
    after(lease.LEASE_S + 1)
    assert lease.lease_holder(path) is None
    with leased(path):
        pass


def test_it_is_renewed_well_before_it_is_over(
    path: ObjectPath, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two renewals may fail in a row, as those of a busy store do, and it is still held."""
    waits: list[float] = []

    class Event(threading.Event):
        def wait(self, timeout: float | None = None) -> bool:
            if timeout is not None and threading.current_thread() is not threading.main_thread():
                waits.append(timeout)
            return super().wait(timeout)

    monkeypatch.setattr(lease.threading, "Event", Event)
    with leased(path):
        for _ in range(6000):
            if lease.LEASE_S / 4 in waits:
                break
            time.sleep(0.01)
    assert waits and max(waits) <= lease.LEASE_S / 3
