"""Rules on trial, written to the recipe; queues of captions and what they say of all captions."""

from __future__ import annotations

import math
import tomllib
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from starlette.testclient import TestClient

from jobs.view.clip import text_hash
from jobs.view.label import wilson
from pipeline import schema as s
from pipeline.store.parquet import write_table
from pipeline.tables import truth_schema

Served = tuple[TestClient, list[str]]
Own = tuple[TestClient, list[str], Path]
RULES = {"moving": "motion_mean > 0.25", "slow": "motion_mean < 0.75"}


def trial(client: TestClient, where: dict[str, str], **more: Any) -> dict[str, Any]:
    answer = client.post("/api/what-if", json={"where": where, **more})
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def test_rules_are_listed_with_their_thresholds(served: Served) -> None:
    client, _ = served
    rules = client.get("/api/rules").json()["rules"]
    assert [rule["reason"] for rule in rules] == ["moving", "slow"]
    (bound,) = rules[0]["bounds"]
    assert (bound["column"], bound["op"], bound["threshold"]) == ("motion_mean", ">", 0.25)
    assert bound["low"] == 0 and bound["high"] >= 0.75


@pytest.mark.parametrize("exact", [False, True])
def test_another_threshold_changes_funnel_and_hours(served: Served, exact: bool) -> None:
    client, _ = served
    same = trial(client, RULES, exact=exact)
    assert (same["kept"], same["gone"], same["back"], same["toml"]) == (5, 0, 0, "")
    other = trial(client, {**RULES, "moving": "motion_mean > 0.45"}, exact=exact)
    assert (other["kept"], other["gone"], other["back"], other["exact"]) == (3, 2, 0, exact)
    assert other["hours"] == pytest.approx(3 * 4 / 3600, rel=1e-4)
    steps = {row["step"]: (row["removes"], row["clips"]) for row in other["funnel"]}
    assert steps["moving"] == (5, 4) and steps["slow"] == (1, 3) and steps["kept"][1] == 3
    assert tomllib.loads(other["toml"]) == {"select": {"where": {"moving": "motion_mean > 0.45"}}}
    wide = trial(client, {"moving": "motion_mean > -1", "slow": "motion_mean < 2"}, exact=exact)
    assert (wide["kept"], wide["gone"], wide["back"]) == (9, 0, 4)


def test_the_quick_and_the_exact_answer_agree(served: Served) -> None:
    client, _ = served
    for cut in np.arange(-0.05, 0.95, 0.25):
        where = {**RULES, "moving": f"motion_mean > {cut:.2f}"}
        quick, exact = trial(client, where), trial(client, where, exact=True)
        for name in ("kept", "gone", "back", "funnel"):
            left, right = quick[name], exact[name]
            if name == "funnel":
                left, right = (
                    [{**r, "hours": round(r["hours"], 6)} for r in rows] for rows in (left, right)
                )
            assert left == right, (cut, name)


def test_clips_at_the_edge(served: Served) -> None:
    client, ids = served
    edge = client.post(
        "/api/what-if/edge", json={"where": RULES, "reason": "moving", "number": 0}
    ).json()
    assert [ids.index(each["id"]) for each in edge["below"]] == [2, 1, 0]
    assert [ids.index(each["id"]) for each in edge["above"]] == [
        3,
        4,
        5,
        6,
        7,
    ]  # not 8: `slow` rejects it anyway
    assert edge["keeps_above"] and edge["above"][0]["v"] == pytest.approx(0.3)
    assert (
        client.post(
            "/api/what-if/edge", json={"where": RULES, "reason": "moving", "number": 5}
        ).status_code
        == 400
    )


@pytest.mark.parametrize(
    "where", [{"moving": "nope > 1"}, {"moving": "1; 2"}, {"Bad Name": "1 = 1"}, [], {"moving": 1}]
)
def test_a_rule_that_makes_no_sense_is_refused(served: Served, where: Any) -> None:
    client, _ = served
    for route in ("/api/what-if", "/api/what-if/apply"):
        assert client.post(route, json={"where": where}).status_code == 400


