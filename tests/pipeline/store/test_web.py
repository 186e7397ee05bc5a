"""Presigned links: read by range through failures, typed when they fail, their signature in no message."""

from __future__ import annotations

import os
from collections.abc import Iterator
from datetime import timedelta

import obstore
import pytest

from pipeline.source.listing import file_source_id, list_sources, shown_uri, source_stamp
from pipeline.store.client import client
from pipeline.store.paths import ObjectPath, location
from pipeline.store.staging import staged
from tests.helpers.object_server import Fault, ObjectServer, no_faults, server_with

server = server_with("web")


@pytest.fixture
def link(server: ObjectServer, monkeypatch: pytest.MonkeyPatch) -> Iterator[ObjectPath]:
    """A presigned link to ``s3://web/a film/x.mp4``."""
    monkeypatch.setattr("pipeline.store.web.CHUNK_BYTES", 1 << 20)
    with no_faults(server, monkeypatch):
        ObjectPath("s3://web/a film/x.mp4").write_bytes(os.urandom((3 << 20) + 5))
        url = obstore.sign(client("s3://web"), "GET", "a film/x.mp4", timedelta(seconds=900))
        assert "X-Amz-Signature" in url
        found = location(url)
        assert isinstance(found, ObjectPath)
        yield found


def test_a_link_is_the_object(link: ObjectPath, server: ObjectServer) -> None:
    original = ObjectPath("s3://web/a film/x.mp4")
    data = original.read_bytes()
    server.faults += [
        Fault(kind="503", times=2),
        Fault(kind="reset", times=2, method="GET"),
        Fault(kind="drop", times=1),
    ]
    assert link.name == "x.mp4" and link.suffix == ".mp4"
    assert link.stat().st_size == len(data) and link.read_range(100, 50) == data[100:150]
    with staged(link) as local:
        assert local.name == "x.mp4" and local.read_bytes() == data
    assert file_source_id(link) == file_source_id(original)
    assert source_stamp(link.uri) == source_stamp(link.uri) != ""
    assert [uri for *_, uri in list_sources([link.uri])] == [link.uri]


def test_failures_are_typed_and_say_nothing_of_the_query(
    link: ObjectPath, server: ObjectServer
) -> None:
    secret = link.uri.partition("?")[2]
    assert shown_uri(link.uri).endswith("/x.mp4") and secret not in shown_uri(link.uri)
    lines = []
    for fault, kind in (
        ("403", PermissionError),
        ("503", ConnectionError),
        ("drop", ConnectionError),
    ):
        server.faults[:] = [Fault(kind=fault)]
        with pytest.raises(kind) as caught:
            link.read_bytes()
        lines.append(str(caught.value))
    server.faults.clear()
    with pytest.raises(FileNotFoundError) as gone:
        location(link.uri.replace("x.mp4", "y.mp4")).read_bytes()
    lines.append(str(gone.value))
    for line in lines:
        assert "a%20film" in line and "X-Amz" not in line and "Signature" not in line
