"""The dialects: prose, tags, LTX's paragraph, MiniMax-H3's three fields, Cosmos's JSON, booru tags.

Each is a function of the same fields (``captioner.ask.structured``), or of prose where a dialect can carry it. A field
that is empty says nothing in any of them. Order and field names: Lightricks's prompting guide (action first, then
movement, looks, background, camera, light), MiniMax-H3's prompt-writing guide (``integrated_multimodal_description``,
``overall_soundscape``, ``non_diegetic_music``), cosmos-framework's ``StructuredCaption``.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from captioner.ask.structured import Structured, Subject
from captioner.render import (
    NUMBERS,
    background_sentence,
    camera_sentence,
    event_sentence,
    lighting_sentence,
    plain,
    sentence,
    subject_phrase,
    subject_sentence,
    text_sentence,
)


@dataclass(frozen=True, kw_only=True)
class Told:
    """What is known of a clip in words: prose, fields, or both."""

    prose: str
    """A caption in sentences; empty when there are only fields."""
    fields: Structured | None = None
    """The structured caption."""
    seconds: float = 0.0
    """Length of the clip."""
    width: int = 0
    """Pixels across."""
    height: int = 0
    """Pixels down."""
    fps: float = 0.0
    """Frames a second."""


class NeedsFields(ValueError):
    """A dialect that is made of fields, asked to carry prose."""


def prose(told: Told) -> str:
    """Sentences: the caption as it is, or its fields in the usual order."""
    return told.prose or plain(_fields(told))


def ltx(told: Told) -> str:
    """One paragraph without line breaks: what happens, then looks, background, camera, light."""
    if told.prose:
        return one_paragraph(told.prose)
    fields = _fields(told)
    parts = [subject_sentence(s, position=s.position) for s in fields.subjects]
    parts += [event_sentence(event) for event in fields.events]
    parts += [
        background_sentence(fields.background),
        camera_sentence(fields.camera),
        lighting_sentence(fields.lighting),
        sentence(f"The style is {fields.style}") if fields.style.strip() else "",
        text_sentence(fields.text),
    ]
    return one_paragraph(" ".join(part for part in parts if part))


def h3(told: Told) -> str:
    """Three labelled fields; those of sound stay empty, for nothing here has listened to the clip."""
    if told.prose or told.fields is None:
        body = one_paragraph(told.prose)
    else:
        style = sentence(told.fields.style) if told.fields.style.strip() else ""
        without = ltx(Told(prose="", fields=_without_style(told.fields)))
        body = f"{style} {without}".strip()
    return (
        f"integrated_multimodal_description: [Shot 1] {body}\n\n"
        "overall_soundscape:\n\nnon_diegetic_music:"
    )


def tags(told: Told) -> str:
    """Short phrases between commas, the main subject first."""
    return ", ".join(_phrases(_fields(told)))


def booru(told: Told) -> str:
    """Lower-case tags with underscores, a count with each subject: ``2_red_balls, pans_left``."""
    found = []
    for phrase in _phrases(_fields(told), digits=True):
        tag = re.sub(r"[^\w.:-]+", "_", phrase.lower()).strip("_")
        if tag and tag not in found:
            found.append(tag)
    return ", ".join(found)


def cosmos(told: Told) -> str:
    """The JSON object of cosmos-framework; what was not described is left out."""
    return json.dumps(cosmos_fields(told), ensure_ascii=False)


def cosmos_fields(told: Told) -> dict[str, Any]:
    """The object that ``cosmos`` writes."""
    fields = told.fields
    narrative = one_paragraph(told.prose) or (plain(fields) if fields else "")
    found: dict[str, Any] = {}
    if fields is not None:
        found = {
            "subjects": [_cosmos_subject(subject) for subject in fields.subjects],
            "background_setting": fields.background,
            "lighting": {"conditions": fields.lighting} if fields.lighting else None,
            "cinematography": {"camera_motion": fields.camera} if fields.camera else None,
            "style_medium": fields.style,
            "actions": [
                {"time": f"{e.start_s:g}s-{e.end_s:g}s", "description": e.what}
                for e in fields.events
            ],
            "text_and_signage_elements": [{"text": text} for text in fields.text],
        }
    found["temporal_caption"] = narrative
    if told.width and told.height:
        found["resolution"] = {"H": told.height, "W": told.width}
    if told.seconds:
        found |= {"duration": f"{told.seconds:g}s", "fps": round(told.fps)}
    return {name: value for name, value in found.items() if value}


DIALECTS: dict[str, Callable[[Told], str]] = {
    "prose": prose,
    "ltx": ltx,
    "h3": h3,
    "tags": tags,
    "booru": booru,
    "cosmos": cosmos,
}
"""Name -> writer. One more is a line here."""
FROM_FIELDS = frozenset({"tags", "booru"})
"""Those that prose cannot be turned into."""


def one_paragraph(text: str) -> str:
    """The text on one line: list marks at the start of lines dropped, spaces tidied."""
    lines = (re.sub(r"^\s*(?:[-*•]|\d+[.)])\s+", "", line) for line in text.splitlines())
    return " ".join(" ".join(lines).split())


def _fields(told: Told) -> Structured:
    if told.fields is None:
        raise NeedsFields("this dialect is made of a structured caption, and there is none")
    return told.fields


def _without_style(fields: Structured) -> Structured:
    import msgspec

    return msgspec.structs.replace(fields, style="")


def _phrases(fields: Structured, digits: bool = False) -> list[str]:
    """Everything that is said, a phrase each."""
    found = []
    for subject in fields.subjects:
        found += [_counted(subject, digits), subject.action, subject.position]
    found += [fields.background and f"{fields.background} background", _camera(fields.camera)]
    found += [_light(fields.lighting), fields.style]
    found += [f'text "{text}"' for text in fields.text]
    found += [f"{e.what} at {e.start_s:g}-{e.end_s:g} s" for e in fields.events]
    return [" ".join(phrase.replace(",", " ").split()) for phrase in found if phrase.strip()]


def _camera(words: str) -> str:
    return words if not words or re.search(r"\bcamera\b", words, re.I) else f"camera {words}"


def _light(words: str) -> str:
    return words if not words or re.search(r"\blight", words, re.I) else f"light {words}"


def _counted(subject: Subject, digits: bool) -> str:
    phrase = subject_phrase(subject).strip(" ,")
    if not digits or subject.count is None:
        return phrase
    word = NUMBERS[subject.count] if subject.count < len(NUMBERS) else str(subject.count)
    return re.sub(rf"^(?:an?|{word})\b", str(subject.count), phrase)


def _cosmos_subject(subject: Subject) -> Mapping[str, Any]:
    found = {
        "description": subject.name,
        "appearance_details": subject.appearance,
        "action": subject.action,
        "location": subject.position,
        "number_of_subjects": subject.count,
    }
    return {name: value for name, value in found.items() if value}