def test_applying_writes_the_recipe_and_selects(own: Own) -> None:
    client, _, folder = own
    answer = client.post(
        "/api/what-if/apply", json={"where": {**RULES, "moving": "motion_mean > 0.45"}}
    )
    assert answer.json()["kept"] == 3
    assert (
        tomllib.loads((folder / "recipe.toml").read_text())["select"]["where"]["moving"]
        == "motion_mean > 0.45"
    )
    rows = pq.read_table(folder / "selection.parquet").to_pylist()
    assert sum(row[s.DECISION] == "keep" for row in rows) == 3
    assert client.get("/api/clips?q=%7B%22decision%22%3A%5B%22keep%22%5D%7D").json()["total"] == 3


# -- queues


def queue(client: TestClient, which: str, seed: int = 0) -> list[str]:
    answer = client.get("/api/label/queue", params={"queue": which, "kind": "dense", "seed": seed})
    assert answer.status_code == 200, answer.text
    return [each["id"] for each in answer.json()["captions"]]


def judge(client: TestClient, clip: str, right: bool, which: str) -> None:
    value = {"kind": "dense", "right": right, "queue": which}
    assert (
        client.post(
            "/api/edit", json={"clip": clip, "action": "verdict", "value": value}
        ).status_code
        == 200
    )


def test_an_audit_is_random_shared_and_estimates(own: Own) -> None:
    client, ids, _ = own
    order = queue(client, "audit")
    assert sorted(order) == sorted(ids) and order == queue(client, "audit") != ids
    assert queue(client, "audit", seed=1) != order
    for clip, right in zip(order[:4], (True, False, True, True), strict=True):
        judge(client, clip, right, "audit")
    assert queue(client, "audit") == order[4:]
    told = client.get("/api/label/estimate?kind=dense").json()
    assert (told["judged"], told["wrong"], told["total"]) == (4, 1, 9)
    assert told["low"] == pytest.approx(0.0456, abs=1e-4) and told["high"] == pytest.approx(
        0.6994, abs=1e-4
    )


def test_the_worst_come_first_and_do_not_bend_the_estimate(
    own: Own, monkeypatch: pytest.MonkeyPatch
) -> None:
    client, ids, folder = own
    assert client.get("/api/label/queue?queue=worst&kind=dense").status_code == 400  # no truth yet
    monkeypatch.setattr("jobs.view.viewer.LOOK_S", 0.0)
    rows = [
        {
            s.CLIP_ID: clip, s.KIND: "dense", s.TEXT_HASH: text_hash(f"dense {i}"), s.TRUTH_MIN: abs(i - 5) - 1.0,
            s.TRUTH_MEAN: 1.0, s.WORST_ASSERTION: "dense", s.CHECKS: ["camera_contradicts"] if i == 8 else [],
        }
        for i, clip in enumerate(ids)
    ]  # fmt: skip
    write_table(
        folder / "truth" / "part-0.parquet", pa.Table.from_pylist(rows, schema=truth_schema())
    )
    assert [ids.index(clip) for clip in queue(client, "worst")][:4] == [8, 5, 4, 6]
    judge(client, ids[5], False, "worst")
    assert [ids.index(clip) for clip in queue(client, "worst")][:3] == [8, 4, 6]
    assert client.get("/api/label/estimate?kind=dense").json()["judged"] == 0
    assert client.get(f"/api/clip/{ids[5]}").json()["captions"][1]["truth"]["min"] == -1


def correct(client: TestClient, clip: str, text: str) -> None:
    value = {"kind": "dense", "text": text}
    body = {"clip": clip, "action": "caption", "value": value}
    assert client.post("/api/edit", json=body).status_code == 200


