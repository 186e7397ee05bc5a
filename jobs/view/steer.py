"""Routes that steer: rules on trial, and the queues of captions to judge."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from jobs.core.errors import UserError
from jobs.view.clip import cells
from jobs.view.viewer import Viewer
from jobs.view.what_if import WhatIf, apply_rules, recipe_lines


def steer_routes(viewer: Viewer, in_thread: Any, with_body: Any) -> list[Route]:
    """Routes of rules and queues."""
    return [
        Route("/api/rules", in_thread(viewer, rules)),
        Route("/api/rules/bounds", with_body(viewer, described), methods=["POST"]),
        Route("/api/what-if", with_body(viewer, what_if), methods=["POST"]),
        Route("/api/what-if/edge", with_body(viewer, edge), methods=["POST"]),
        Route("/api/what-if/apply", with_body(viewer, apply), methods=["POST"]),
        Route("/api/label/queue", in_thread(viewer, queue)),
        Route("/api/label/estimate", in_thread(viewer, estimate)),
    ]


def need_rules(viewer: Viewer) -> WhatIf:
    """The rules; UserError where there are none."""
    found = viewer.now.what_if
    if found is None:
        raise UserError("shards have no rules: view the run folder that they were packed from")
    return found


def where_of(body: dict[str, Any]) -> dict[str, str]:
    """The rules in a body."""
    where = body.get("where")
    if not isinstance(where, dict):
        raise UserError("where must be an object: reason to predicate")
    return where


def rules(viewer: Viewer, request: Request) -> Response:
    """The folder's rules with their thresholds."""
    return JSONResponse({"rules": need_rules(viewer).rules()})


def described(viewer: Viewer, body: dict[str, Any]) -> Any:
    """The thresholds of one rule, as a person wrote it."""
    return need_rules(viewer).described(str(body["reason"]), str(body["text"]))


def what_if(viewer: Viewer, body: dict[str, Any]) -> Any:
    """The funnel of other rules, and the lines of a recipe that set them."""
    found, where = need_rules(viewer), where_of(body)
    answer = (found.exact if body.get("exact") else found.funnel)(where, viewer.edits())
    return {**answer, "toml": recipe_lines(found.config().where, where)}


def edge(viewer: Viewer, body: dict[str, Any]) -> Any:
    """The clips nearest to a threshold, on both sides."""
    opened, edits = viewer.now, viewer.edits()
    answer = need_rules(viewer).edge(
        where_of(body), str(body["reason"]), int(body.get("number", 0)), edits
    )
    values = answer.pop("values")
    for side in ("below", "above"):
        rows = answer[side]
        held = opened.data.held.take(pa.array(rows, pa.int64())).to_pylist()
        decided = opened.data.selection["decided"][rows].tolist() if rows else []
        found = cells(opened.data, held, decided, dict(edits.clips))
        answer[side] = [{**one, "v": values[row]} for one, row in zip(found, rows, strict=True)]
    return answer


def apply(viewer: Viewer, body: dict[str, Any]) -> Any:
    """Write the rules to the recipe and run select."""
    opened, where = viewer.now, where_of(body)
    need_rules(viewer).checked(where)
    need_rules(viewer).try_out(where)
    kept = apply_rules(opened.data, where)
    viewer.reload()
    return {"kept": kept, "stamp": viewer.now.data.stamp}


def queue(viewer: Viewer, request: Request) -> Response:
    """The next captions to judge: ``?queue=``, ``kind``, ``seed``."""
    params = request.query_params
    seed = params.get("seed", "0")
    if not seed.isdigit():
        raise UserError("seed must be a whole number")
    opened, edits = viewer.now, viewer.edits()
    rows = opened.labels.queue(
        params.get("queue", "audit"), params.get("kind", "dense"), edits, seed=int(seed[:9])
    )
    found = []
    for row in rows:
        try:
            held = opened.data.held_row(opened.data.row_of(row["id"]))
        except KeyError:  # a caption of a clip that is gone
            continue
        decided = int(opened.data.selection["decided"][opened.data.row_of(row["id"])])
        found.append({**cells(opened.data, [held], [decided], dict(edits.clips))[0], **row})
    return JSONResponse({"captions": found})


def estimate(viewer: Viewer, request: Request) -> Response:
    """The share of wrong captions by the random audit, with its interval."""
    kind = request.query_params.get("kind", "dense")
    return JSONResponse(viewer.now.labels.estimate(kind, viewer.edits()))
