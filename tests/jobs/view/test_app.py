"""The viewer's routes over a real run folder: pages, bytes, filters, facets, one clip."""

from __future__ import annotations

import json
from typing import Any

import pytest
from starlette.testclient import TestClient

Served = tuple[TestClient, list[str]]


def clips(client: TestClient, count: int = 60, start: int = 0, **question: Any) -> dict[str, Any]:
    answer = client.get(
        "/api/clips", params={"q": json.dumps(question), "from": start, "count": count}
    )
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def found(client: TestClient, ids: list[str], **question: Any) -> list[int]:
    return [ids.index(each["id"]) for each in clips(client, **question)["clips"]]


def test_the_page_loads_its_own_files_only(served: Served) -> None:
    client, _ = served
    page = client.get("/")
    assert page.status_code == 200 and "What if" in page.text
    for name in (
        "main.js",
        "grid.js",
        "view.css",
        "panels.css",
        "base.css",
        "theme.js",
        "icon.svg",
    ):
        assert client.get(f"/assets/{name}").status_code == 200
    info = client.get("/api/info").json()
    assert info["clips"] == 9 and info["hours"] == pytest.approx(9 * 4 / 3600)
    assert info["kinds"] == ["short", "dense"] and info["who"] == "ann"
    assert "motion_mean" in info["numbers"] and "camera" in info["words"]


def test_a_piece_of_the_grid(served: Served) -> None:
    client, ids = served
    piece = clips(client, count=2, start=4)
    assert piece["total"] == 9 and [each["id"] for each in piece["clips"]] == ids[4:6]
    assert piece["clips"][0]["d"] == "keep" and piece["clips"][0]["s"] == 4
    assert clips(client, start=100)["clips"] == []
    assert len(clips(client, count=10**6)["clips"]) == 9


def test_filters_order_and_words(served: Served) -> None:
    client, ids = served
    assert found(client, ids, decision=["keep"]) == [3, 4, 5, 6, 7]
    assert found(client, ids, where=[{"column": "motion_mean", "op": ">=", "value": 0.65}]) == [
        7,
        8,
    ]
    assert found(client, ids, where=[{"column": "camera", "op": "in", "value": ["pan"]}]) == [
        1,
        3,
        5,
        7,
    ]
    assert found(client, ids, sql="motion_mean between 0.15 and 0.35 or clip_id = ''") == [2, 3]
    assert found(client, ids, sql="decision = 'reject' and motion_mean > 0.5") == [8]
    assert found(client, ids, reason="slow") == [8]
    assert found(client, ids, source="source1") == [3, 4, 5]
    assert found(client, ids, words="DENSE 7") == [7]
    assert found(client, ids, by="motion_mean", down=True)[:2] == [8, 7]
    assert found(client, ids, decision=["keep"], by="motion_mean")[0] == 3
    assert clips(client, by="motion_mean")["clips"][1]["v"] == pytest.approx(0.1)
    assert clips(client, decision=["keep"])["hours"] == pytest.approx(5 * 4 / 3600)


@pytest.mark.parametrize(
    ("question", "says"),
    [
        ({"sql": "motion_mean >"}, "cannot be read"),
        ({"sql": "1) or (1=1"}, "cannot be read"),
        ({"sql": "1=1; drop view clips"}, "semicolon"),
        ({"sql": "exists (select 1 from sources)"}, "condition on columns"),
        ({"sql": "nothing_there > 1"}, "nothing_there"),
        ({"where": [{"column": "nope", "op": ">=", "value": 1}]}, "unknown column"),
        ({"where": [{"column": "blur", "op": "; --", "value": 1}]}, "makes no sense"),
        ({"by": "camera"}, "no numbers"),
        ({"by": 'x" --'}, "unknown column"),
        ({"strange": 1}, "unknown field"),
    ],
)
def test_a_question_that_makes_no_sense_is_one_line(
    served: Served, question: dict[str, Any], says: str
) -> None:
    client, _ = served
    answer = client.get("/api/clips", params={"q": json.dumps(question)})
    assert answer.status_code == 400 and says in answer.json()["error"]
    assert "\n" not in answer.json()["error"]


