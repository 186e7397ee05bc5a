"""Routes of edits: make one, take it back, list them."""

from __future__ import annotations

from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from jobs.core.errors import UserError
from jobs.edits.journal import Action
from jobs.view.clip import history
from jobs.view.viewer import Viewer

SHOWN = 200
"""Edits listed."""


def edit_routes(viewer: Viewer, in_thread: Any, with_body: Any) -> list[Route]:
    """Routes of edits."""
    return [
        Route("/api/edits", in_thread(viewer, listed)),
        Route("/api/edit", with_body(viewer, edit), methods=["POST"]),
        Route("/api/undo", with_body(viewer, undo), methods=["POST"]),
    ]


def listed(viewer: Viewer, request: Request) -> Response:
    """The last edits, newest first, and what needs a look."""
    edits = viewer.edits()
    every, damage = viewer.now.data.journal.read_with_damage()
    return JSONResponse(
        {
            "edits": [history(each, edits) for each in reversed(every[-SHOWN:])],
            "total": len(every),
            "disputed": list(edits.disputed),
            "waiting": len(edits.waiting),
            "damage": damage,
            "tags": sorted({tag for hand in edits.clips.values() for tag in hand.tags}),
        }
    )


def edit(viewer: Viewer, body: dict[str, Any]) -> Any:
    """Write an edit; it is on the disk when this answers."""
    action, value, clip = str(body["action"]), body.get("value"), str(body["clip"])
    if action not in {str(each) for each in Action} - {str(Action.UNDO)}:
        raise UserError(f"edit {action!r} is unknown")
    if not isinstance(value, dict):
        raise UserError("value must be an object")
    made = viewer.edit(str(body.get("who") or ""), action, value, clip, str(body.get("why") or ""))
    edits = viewer.edits()
    return {
        "id": made.id,
        "by_hand": edits.clips[clip].plain() if clip in edits.clips else None,
        "version": viewer.version,
    }


def undo(viewer: Viewer, body: dict[str, Any]) -> Any:
    """Take an edit back; the undo of an undo brings it back."""
    wanted = str(body["of"])
    if all(each.id != wanted for each in viewer.now.data.journal.read()):
        raise UserError("there is no such edit")
    made = viewer.edit(
        str(body.get("who") or ""), str(Action.UNDO), {"of": wanted}, "", str(body.get("why") or "")
    )
    return {"id": made.id, "version": viewer.version}