def test_an_audit_is_of_what_the_captioner_wrote_and_corrections_do_not_bend_it(own: Own) -> None:
    client, ids, _ = own
    correct(client, ids[0], "What Ann saw.")
    answer = client.get("/api/label/queue?queue=audit&kind=dense").json()["captions"]
    (shown,) = [each for each in answer if each["id"] == ids[0]]
    assert (shown["text"], shown["by_hand"]) == ("dense 0", "What Ann saw.")
    judge(client, ids[1], False, "audit")
    correct(client, ids[1], "What Ann saw, too.")
    told = client.get("/api/label/estimate?kind=dense").json()
    assert (told["judged"], told["wrong"]) == (1, 1), "the captioner was wrong, and is still"


def test_the_worst_are_shown_as_they_are_packed_and_only_once_their_words_are_checked(
    own: Own, monkeypatch: pytest.MonkeyPatch
) -> None:
    client, ids, folder = own
    monkeypatch.setattr("jobs.view.viewer.LOOK_S", 0.0)
    correct(client, ids[0], "What Ann saw.")
    correct(client, ids[1], "Not checked yet.")
    texts = {ids[0]: "What Ann saw.", ids[1]: "dense 1", ids[2]: "dense 2"}
    rows = [
        {s.CLIP_ID: clip, s.KIND: "dense", s.TEXT_HASH: text_hash(text), s.TRUTH_MIN: float(i), s.CHECKS: []}
        for i, (clip, text) in enumerate(texts.items())
    ]  # fmt: skip
    table = pa.Table.from_pylist(rows, schema=truth_schema())
    write_table(folder / "truth" / "part-0.parquet", table)
    answer = client.get("/api/label/queue?queue=worst&kind=dense").json()["captions"]
    assert [(each["id"], each["text"]) for each in answer] == [
        (ids[0], "What Ann saw."),
        (ids[2], "dense 2"),
    ]
    found = client.get(f"/api/clip/{ids[0]}").json()["captions"]
    assert [each["truth"]["min"] for each in found if each["kind"] == "dense"] == [0]
    judge(client, ids[0], True, "worst")
    assert queue(client, "worst") == [ids[2]]
    correct(client, ids[0], "Other words.")
    table = table.set_column(
        table.column_names.index(s.TEXT_HASH), s.TEXT_HASH, pa.array([text_hash("Other words."), "", ""])
    )  # fmt: skip
    write_table(folder / "truth" / "part-0.parquet", table)
    assert queue(client, "worst") == [ids[0]], "the verdict was of other words"


def test_a_verdict_on_words_that_are_gone_no_longer_counts(
    own: Own, monkeypatch: pytest.MonkeyPatch
) -> None:
    client, ids, folder = own
    monkeypatch.setattr("jobs.view.viewer.LOOK_S", 0.0)
    judge(client, ids[0], False, "audit")
    assert client.get("/api/label/estimate?kind=dense").json()["judged"] == 1
    part = folder / "captions" / "part-00000.parquet"
    table = pq.read_table(part)
    texts = pa.array([f"again {text}" for text in table[s.TEXT].to_pylist()])
    pq.write_table(table.set_column(table.column_names.index(s.TEXT), s.TEXT, texts), part)
    assert client.get("/api/label/estimate?kind=dense").json()["judged"] == 0


def test_wilsons_interval() -> None:
    assert wilson(0, 0) == (0, 1)
    assert wilson(0, 10) == pytest.approx((0, 0.27754), abs=1e-5)
    assert wilson(10, 10) == pytest.approx((0.72246, 1), abs=1e-5)
    assert wilson(5, 50) == pytest.approx(
        (0.04348, 0.21360), abs=1e-5
    )  # as R's prop.test without correction


@pytest.mark.parametrize("share", [0.02, 0.1, 0.5])
def test_the_interval_holds_the_truth_as_often_as_it_says(share: float) -> None:
    """Exactly, over every outcome of 60 judgements: on average near 95 %, never far below."""
    n, held = 60, 0.0
    for wrong in range(n + 1):
        low, high = wilson(wrong, n)
        if low <= share <= high:
            held += math.comb(n, wrong) * share**wrong * (1 - share) ** (n - wrong)
    assert held > 0.91
