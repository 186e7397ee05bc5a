"""The server: submit, watch, cancel, fetch; limits; a restart in the middle of fifty clients; who may ask."""

from __future__ import annotations

import hashlib
import io
import json
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from starlette.testclient import TestClient

from jobs.serve.store import JOURNAL, Store
from tests.helpers.served import FAST, expected_video, open_api

BASE = "http://127.0.0.1"


def client_of(api: Any) -> TestClient:
    return TestClient(api.app(), base_url=BASE)


def submit(client: TestClient, **more: Any) -> dict[str, Any]:
    answer = client.post("/api/jobs", json={**FAST, "prompt": "a red circle", **more})
    assert answer.status_code == 202, answer.text
    assert answer.headers["location"] == answer.json()["links"]["self"]
    return answer.json()


def wait(client: TestClient, key: str, *states: str) -> dict[str, Any]:
    for _ in range(6000):
        job = client.get(f"/api/jobs/{key}").json()
        if job["state"] in (states or ("done", "failed", "cancelled")):
            return job
        time.sleep(0.02)
    raise AssertionError(job)


def test_a_job_goes_from_the_form_to_the_gallery(tmp_path: Path) -> None:
    with client_of(open_api(tmp_path)) as client:
        key = submit(client, seed=7)["id"]
        job = wait(client, key)
        assert (job["state"], job["done"], job["result"]["frames"]) == ("done", 1.0, 5)
        assert job["settings"]["seed"] == 7 and job["settings"]["solver"] == "euler"
        video = client.get(job["links"]["video"])
        assert video.content == expected_video(7, "a red circle")
        assert video.headers["content-type"] == "video/mp4"
        part = client.get(job["links"]["video"], headers={"Range": "bytes=4-7"})
        assert (part.status_code, part.content) == (206, b"ftyp")
        assert client.get(job["links"]["poster"]).content[:2] == b"\xff\xd8"
        assert [each["id"] for each in client.get("/api/jobs?state=done").json()["jobs"]] == [key]
        meta = json.loads((tmp_path / "results" / key / "meta.json").read_text())
        assert meta["prompt"] == "a red circle" and meta["settings"]["seed"] == 7
        page = client.get("/").text
        assert "<script src=" in page.replace('type="module" ', "") and "onclick" not in page


