"""The API of a server as OpenAPI 3.1, made from the forms: what is documented is what is checked."""

from __future__ import annotations

from typing import Any

from jobs.serve.forms import verbs
from jobs.serve.inputs import MAX_BYTES
from jobs.serve.store import State

ID = {
    "name": "id",
    "in": "path",
    "required": True,
    "schema": {"type": "string", "pattern": "^[0-9a-f]{16}$"},
}


def document(version: str, token: bool) -> dict[str, Any]:
    """The document; ``token``: every request must carry one."""
    schemas: dict[str, Any] = {f"{name}_request": verb.schema() for name, verb in verbs().items()}
    requests = [{"$ref": f"#/components/schemas/{name}_request"} for name in verbs()]
    mapping = {name: f"#/components/schemas/{name}_request" for name in verbs()}
    schemas |= {"job": JOB, "error": ERROR, "jobs": JOBS}
    body: dict[str, Any] = {
        "openapi": "3.1.0",
        "info": {"title": "filmstock serve", "version": version},
        "paths": {
            "/api/jobs": {
                "get": _operation(
                    "list_jobs",
                    "Jobs, newest first.",
                    "jobs",
                    parameters=[
                        _query("limit", {"type": "integer", "minimum": 1, "maximum": 200}),
                        _query("before", ID["schema"]),
                        _query("state", {"type": "string", "enum": list(map(str, State))}),
                    ],
                ),
                "post": {
                    **_operation("submit", "Put a job into the queue.", "job", code="202"),
                    "requestBody": _json(
                        {
                            "oneOf": requests,
                            "discriminator": {"propertyName": "verb", "mapping": mapping},
                        }
                    ),
                },
            },
            "/api/jobs/{id}": {"get": _operation("status", "One job.", "job", parameters=[ID])},
            "/api/jobs/{id}/cancel": {
                "post": _operation("cancel", "Take a job back.", "job", parameters=[ID]),
            },
            "/api/jobs/{id}/video": {"get": _file("result", "The finished video.", "video/mp4")},
            "/api/jobs/{id}/poster": {"get": _file("poster", "Its middle frame.", "image/jpeg")},
            "/api/jobs/{id}/preview": {
                "get": _file("preview", "Frames as the model guesses them now.", "image/jpeg")
            },
            "/api/inputs": {
                "post": {
                    **_operation(
                        "upload",
                        f"Give a picture or video, at most {MAX_BYTES} bytes.",
                        None,
                        code="201",
                    ),
                    "requestBody": {
                        "required": True,
                        "content": {
                            "application/octet-stream": {
                                "schema": {"type": "string", "format": "binary"}
                            }
                        },
                    },
                }
            },
            "/api/verbs": {
                "get": _operation("list_verbs", "What may be asked, with its fields.", None)
            },
            "/api/health": {"get": _operation("health", "How the queue stands.", None)},
        },
        "components": {"schemas": schemas},
    }
    if token:
        body["components"]["securitySchemes"] = {"token": {"type": "http", "scheme": "bearer"}}
        body["security"] = [{"token": []}]
    return body


JOB: dict[str, Any] = {
    "type": "object",
    "required": ["id", "verb", "state", "settings", "prompt", "links"],
    "properties": {
        "id": {"type": "string"},
        "verb": {"type": "string"},
        "state": {"type": "string", "enum": list(map(str, State))},
        "place": {"type": ["integer", "null"], "description": "Jobs before it in the queue."},
        "done": {"type": "number", "minimum": 0, "maximum": 1},
        "step": {"type": "integer"},
        "steps": {"type": "integer"},
        "seconds": {"type": "number"},
        "submitted_s": {"type": "number"},
        "settings": {"type": "object"},
        "prompt": {"type": "string"},
        "expanded": {"type": "string", "description": "The caption sampled from, where expanded."},
        "why": {"type": "string"},
        "result": {"type": "object"},
        "links": {"type": "object", "additionalProperties": {"type": "string"}},
    },
}
JOBS = {
    "type": "object",
    "required": ["jobs"],
    "properties": {"jobs": {"type": "array", "items": {"$ref": "#/components/schemas/job"}}},
}
ERROR = {"type": "object", "required": ["error"], "properties": {"error": {"type": "string"}}}
_ERRORS = {
    "400": "What was asked cannot be done.",
    "401": "A token is needed.",
    "403": "Sent by a page of another site.",
    "404": "There is no such thing.",
    "405": "Not with this method.",
    "413": "The body is too large.",
    "415": "The body is of another type.",
    "421": "This server does not go by that name.",
}


def _operation(
    name: str,
    about: str,
    schema: str | None,
    *,
    code: str = "200",
    parameters: list[Any] | None = None,
) -> dict[str, Any]:
    shape = {"$ref": f"#/components/schemas/{schema}"} if schema else {"type": "object"}
    found: dict[str, Any] = {
        "operationId": name,
        "summary": about,
        "responses": {code: {"description": about, **_content(shape)}, **_errors()},
    }
    if name == "submit":
        found["responses"]["429"] = {
            "description": "The queue is full.",
            "headers": {"Retry-After": {"schema": {"type": "integer"}, "description": "Seconds."}},
            **_content({"$ref": "#/components/schemas/error"}),
        }
        found["responses"]["422"] = {
            "description": "The prompt is refused as unsafe.",
            **_content({"$ref": "#/components/schemas/error"}),
        }
    return found | ({"parameters": parameters} if parameters else {})


def _file(name: str, about: str, kind: str) -> dict[str, Any]:
    ok = {
        "description": about,
        "content": {kind: {"schema": {"type": "string", "format": "binary"}}},
    }
    more = {"206": ok, "416": {"description": "No byte of that range is there."}}
    return {
        "operationId": name,
        "summary": about,
        "parameters": [ID],
        "responses": {"200": ok, **more, **_errors()},
    }


def _errors() -> dict[str, Any]:
    shape = {"$ref": "#/components/schemas/error"}
    return {code: {"description": text, **_content(shape)} for code, text in _ERRORS.items()}


def _content(schema: dict[str, Any]) -> dict[str, Any]:
    return {"content": {"application/json": {"schema": schema}}}


def _json(schema: dict[str, Any]) -> dict[str, Any]:
    return {"required": True, **_content(schema)}


def _query(name: str, schema: Any) -> dict[str, Any]:
    return {"name": name, "in": "query", "schema": schema}