def test_a_clip_comes_out_of_its_shard_by_range(served: Served) -> None:
    client, ids = served
    whole = client.get(f"/video/{ids[2]}")
    assert whole.headers["content-type"] == "video/mp4" and whole.content[4:8] == b"ftyp"
    part = client.get(f"/video/{ids[2]}", headers={"Range": "bytes=100-299"})
    assert part.status_code == 206 and part.content == whole.content[100:300]
    assert client.head(f"/video/{ids[2]}").headers["content-length"] == str(len(whole.content))
    assert client.get("/video/nope").status_code == 404
    assert client.get("/video/..%2f..%2fetc%2fpasswd").status_code == 404


def test_stills_are_pictures_of_frames(served: Served) -> None:
    client, ids = served
    first = client.get(f"/still/{ids[0]}?f=0&w=100")
    assert first.headers["content-type"] == "image/jpeg" and first.content[:2] == b"\xff\xd8"
    assert client.get(f"/still/{ids[0]}?f=999999").status_code == 200  # the last one
    tag = {"If-None-Match": first.headers["etag"]}
    assert client.get(f"/still/{ids[0]}?f=0&w=100", headers=tag).status_code == 304
    assert client.get(f"/still/{ids[0]}?f=-1").status_code == 400


def test_facets_count_all_and_some(served: Served) -> None:
    client, _ = served
    q = json.dumps({"decision": ["keep"]})
    motion = client.get("/api/facet/motion_mean", params={"q": q}).json()
    assert (
        sum(motion["all"]) == 9
        and sum(motion["some"]) == 5
        and motion["most"] == pytest.approx(0.8)
    )
    blur = client.get("/api/facet/blur").json()
    assert blur["missing"] == 9 and sum(blur["all"]) == 0
    camera = client.get("/api/facet/camera", params={"q": q}).json()
    assert camera["values"] == [["static", 5, 2], ["pan", 4, 3]]
    reasons = client.get("/api/facet/reasons").json()
    assert reasons["values"] == [["moving", 3, 3], ["slow", 1, 1]]
    assert client.get("/api/facet/nope").status_code == 400


def test_everything_about_one_clip(served: Served) -> None:
    client, ids = served
    clip = client.get(f"/api/clip/{ids[8]}").json()
    assert clip["reasons"] == ["slow"] and clip["d"] == "reject"
    assert {each["kind"]: each["text"] for each in clip["captions"]} == {
        "short": "short 8",
        "dense": "dense 8",
    }
    assert ["motion_mean", pytest.approx(0.8)] in clip["scores"]
    source = client.get(f"/api/source/{clip['source']['id']}").json()
    assert [each["id"] for each in source["clips"]] == ids[6:9] and source["length"] == 14
    assert client.get("/api/source/nope").status_code == 404
    assert client.get("/api/clip/nope").status_code == 404


def test_search_by_example_uses_the_stored_vectors(served: Served) -> None:
    client, ids = served
    answer = clips(client, like=ids[4])
    assert answer["clips"][0]["id"] == ids[4] and answer["clips"][0]["v"] == pytest.approx(
        1, abs=1e-2
    )
    assert len(answer["clips"]) == 9
    assert (
        client.get("/api/clips", params={"q": json.dumps({"image": "image:gone"})}).status_code
        == 400
    )


def test_names_are_escaped(tmp_path_factory: pytest.TempPathFactory) -> None:
    from jobs.view.app import make_viewer_app
    from jobs.view.viewer import Viewer
    from jobs.web.guard import Access
    from tests.helpers.run_folder import write_run

    folder = tmp_path_factory.mktemp("x") / "<script>alert(1)"
    write_run(folder, 1)
    with TestClient(
        make_viewer_app(Viewer(folder, "a"), Access()), base_url="http://localhost"
    ) as client:
        assert "<script>alert" not in client.get("/").text