def test_running_jobs_show_steps_and_pictures_and_can_be_cancelled(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from jobs.serve import worker

    monkeypatch.setattr(worker, "PREVIEW_S", 0.0)
    with client_of(open_api(tmp_path)) as client:
        long = submit(client, steps=200, frames=17, width=64, height=64)["id"]
        waiting = submit(client, seed=1)
        assert client.get(f"/api/jobs/{waiting['id']}").json()["place"] in (0, 1)
        for _ in range(6000):
            job = client.get(f"/api/jobs/{long}").json()
            if job["links"].get("preview"):
                break
            time.sleep(0.01)
        assert job["steps"] == 200 and 0 < job["step"] < 200
        assert client.get(job["links"]["preview"]).content[:2] == b"\xff\xd8"
        client.post(f"/api/jobs/{long}/cancel")
        client.post(f"/api/jobs/{waiting['id']}/cancel")
        assert wait(client, long)["state"] == "cancelled"
        assert wait(client, waiting["id"])["state"] in ("cancelled", "done")
        again = client.post(f"/api/jobs/{long}/cancel").json()
        assert again["state"] == "cancelled"
        assert client.get(f"/api/jobs/{long}/video").status_code == 404


def test_a_full_queue_says_when_to_ask_again(tmp_path: Path) -> None:
    api = open_api(tmp_path, queue=2)
    client = client_of(api)  # no worker: nothing is taken out
    submit(client)
    submit(client)
    answer = client.post("/api/jobs", json={**FAST, "prompt": "x"})
    assert answer.status_code == 429 and int(answer.headers["retry-after"]) >= 1
    assert "queue is full" in answer.json()["error"]
    assert client.get("/api/health").json()["jobs"]["queued"] == 2


def test_twenty_clients_get_their_own_bytes_though_the_server_dies_between(tmp_path: Path) -> None:
    """What a kill leaves is what is on the disk: the first server is dropped without a word to its store."""
    first = open_api(tmp_path, queue=100)
    asking = client_of(first)
    barrier = threading.Barrier(20)

    def ask(seed: int) -> str:
        barrier.wait()
        return str(submit(asking, seed=seed, prompt=f"clip {seed % 7}")["id"])

    with ThreadPoolExecutor(20) as pool:
        ids = list(pool.map(ask, range(20)))
    assert len(set(ids)) == 20
    for _ in range(6):  # some are done, one has its result but not its line, one is under way
        job = first.store.take(0)
        first.worker.work(job)
    lines = (tmp_path / JOURNAL).read_bytes().splitlines(keepends=True)
    assert json.loads(lines[-1])["event"] == "done"
    (tmp_path / JOURNAL).write_bytes(b"".join(lines[:-1]) + b'{"event": "do')
    first.store.take(0)
    (tmp_path / "results" / ".half").mkdir()
    second = open_api(tmp_path, queue=100)
    assert len(second.store.queue) == 14, "what ran is queued again, the one with a result is done"
    assert not (tmp_path / "results" / ".half").exists()
    with client_of(second) as client:
        for seed, key in enumerate(ids):
            job = wait(client, key)
            assert (job["state"], job["settings"]["seed"]) == ("done", seed)
            video = client.get(job["links"]["video"]).content
            assert video == expected_video(seed, f"clip {seed % 7}"), seed
        assert len(client.get("/api/jobs?limit=200").json()["jobs"]) == 20
    third = Store(tmp_path)
    assert [job.state for job in third.jobs.values()] == ["done"] * 20


def test_results_and_uploads_are_given_to_other_verbs(tmp_path: Path) -> None:
    from PIL import Image

    with client_of(open_api(tmp_path)) as client:
        key = submit(client)["id"]
        wait(client, key)
        base = {k: v for k, v in FAST.items() if k not in ("verb", "width", "height", "frames")}
        body = {**base, "verb": "edit", "video": f"result:{key}", "strength": 0.5}
        answer = client.post("/api/jobs", json=body)
        edited = wait(client, answer.json()["id"])
        assert edited["state"] == "done" and edited["result"]["frames"] == 5, edited
        picture = io.BytesIO()
        Image.fromarray(np.full((24, 40, 3), 90, np.uint8)).save(picture, "PNG")
        kind = {"Content-Type": "application/octet-stream"}
        name = client.post("/api/inputs", content=picture.getvalue(), headers=kind).json()["input"]
        body = {**base, "verb": "animate", "picture": name, "frames": 5}
        moved = wait(client, client.post("/api/jobs", json=body).json()["id"])
        assert (moved["state"], moved["result"]["width"], moved["result"]["height"]) == (
            "done",
            40,
            24,
        )
        bad = client.post("/api/inputs", content=b"no picture", headers=kind).json()["input"]
        job = wait(client, client.post("/api/jobs", json={**body, "picture": bad}).json()["id"])
        assert job["state"] == "failed" and "cannot be read" in job["why"]
        region = {**base, "verb": "inpaint", "video": f"result:{key}", "region": "0,0,8x8"}
        assert wait(client, client.post("/api/jobs", json=region).json()["id"])["state"] == "done"


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"verb": "draw"}, "must be one of sample, animate"),
        ({"stpes": 3}, "did you mean 'steps'"),
        ({"steps": 0}, "steps is 0; it must be at least 1"),
        ({"steps": 10**9}, "at most 200"),
        ({"steps": True}, "a whole number"),
        ({"width": 17}, "17x16"),
        ({"solver": "os:system"}, "unknown"),
        ({"rule": "antigravity:main"}, "unknown"),
        ({"prompt": "  "}, "prompt is empty"),
        ({"prompt": "x" * 5000}, "at most 4000"),
        ({"interval": [0.9, 0.1]}, "lower level first"),
        ({"expand": "yes"}, "expand must be"),
        ({"seed": -1}, "seed is -1"),
        ({"verb": "edit", "video": "result:../../etc/passwd"}, "field"),
    ],
)
def test_wrong_requests_are_one_line(tmp_path: Path, more: dict[str, Any], said: str) -> None:
    with client_of(open_api(tmp_path)) as client:
        answer = client.post("/api/jobs", json={**FAST, "prompt": "a red circle", **more})
        if answer.status_code == 202:  # what only the models can tell
            assert said in wait(client, answer.json()["id"])["why"]
        else:
            assert answer.status_code == 400, answer.text
            assert said in answer.json()["error"]


