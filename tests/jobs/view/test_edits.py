"""Edits through the page: durable, shown, undone, read by the tables' readers, and those of others appear."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
from starlette.testclient import TestClient

from jobs.core.run import open_run
from jobs.edits.journal import Journal
from jobs.select import command as select

Own = tuple[TestClient, list[str], Path]


def send(client: TestClient, clip: str, action: str, why: str = "", **value: Any) -> dict[str, Any]:
    body = {"clip": clip, "action": action, "value": value, "why": why, "who": "bob"}
    answer = client.post("/api/edit", json=body)
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def found(client: TestClient, ids: list[str], **question: Any) -> list[int]:
    answer = client.get("/api/clips", params={"q": json.dumps(question)}).json()
    return [ids.index(each["id"]) for each in answer["clips"]]


def test_an_edit_is_on_the_disk_and_in_every_answer(own: Own) -> None:
    client, ids, folder = own
    made = send(client, ids[0], "decision", "I like it", decision="keep")
    assert made["by_hand"]["decision"] == "keep"
    line = json.loads((folder / "edits" / "bob.jsonl").read_text())
    assert line["why"] == "I like it" and line["source_id"] == "source0" and line["end_s"] == 4.0
    send(client, ids[4], "caption", kind="dense", text="What Bob saw.")
    send(client, ids[4], "tag", tag="nice")
    send(client, ids[5], "cut", start=-2, end=3)
    assert found(client, ids, decision=["keep"]) == [0, 3, 4, 5, 6, 7]
    assert found(client, ids, tag="nice") == found(client, ids, words="bob SAW") == [4]
    assert found(client, ids, edited=True) == [0, 4, 5]
    clip = client.get(f"/api/clip/{ids[4]}").json()
    assert (
        clip["captions"][1]["by_hand"] == "What Bob saw."
        and clip["captions"][1]["text"] == "dense 4"
    )
    assert [each["action"] for each in clip["history"]] == ["caption", "tag"]
    assert client.get("/api/facet/decision").json()["values"] == [["keep", 6, 6], ["reject", 3, 3]]


def test_undo_and_redo(own: Own) -> None:
    client, ids, _ = own
    made = send(client, ids[0], "decision", decision="keep")
    back = client.post("/api/undo", json={"of": made["id"], "who": "bob"}).json()
    assert found(client, ids, decision=["keep"]) == [3, 4, 5, 6, 7]
    client.post("/api/undo", json={"of": back["id"], "who": "bob"})
    assert found(client, ids, decision=["keep"])[0] == 0
    listed = client.get("/api/edits").json()
    assert listed["total"] == 3 and [each["action"] for each in listed["edits"]] == [
        "undo",
        "undo",
        "decision",
    ]
    assert client.post("/api/undo", json={"of": "nope"}).status_code == 400


def test_what_makes_no_sense_is_refused(own: Own) -> None:
    client, ids, folder = own
    for body in (
        {"clip": ids[0], "action": "decision", "value": {"decision": "maybe"}},
        {"clip": ids[0], "action": "undo", "value": {"of": "x"}},
        {"clip": ids[0], "action": "fly", "value": {}},
        {"clip": ids[0], "action": "tag", "value": "x"},
        {"clip": ids[0], "action": "tag", "value": {"tag": "a"}, "who": "x" * 200},
        {"clip": ids[0], "action": "verdict", "value": {"kind": "structured", "right": True}},
    ):
        assert client.post("/api/edit", json=body).status_code == 400
    for body in (
        {"clip": "nope", "action": "tag", "value": {"tag": "a"}},
        {"action": "tag", "value": {}},
    ):
        assert client.post("/api/edit", json=body).status_code == 404
    assert not (folder / "edits").exists()


def test_edits_of_others_and_new_tables_appear(own: Own, monkeypatch: Any) -> None:
    client, ids, folder = own
    monkeypatch.setattr("jobs.view.viewer.LOOK_S", 0.0)
    assert found(client, ids, decision=["keep"]) == [3, 4, 5, 6, 7]
    Journal(folder).append("carl", "decision", {"decision": "reject"}, clip_id=ids[3])
    assert found(client, ids, decision=["keep"]) == [4, 5, 6, 7]
    run = open_run(folder)
    recipe = run.recipe(None, {"select.where.slow": "motion_mean < 0.65"})
    select.run(recipe.select, run)
    assert found(client, ids, decision=["keep"]) == [4, 5, 6]
    assert found(client, ids, reason="by_hand") == [3]
    rows = pq.read_table(folder / "selection.parquet").to_pylist()
    assert sum(row["decision"] == "keep" for row in rows) == 3
