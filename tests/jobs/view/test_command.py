"""The command itself: its link, its errors, a kill in the middle of edits, S3."""

from __future__ import annotations

import os
import signal
import subprocess
from pathlib import Path

import httpx
import pytest
from starlette.testclient import TestClient

from jobs.core.errors import UserError
from jobs.edits.journal import Journal
from jobs.view.app import make_viewer_app
from jobs.view.command import main
from jobs.view.viewer import Viewer
from jobs.web.guard import Access
from pipeline.store.paths import location
from tests.helpers.object_server import no_faults, object_server
from tests.helpers.warm_python import python
from tests.jobs.view.conftest import prepare


def start(folder: Path, *args: str) -> tuple[subprocess.Popen[str], str]:
    """A server in a process of its own, and its address."""
    words = [python(), "-m", "jobs.cli", "view", str(folder), "--port", "0", *args]
    server = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert server.stdout is not None
    for line in server.stdout:
        if line.startswith("open "):
            return server, line.split()[1].rstrip("/")
    raise AssertionError(server.communicate()[1])


def test_a_kill_amid_edits_loses_none(tmp_path: Path) -> None:
    ids = prepare(tmp_path)
    server, address = start(tmp_path, "--who", "ann")
    answered = []
    with httpx.Client(base_url=address, timeout=60) as client:
        for n in range(60):
            body = {"clip": ids[n % 9], "action": "tag", "value": {"tag": f"t{n}"}}
            if n == 45:
                os.kill(server.pid, signal.SIGKILL)
            try:
                answered.append(client.post("/api/edit", json=body).raise_for_status().json()["id"])
            except httpx.HTTPError:
                break
    server.wait()
    server.stdout.close() if server.stdout else None
    server.stderr.close() if server.stderr else None
    assert len(answered) >= 45 and set(answered) <= {edit.id for edit in Journal(tmp_path).read()}


@pytest.mark.parametrize(
    ("args", "says"),
    [
        (["nowhere"], "nowhere does not exist"),
        (["{folder}"], "neither manifest/ nor shards"),
        (["{folder}", "--port", "99999999"], "99999999: it must be from 0 to 65535"),
        (["{folder}", "--who", " "], "is no name"),
        (["{folder}", "--host", "192.0.2.1"], "cannot listen at 192.0.2.1"),
    ],
)
def test_wrong_usage_is_one_line(tmp_path: Path, args: list[str], says: str) -> None:
    with pytest.raises(UserError, match=says):
        main([arg.replace("{folder}", str(tmp_path)) for arg in args])


def test_a_run_in_an_object_store_is_played_by_range(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ids = prepare(tmp_path)
    with object_server("sets") as server, no_faults(server, monkeypatch):
        for file in tmp_path.rglob("*"):
            if file.is_file():
                key = file.relative_to(tmp_path)
                (location("s3://sets/run") / str(key)).write_bytes(file.read_bytes())  # type: ignore[union-attr]
        viewer = Viewer(location("s3://sets/run"), "ann")
        with TestClient(make_viewer_app(viewer, Access()), base_url="http://localhost") as client:
            assert client.get("/api/info").json()["clips"] == 9
            server.seen.clear()
            part = client.get(f"/video/{ids[4]}", headers={"Range": "bytes=10-109"})
            assert part.status_code == 206 and len(part.content) == 100
            shard = [seen for seen in server.seen if "clips/" in seen.path and seen.method == "GET"]
            assert shard and all(0 < seen.sent <= 100 for seen in shard)
            body = {"clip": ids[0], "action": "decision", "value": {"decision": "keep"}}
            assert client.post("/api/edit", json=body).status_code == 200
        assert len(Journal(location("s3://sets/run")).read()) == 1


def test_shards_are_viewed_without_rules(tmp_path: Path) -> None:
    from jobs.core.run import open_run
    from jobs.shards import pack
    from pipeline.config import PackConfig

    prepare(tmp_path)
    pack.run(PackConfig(), open_run(tmp_path))
    viewer = Viewer(tmp_path / "shards", "ann")
    with TestClient(make_viewer_app(viewer, Access()), base_url="http://localhost") as client:
        page = client.get("/").text
        assert "#tab=clips" in page and "#tab=rules" not in page
        found = client.get("/api/clips").json()
        clip = found["clips"][0]["id"]
        assert found["total"] == 5 and client.get(f"/video/{clip}").content[4:8] == b"ftyp"
        about = client.get(f"/api/clip/{clip}").json()
        assert {each["kind"] for each in about["captions"]} == {"short", "dense"}
        assert client.get("/api/rules").status_code == 400