def test_inputs_are_confined(tmp_path: Path) -> None:
    client = client_of(open_api(tmp_path))
    (tmp_path / "secret").write_text("x")
    for name in ("input:../secret", "input:" + "0" * 16, "result:" + "0" * 16, "/etc/passwd"):
        body = {"verb": "edit", "video": name, "strength": 0.5}
        answer = client.post("/api/jobs", json=body)
        assert answer.status_code == 400, answer.text
    assert client.get("/api/jobs/..%2f..%2fsecret").status_code == 404
    assert client.get("/api/jobs?limit=9999").status_code == 400


def test_unsafe_prompts_are_refused_when_expanded(tmp_path: Path) -> None:
    client = client_of(open_api(tmp_path))
    body = {**FAST, "prompt": "a naked child", "expand": True}
    answer = client.post("/api/jobs", json=body)
    assert answer.status_code == 422 and "refused" in answer.json()["error"]
    good = client.post("/api/jobs", json={**FAST, "prompt": "a red circle", "expand": True}).json()
    assert len(good["expanded"]) > len(good["prompt"])


def test_pages_of_other_sites_other_names_and_no_token_are_refused(tmp_path: Path) -> None:
    client = client_of(open_api(tmp_path))
    body = {**FAST, "prompt": "x"}
    assert (
        client.post("/api/jobs", json=body, headers={"Origin": "http://evil.example"}).status_code
        == 403
    )
    assert client.get("/api/jobs", headers={"Host": "evil.example"}).status_code == 421
    plain = {"Content-Type": "text/plain"}
    assert client.post("/api/jobs", content=json.dumps(body), headers=plain).status_code == 415
    assert client.post("/api/inputs", content=b"x", headers=plain).status_code == 415
    assert (
        client.post(
            "/api/jobs", content=b"{" * 2_000_000, headers={"Content-Type": "application/json"}
        ).status_code
        == 413
    )
    locked = client_of(open_api(tmp_path / "b", token="secret"))
    assert locked.get("/api/jobs").status_code == 401
    assert locked.get("/api/jobs", headers={"Authorization": "Bearer secret"}).status_code == 200
    policy = client.get("/").headers["content-security-policy"]
    assert "script-src 'self'" in policy and "unsafe" not in policy


def test_openapi_describes_every_route_and_every_field(tmp_path: Path) -> None:
    api = open_api(tmp_path)
    body = client_of(api).get("/api/openapi.json").json()
    routes = {r.path for r in api.app().routes if r.path.startswith("/api/")}
    assert set(body["paths"]) == routes - {"/api/openapi.json"}
    edit = body["components"]["schemas"]["edit_request"]
    assert edit["required"] == ["verb", "video", "strength"]
    assert edit["properties"]["strength"]["maximum"] == 1
    assert edit["properties"]["solver"]["enum"][0] == "euler"


def test_videos_are_signed_as_sample_signs_them(tmp_path: Path) -> None:
    pytest.importorskip("c2pa")
    from pipeline.video.provenance import read_credentials, read_manifest
    from tests.helpers.certificates import signing_pems

    for name, pem in zip(("cert.pem", "key.pem"), signing_pems(), strict=True):
        (tmp_path / name).write_bytes(pem)
    credentials = read_credentials(tmp_path / "cert.pem", tmp_path / "key.pem")
    with client_of(open_api(tmp_path / "out", credentials=credentials)) as client:
        job = wait(client, submit(client, seed=7)["id"])
        found = read_manifest(client.get(job["links"]["video"]).content)
    assert found is not None and found.intact and found.generation is not None
    assert found.generation["weights"] == "tiny"
    assert found.generation["prompt_sha256"] == hashlib.sha256(b"a red circle").hexdigest()


def test_a_certificate_without_its_key_is_told_before_a_model_is_loaded(tmp_path: Path) -> None:
    from jobs.core.errors import UserError
    from jobs.serve.command import main

    with pytest.raises(UserError, match="--c2pa-cert and --c2pa-key go together"):
        main(["embedded", "--out", str(tmp_path / "out"), "--c2pa-cert", str(tmp_path / "no.pem")])
    assert not (tmp_path / "out").exists()
