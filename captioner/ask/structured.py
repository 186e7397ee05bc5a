"""A caption as typed fields: what a model is asked for as JSON, checked strictly, and rendered to prose by ``render``.

The fields are those on which structured captioners agree (SkyReels-V2, HunyuanVideo, InstanceCap): subjects with
number, appearance, action and position, background, camera, style, lighting, legible text, and events with times. A
field that says nothing is empty; it is never a statement of absence.
"""

from __future__ import annotations

import re
from typing import Annotated, Any

import msgspec
from msgspec import Meta

Count = Annotated[int, Meta(ge=1)]
Seconds = Annotated[float, Meta(ge=0)]


class Subject(msgspec.Struct, forbid_unknown_fields=True, kw_only=True, omit_defaults=True):
    """One subject, or a group of like ones."""

    name: Annotated[str, Meta(description="noun as written for this count: dog, dogs, water")]
    count: Annotated[
        Count | None, Meta(description="how many; null when they cannot be counted")
    ] = 1
    appearance: Annotated[
        str, Meta(description="adjectives or features: large red; with a leather collar")
    ] = ""
    action: Annotated[
        str, Meta(description="predicate from first to last frame: runs towards the camera")
    ] = ""
    position: Annotated[str, Meta(description="place in the frame: on the left")] = ""


class Event(msgspec.Struct, forbid_unknown_fields=True, kw_only=True, omit_defaults=True):
    """Something that happens within a span of the clip."""

    start_s: Annotated[Seconds, Meta(description="seconds from the clip's start")]
    end_s: Annotated[Seconds, Meta(description="seconds from the clip's start, not before start_s")]
    what: Annotated[str, Meta(description="a clause: the dog catches the ball")]


class Structured(msgspec.Struct, forbid_unknown_fields=True, kw_only=True, omit_defaults=True):
    """Everything that a caption says; the first subject is the main one."""

    subjects: Annotated[list[Subject], Meta(min_length=1, description="main subject first")]
    background: Annotated[str, Meta(description="surroundings: a sunlit kitchen")] = ""
    camera: Annotated[str, Meta(description="predicate: pans left; is static; follows the dog")] = (
        ""
    )
    style: Annotated[str, Meta(description="look of the medium: hand-drawn animation")] = ""
    lighting: Annotated[str, Meta(description="predicate: is soft; comes from the left")] = ""
    text: Annotated[list[str], Meta(description="legible text, verbatim")] = []
    events: Annotated[list[Event], Meta(description="in order of time")] = []


def parse(text: str | bytes) -> Structured:
    """Fields of a JSON text; raises ValueError with one line that names the field and the fault.

    Strict: no unknown field, no number as text, at least one subject with a name, no event that ends before it starts.
    """
    try:
        found = msgspec.json.decode(text, type=Structured)
    except msgspec.ValidationError as error:
        fault, _, place = str(error).partition(" - at `$")
        field = place.rstrip("`").lstrip(".")
        raise ValueError(f"structured caption: {field + ': ' if field else ''}{fault}") from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ValueError(f"structured caption is not JSON: {error}") from None
    for i, subject in enumerate(found.subjects):
        if not re.search(r"\w", subject.name):
            raise ValueError(f"structured caption: subjects[{i}].name: empty")
    for i, event in enumerate(found.events):
        if event.end_s < event.start_s:
            raise ValueError(
                f"structured caption: events[{i}].end_s: {event.end_s:g} is before start_s = {event.start_s:g}"
            )
        if not event.what.strip():
            raise ValueError(f"structured caption: events[{i}].what: empty")
    return found


def to_json(structured: Structured) -> str:
    """The stored form: fields in order of declaration, empty ones left out; ``parse`` inverts it."""
    return msgspec.json.encode(structured).decode()


def json_schema() -> dict[str, Any]:
    """JSON Schema for servers with structured output.

    Plain: no ``$ref``, at most five levels deep, no default; every property is required (an empty value says nothing)
    and no other is allowed, as OpenAI's strict mode wants. ``parse`` accepts all that it allows, and more.
    """
    (_,), parts = msgspec.json.schema_components([Structured], ref_template="{name}")
    return _plain(parts["Structured"], parts)


def _plain(node: Any, parts: dict[str, Any]) -> Any:
    if isinstance(node, list):
        return [_plain(item, parts) for item in node]
    if not isinstance(node, dict):
        return node
    if "$ref" in node:
        node = parts[node["$ref"]]
    plain = {
        key: {name: _plain(field, parts) for name, field in value.items()}
        if key == "properties"
        else _plain(value, parts)
        for key, value in node.items()
        if key not in ("default", "title")
    }
    if plain.get("type") == "object":
        plain["required"] = list(plain["properties"])
        plain["additionalProperties"] = False
    return plain
